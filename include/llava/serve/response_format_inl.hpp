// SPDX-License-Identifier: Apache-2.0
/// Definitions of response_format.hpp.
#pragma once
#include <algorithm>
#include <utility>

#include <llava/grammar/constants.hpp>
#include <llava/serve/response_format.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// Reads field `name`, which holds a schema.
inline result<void> try_read_schema(request_fields& fields, std::string_view name, const json_value* v,
                                    bool may_be_text, response_format& read) {
  if (!v || !(v->is_object() || v->boolean() || (may_be_text && v->text())))
    return fields.must_be(name, "a JSON Schema: an object");
  read.is = response_format::kind::json_schema;
  read.param = fields.path_of(name);
  if (v->text())
    read.schema = *v->text();
  else
    llava::detail::append_compact_json(read.schema, *v);
  if (read.schema.size() > response_format::most_bytes)
    return fields.refuse(
        name, text_of("is a schema of ", read.schema.size(), " bytes, expected at most ", response_format::most_bytes));
  return {};
}

/// `response_format`: {"type": "text"}, {"type": "json_object"}, or
/// {"type": "json_schema", "json_schema": {"name", "description", "schema", "strict"}}
inline result<void> try_read_openai_format(request_fields& fields, const json_value& v, response_format& read) {
  if (!v.is_object()) return fields.must_be("response_format", "an object with a type");
  request_fields own(v, fields.path_of("response_format."), fields.param());
  LLAVA_TRY(type, own.text("type"));
  if (type == "json_object") {
    read.is = response_format::kind::json_object;
    read.param = fields.path_of("response_format");
  } else if (type == "json_schema") {
    const json_value* named = own.take("json_schema");
    if (!named || !named->is_object()) return own.must_be("json_schema", "an object with a name and a schema");
    request_fields of_schema(*named, own.path_of("json_schema."), fields.param());
    LLAVA_CHECK(of_schema.text("name"));
    LLAVA_CHECK(of_schema.text("description"));
    LLAVA_CHECK(of_schema.flag("strict"));  // an answer conforms in either case
    LLAVA_CHECK(try_read_schema(of_schema, "schema", of_schema.take("schema"), false, read));
    LLAVA_CHECK(of_schema.try_finish());
  } else if (type != "text") {
    return own.must_be("type", R"("text", "json_object" or "json_schema")");
  }
  return own.try_finish();
}

inline result<void> try_read_choices(request_fields& fields, const json_value& list, response_format& read) {
  constexpr std::string_view expected = "a list of texts, not empty and without white space at their ends";
  if (!list.is_array() || list.items().empty()) return fields.must_be("guided_choice", expected);
  std::size_t bytes = 0;
  for (const json_value& choice : list.items()) {
    const std::string* const text = choice.text();
    if (!text || text->empty() || stripped(*text).size() != text->size())
      return fields.must_be("guided_choice", expected);
    bytes += text->size();
    read.choices.push_back(*text);
  }
  if (bytes > response_format::most_bytes)
    return fields.refuse("guided_choice",
                         text_of("has ", bytes, " bytes of text, expected at most ", response_format::most_bytes));
  read.is = response_format::kind::choices;
  read.param = fields.path_of("guided_choice");
  return {};
}

}  // namespace detail

LLAVA_INLINE result<response_format> try_read_response_format(request_fields& fields) {
  response_format read;
  if (const json_value* v = fields.take("response_format"))
    LLAVA_CHECK(detail::try_read_openai_format(fields, *v, read));
  const auto alone = [&](std::string_view name) -> result<void> {
    if (read.is == response_format::kind::text) return {};
    return fields.refuse(name, text_of("and ", read.param, " each give the answer a form; send one of them"));
  };
  if (const json_value* v = fields.take("guided_json")) {
    LLAVA_CHECK(alone("guided_json"));
    LLAVA_CHECK(detail::try_read_schema(fields, "guided_json", v, true, read));
  }
  if (const json_value* v = fields.take("guided_choice")) {
    LLAVA_CHECK(alone("guided_choice"));
    LLAVA_CHECK(detail::try_read_choices(fields, *v, read));
  }
  return read;
}

LLAVA_INLINE result<grammar> response_format::try_grammar(bool leading_space, std::string& field) const {
  const grammar_options o{.leading_space = leading_space};
  std::string at;
  auto made = is == kind::json_object ? grammar::try_json_object(o)
              : is == kind::choices   ? grammar::try_choices(choices, o)
                                      : grammar::try_json_schema(schema, o, &at);
  field = param;
  std::replace(at.begin(), at.end(), '/', '.');
  field += at;
  // Whatever its kind, the error is one of the request.
  if (!made && made.error().code() != errc::out_of_memory) return fail(errc::invalid_argument, made.error().sentence());
  return made;
}

}  // namespace serve
LLAVA_END
