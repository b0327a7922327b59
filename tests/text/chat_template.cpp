// SPDX-License-Identifier: Apache-2.0
/// Chat templates render the texts of Jinja with transformers' settings (tests/oracle/chat_template_vectors.py), or
/// fail with one sentence.
#include <cstdlib>
#include <string>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/text/chat_template.hpp>
#include <llava_catch.hpp>

namespace {

using llava::template_memory, llava::template_value, llava::template_type;

template_value value_of(const llava::json_value& j, template_memory& memory) {
  if (j.boolean()) return llava::template_boolean(*j.boolean());
  if (j.integer()) return llava::template_integer(*j.integer());
  if (j.text()) return llava::template_text(*j.text());
  if (j.is_array()) {
    std::vector<template_value> items;
    for (const llava::json_value& item : j.items()) items.push_back(value_of(item, memory));
    return memory.list(std::move(items));
  }
  if (!j.is_object()) return llava::template_none();
  const template_value dict = memory.make(template_type::dict);
  for (const auto& [key, item] : j.members()) dict.object->set(key, value_of(item, memory));
  return dict;
}

llava::result<std::string> rendered(std::string_view text, const llava::json_value& variables) {
  LLAVA_TRY(parsed, llava::chat_template::try_parse(text));
  template_memory memory;
  return parsed.try_render(value_of(variables, memory), memory);
}
llava::result<std::string> rendered(std::string_view text, const char* variables = "{}") {
  return rendered(text, *llava::try_parse_json("variables", variables));
}
std::string error_of(std::string_view text, const char* variables = "{}") {
  const auto r = rendered(text, variables);
  return r ? "" : r.error().sentence();
}

/// Checks the vectors of a file and returns their number. At most `refused` vectors that Jinja renders may be refused.
std::size_t check_vectors(const std::string& file, std::size_t refused = 0) {
  const auto text = llava::try_read_text_file(file);
  REQUIRE(text);
  const auto json = llava::try_parse_json(file, *text);
  REQUIRE(json);
  std::size_t refusals = 0;
  for (const llava::json_value& v : json->find("vectors")->items()) {
    const std::string& source = *v.items()[0].text();
    const std::string* expected = v.items()[1].text();
    const auto r = rendered(source, *json->find("variables"));
    INFO(source);
    if (r) CHECK((expected ? *expected : "an error") == *r);
    if (r) continue;
    CHECK(r.error().sentence().rfind("llava: the chat template", 0) == 0);
    if (expected && ++refusals > refused) FAIL_CHECK(r.error().sentence());
  }
  if (refusals > 0) WARN(refusals << " refused");
  return json->find("vectors")->items().size();
}

}  // namespace

TEST_CASE("templates render Jinja's texts, and fail where it fails") {
  CHECK(check_vectors(LLAVA_TEST_DATA "/text/chat_templates.json") >= 1000);
  if (const char* more = std::getenv("LLAVA_CHAT_TEMPLATE_VECTORS")) CHECK(check_vectors(more, 1000) > 0);
}

TEST_CASE("an unsupported feature is an error that names it and its line, once the template reaches it") {
  CHECK(error_of("a\n{{ x | dictsort }}") ==
        "llava: the chat template: line 2: the filter 'dictsort' is not supported");
  CHECK(error_of("{% include 'x' %}") == "llava: the chat template: line 1: the tag 'include' is not supported");
  CHECK(error_of("{{ 1 / 2 }}").find("'/' is not supported between a number and a number") != std::string::npos);
  CHECK(error_of("{{ 1.5 }}").find("a number is not an integer") != std::string::npos);
  CHECK(error_of("{{ 'a'.zfill(3) }}").find("the method 'zfill' of a string is not supported") != std::string::npos);
  CHECK(error_of("{{ [1].index(1) }}").find("the method 'index' of a list is not supported") != std::string::npos);
  CHECK(error_of("{{ 'é'.upper() }}").find("non-ASCII characters") != std::string::npos);
  CHECK(error_of("{{ [1] }}").find("converting a list to a string is not supported") != std::string::npos);
  CHECK(error_of("{{ x.y.z }}").find("'x', which is not defined") != std::string::npos);
  CHECK(error_of("{{ x | safe }}").find("the filter 'safe'") != std::string::npos);
  CHECK(error_of("{% for x in [1] %}{% macro m() %}{% endmacro %}{% endfor %}").find("a macro in a loop") !=
        std::string::npos);
  CHECK(*rendered("{% if x %}{{ x | dictsort }}{% endif %}a") == "a");
}

