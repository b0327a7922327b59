// SPDX-License-Identifier: Apache-2.0
/// JSON as text: the form that Python's json.dumps(value, indent=2) has, and the same value when it is read again.
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/written_json.hpp>

#include <llava_catch.hpp>

namespace {
using namespace llava;

json_value parsed(std::string_view text) {
  auto v = try_parse_json("text", text);
  if (!v) FAIL(v.error().what());
  return *std::move(v);
}
}  // namespace

TEST_CASE("a value has the text of json.dumps with two spaces a level") {
  // Written by Python 3.11: json.dumps(value, indent=2, ensure_ascii=False) + "\n".
  const std::string text =
      "{\n  \"a\": [\n    1,\n    -2.5,\n    1e-05,\n    1e+20,\n    10000.0,\n    9007199254740993\n  ],\n"
      "  \"b\": {\n    \"empty\": {},\n    \"none\": []\n  },\n  \"c\": \"q\\\"\\\\\\n\\u0001é\",\n"
      "  \"d\": [\n    true,\n    false,\n    null\n  ]\n}\n";
  CHECK(json_text(parsed(text)) == text);
  CHECK(json_text(parsed("0.1")) == "0.1\n");
  CHECK(json_text(parsed("\"\\u00e9\\b\\f\\r\\t/\"")) == "\"é\\b\\f\\r\\t/\"\n");
  CHECK(json_text(parsed("1.7976931348623157e308")) == "1.7976931348623157e+308\n");
}

TEST_CASE("members are set in place or at the end, and a float keeps its shortest decimal number") {
  json_value::object o;
  set_member(o, "eps", 1e-5f);
  set_member(o, "theta", 10000.f);
  set_member(o, "n", 3);
  set_member(o, "name", "x");
  set_member(o, "on", true);
  set_member(o, "eps", 1e-6f);
  remove_member(o, "n");
  remove_member(o, "none");
  CHECK(json_text(json_value(o)) ==
        "{\n  \"eps\": 1e-06,\n  \"theta\": 10000.0,\n  \"name\": \"x\",\n  \"on\": true\n}\n");
}