TEST_CASE("an exception that a template raises is reported in its words") {
  const auto r = rendered("{{ raise_exception('Roles must ' ~ 'alternate') }}");
  REQUIRE_FALSE(r);
  CHECK(r.error().code() == llava::errc::invalid_argument);
  CHECK(r.error().sentence() == "llava: the chat template refuses this conversation: Roles must alternate");
}

TEST_CASE("a template's time, memory and stack are bounded") {
  const auto repeated = [](std::string_view part, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += part;
    return all;
  };
  const std::string too_deep = "nested deeper than 64 levels";
  const auto nested = [&](const char* open, const char* close) {
    return error_of("{{ " + repeated(open, 5000) + "1" + repeated(close, 5000) + " }}");
  };
  for (const auto& [open, close] : {std::pair("(", ")"),
                                    {"[", "]"},
                                    {"-", ""},
                                    {"not ", ""},
                                    {"x[", "]"},
                                    {"{'a':", "}"},
                                    {"x(", ")"},
                                    {"1 if 1 else ", ""},
                                    {"x|f(", ")"},
                                    {"x[:", "]"},
                                    {"x is f(", ")"}})
    CHECK(nested(open, close).find(too_deep) != std::string::npos);
  CHECK(nested("1 if ", "").find("too many 'if'") != std::string::npos);
  CHECK(error_of(repeated("{% if 1 %}", 10000)).find(too_deep) != std::string::npos);
  CHECK(error_of(repeated("{% for x in y %}", 5000)).find(too_deep) != std::string::npos);
  // Long chains of operators, filters and branches are not deep.
  CHECK(*rendered("{{ 1" + repeated(" + 1", 10000) + " }}") == "10001");
  CHECK(*rendered("{{ 'a'" + repeated(" ~ 'a'", 10000) + " | length }}") == repeated("a", 10000) + "1");
  CHECK(*rendered("{{ 'a'" + repeated(" | trim", 10000) + " }}") == "a");
  CHECK(*rendered("{% if 0 %}" + repeated("{% elif 0 %}", 8000) + "{% else %}a{% endif %}") == "a");

  const std::string too_much = "more time or memory", too_long = "longer than any prompt";
  CHECK(error_of("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}").find(too_much) !=
        std::string::npos);
  const std::string doubling =
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}";
  CHECK(error_of(doubling).find("any prompt") != std::string::npos);
  CHECK(error_of("{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}")
            .find(too_much) != std::string::npos);
  CHECK(
      error_of("{% set s %}" + std::string(10000, 'a') + "{% endset %}{% for i in range(100000) %}{{ s }}{% endfor %}")
          .find(too_long) != std::string::npos);
  CHECK(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").find("macro calls are nested too deep") !=
        std::string::npos);
  // Lists nested in lists are compared and written to a bounded depth. Lists that share their items are bounded by
  // work.
  const std::string nesting =
      "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}";
  CHECK(error_of(nesting + "{{ ns.l == [ns.l] }}").find("nested too deep") != std::string::npos);
  CHECK(error_of(nesting + "{{ ns.l | tojson }}").find("nested too deep") != std::string::npos);
  const std::string sharing =
      "{% set ns = namespace(l=[]) %}{% for i in range(50) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  CHECK(error_of(sharing + "{{ ns.l == ns.l[:] }}").find(too_much) != std::string::npos);
  CHECK(error_of(sharing + "{{ ns.l | tojson }}").find("any prompt") != std::string::npos);
  // A namespace that contains itself is freed exactly once.
  CHECK(*rendered("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns.a.a.a == ns }}") == "True");

  CHECK(llava::chat_template::try_parse(std::string(llava::chat_template::longest, ' ')));
  CHECK_FALSE(llava::chat_template::try_parse(std::string(llava::chat_template::longest + 1, ' ')));
  CHECK(error_of("\xff").find("invalid UTF-8 at byte 0") != std::string::npos);
}

TEST_CASE("numbers beyond 64 bits and divisions by zero are errors") {
  CHECK(error_of("{{ 999999999999999999 * 999999999999999999 }}").find("exceeds 64 bits") != std::string::npos);
  CHECK(error_of("{{ 9999999999999999999 }}").find("more than 18 digits") != std::string::npos);
  CHECK(error_of("{{ 1 % 0 }}").find("division by zero") != std::string::npos);
  CHECK(*rendered("{{ strftime_now('%%') }}") == "%");
}
