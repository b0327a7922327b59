// SPDX-License-Identifier: Apache-2.0
/// Grammars accept the texts that the package jsonschema accepts (tests/oracle/grammar_vectors.py), and refuse the
/// others at the right byte. Schemas that are not supported are refused by name.
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <llava/grammar/configurations.hpp>
#include <llava/grammar/json_schema.hpp>
#include <llava_catch.hpp>

namespace {

using llava::grammar, llava::grammar_options, llava::json_space;

/// The number of bytes that the grammar accepts; −1 if it accepts the whole text as an answer.
int refused_at(const grammar& g, std::string_view text) {
  llava::detail::configurations sets(g.states());
  std::int32_t at = sets.start();
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((at = sets.step(at, static_cast<unsigned char>(text[i]))) < 0) return static_cast<int>(i);
  return sets.is_complete(at) ? -1 : static_cast<int>(text.size());
}
grammar of(std::string_view schema, const grammar_options& o = {}) {
  auto g = grammar::try_json_schema(schema, o);
  if (!g) FAIL(schema << ": " << g.error().what());
  return *std::move(g);
}
std::string error_of(std::string_view schema) {
  const auto g = grammar::try_json_schema(schema);
  return g ? "" : g.error().sentence();
}
bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

}  // namespace

TEST_CASE("grammars accept what jsonschema accepts, and refuse other texts at their first wrong byte") {
  const std::string file = LLAVA_TEST_DATA "/grammar/vectors.json";
  const auto text = llava::try_read_text_file(file);
  REQUIRE(text);
  const auto json = llava::try_parse_json(file, *text);
  REQUIRE(json);
  std::size_t accepted = 0, refused = 0;
  for (const llava::json_value& c : json->find("cases")->items()) {
    const grammar g = of(*c.find("schema")->text());
    INFO(*c.find("schema")->text());
    for (const llava::json_value& t : c.find("accept")->items()) {
      ++accepted;
      if (const int at = refused_at(g, *t.text()); at != -1) FAIL_CHECK("refused at " << at << ": " << *t.text());
    }
    for (const llava::json_value& r : c.find("refuse")->items()) {
      ++refused;
      const auto expected = r.items()[1].integer();
      const int at = refused_at(g, *r.items()[0].text());
      if (*expected >= 0 ? at != *expected : at == -1)
        FAIL_CHECK("refused at " << at << ", expected " << *expected << ": " << *r.items()[0].text());
    }
  }
  CHECK(accepted > 900);
  CHECK(refused > 1500);
}

TEST_CASE("white space is bounded and of the chosen kind") {
  constexpr std::string_view schema = R"({"properties": {"a": {"items": {"type": "integer"}}}})";
  const grammar none = of(schema, {json_space::none, false}), one = of(schema, {json_space::one, true}),
                lines = of(schema, {json_space::lines, true});
  for (const grammar* g : {&none, &one, &lines}) CHECK(refused_at(*g, R"({"a":[1,2]})") == -1);
  for (const grammar* g : {&one, &lines}) CHECK(refused_at(*g, R"( {"a": [1, 2]})") == -1);
  CHECK(refused_at(none, " {}") == 0);
  CHECK(refused_at(none, R"({"a": [)") == 5);
  CHECK(refused_at(one, "  {}") == 1);
  CHECK(refused_at(one, "{ }") == 1);
  CHECK(refused_at(one, R"({"a":  )") == 6);
  CHECK(refused_at(one, R"({"a": [1 ,)") == 8);
  CHECK(refused_at(lines, "{\n  \"a\": [\n    1,\n    2\n  ]\n}") == -1);
  CHECK(refused_at(lines, "{\n\n") == 2);
  CHECK(refused_at(lines, "{\n" + std::string(64, ' ') + "\"") == 67);
  CHECK(refused_at(lines, "{\n" + std::string(65, ' ')) == 66);
  CHECK(refused_at(lines, "{ }") == -1);
  CHECK(refused_at(lines, R"({"a"  )") == 4);
}

TEST_CASE("choices") {
  const std::vector<std::string> texts{"yes", "no", "not sure", "漢字", "y\"es"};
  const auto g = grammar::try_choices(texts);
  REQUIRE(g);
  for (const std::string& t : texts) {
    CHECK(refused_at(*g, t) == -1);
    CHECK(refused_at(*g, ' ' + t) == -1);
    CHECK(refused_at(*g, t + '!') == static_cast<int>(t.size()));
  }
  CHECK(refused_at(*g, "not") == 3);
  CHECK(refused_at(*g, "ye") == 2);
  CHECK(refused_at(*g, "maybe") == 0);
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {}, {""}, {" a"}, {"a\n"}, {"\xff"}, std::vector<std::string>(100001, "a"), {std::string(2000000, 'a')}}) {
    const auto refused = grammar::try_choices(wrong);
    REQUIRE(!refused);
    CHECK(refused.error().sentence().starts_with("llava: "));
  }
}

TEST_CASE("any JSON object") {
  const auto g = grammar::try_json_object();
  REQUIRE(g);
  CHECK(refused_at(*g, R"({"a": [{"b\u00e9": -1.5e+3}, null, true], "a": "\ud83d\ude00"})") == -1);
  CHECK(refused_at(*g, "[") == 0);
  CHECK(refused_at(*g, repeated("{\"a\":", 63) + "{}" + std::string(63, '}')) == -1);
  CHECK(refused_at(*g, repeated("{\"a\":", 64) + "{") == 64 * 5);
  CHECK(refused_at(*g, repeated("{\"a\":", 64) + "1" + std::string(64, '}')) == -1);
  CHECK(refused_at(*g, "{\"a\":" + std::string(63, '[') + "[") == 5 + 63);
}

TEST_CASE("no state is entered that cannot end within 64 levels") {
  // Each level needs a level inside, down to "stop", so that the last levels must be it.
  const grammar g =
      of(R"({"$defs": {"leaf": {"type": "array", "items": {"type": "array", "items": false}, "minItems": 1}},
      "type": "object", "required": ["x"], "additionalProperties": false,
      "properties": {"y": {"$ref": "#/$defs/leaf"}, "x": {"anyOf": [{"$ref": "#"}, {"const": [[0]]}]}}})");
  const std::string level = "{\"x\":";
  CHECK(refused_at(g, repeated(level, 62) + "[[0]]" + std::string(62, '}')) == -1);
  CHECK(refused_at(g, repeated(level, 62) + "{") == 62 * 5);  // its x needs two more
  CHECK(refused_at(g, repeated(level, 61) + "{\"y\":[[]],\"x\":[[0]]}" + std::string(61, '}')) == -1);
}

TEST_CASE("schemas without a value are refused, and alternatives without one are never begun") {
  for (const char* schema :
       {R"(false)", R"({"enum": []})", R"({"type": "string", "enum": [1, 2]})",
        R"({"type": "array", "minItems": 2, "maxItems": 1})",
        R"({"type": "array", "prefixItems": [true], "items": false, "minItems": 2})",
        R"({"type": "integer", "minimum": 5, "maximum": 4})", R"({"type": "integer", "minimum": 1e18})",
        R"({"type": "number", "minimum": 0.5, "exclusiveMaximum": 0.5})",
        R"({"type": "number", "minimum": 0.5, "maximum": 0.25})", R"({"type": "number", "minimum": 1e18})",
        R"({"type": "number", "exclusiveMaximum": -1e300})", R"({"type": "string", "minLength": 5, "maxLength": 4})",
        R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})",
        R"({"type": "array", "items": {"$ref": "#"}, "minItems": 1})"}) {
    INFO(schema);
    CHECK(contains(error_of(schema), "no value of at most 64 levels satisfies the schema"));
  }
  const grammar g = of(R"({"anyOf": [{"type": "array", "items": {"$ref": "#/anyOf/0"}, "minItems": 1}, {"type": "null"},
      {"type": "object", "properties": {"a": false, "b": {"type": "null"}}}]})");
  CHECK(refused_at(g, "[") == 0);
  CHECK(refused_at(g, R"({"a)") == 2);
  CHECK(refused_at(g, R"({"b":null})") == -1);
}

TEST_CASE("what is not supported is named with its place") {
  struct one {
    const char *schema, *keyword, *place;
  };
  for (const one& c : std::vector<one>{
           {R"({"properties": {"a/b": {"type": "string", "pattern": "x"}}})", "\"pattern\"", "\"/properties/a~1b\""},
           {R"({"items": {"format": "date"}})", "\"format\"", "\"/items\""},
           {R"({"anyOf": [{"type": "null"}, {"multipleOf": 2}]})", "\"multipleOf\"", "\"/anyOf/1\""},
           {R"({"$defs": {"q": {"not": {}}}, "$ref": "#/$defs/q"})", "\"not\"", "\"/$defs/q\""},
           {R"({"uniqueItems": true})", "\"uniqueItems\"", "\"\""},
           {R"({"type": "number", "minimum": "0"})", "\"minimum\"", "\"\""},
           {R"({"type": "number", "maximum": 1e-20})", "bounds", "18 digits"},
           {R"({"prefixItems": [{"exclusiveMaximum": []}]})", "\"exclusiveMaximum\"", "\"/prefixItems/0\""},
           {R"({"anyOf": [true], "type": "string"})", "\"type\"", "beside \"anyOf\""},
           {R"({"enum": [1], "minimum": 1})", "\"minimum\"", "beside \"enum\""},
           {R"({"const": 1, "enum": [1]})", "\"enum\"", "beside \"const\""},
           {R"({"$ref": "#", "minLength": 1})", "\"minLength\"", "beside \"$ref\""},
           {R"({"$ref": "other.json"})", "\"$ref\"", "other.json"},
           {R"({"$ref": "#/$defs/none"})", "\"$ref\"", "#/$defs/none"},
           {R"({"$ref": "#/%4"})", "\"$ref\"", "#/%4"},
           {R"({"$ref": "#/~2"})", "\"$ref\"", "#/~2"},
           {R"({"allOf": [true, true]})", "\"allOf\"", "\"\""},
           {R"({"anyOf": []})", "\"anyOf\"", "\"\""},
           {R"({"oneOf": [{"type": "number"}, {"type": "integer"}]})", "\"oneOf\"", "anyOf"},
           {R"({"oneOf": [{"const": 1}, {"const": 1.0}]})", "\"oneOf\"", "anyOf"},
           {R"({"oneOf": [{"type": "string"}, true]})", "\"oneOf\"", "anyOf"},
           {R"({"type": "text"})", "\"type\"", "\"\""},
           {R"({"type": []})", "\"type\"", "\"\""},
           {R"({"type": ["null", "null"]})", "\"type\"", "\"\""},
           {R"({"type": 1})", "\"type\"", "\"\""},
           {R"({"enum": 1})", "\"enum\"", "\"\""},
           {R"({"properties": []})", "\"properties\"", "\"\""},
           {R"({"properties": {"a": 1}})", "value", "\"/properties/a\""},
           {R"({"required": [1]})", "\"required\"", "\"\""},
           {R"({"required": ["a"], "additionalProperties": false})", "\"required\"", "\"a\""},
           {R"({"items": [true]})", "\"items\"", "prefixItems"},
           {R"({"minItems": -1})", "\"minItems\"", "\"\""},
           {R"({"maxItems": 1.5})", "\"maxItems\"", "\"\""},
           {R"({"minLength": 65537})", "\"minLength\"", "65536"},
           {R"({"maxLength": 1e300})", "\"maxLength\"", "2147483647"},
           {R"({"type": "integer", "minimum": "0"})", "\"minimum\"", "\"\""},
           {R"({"$ref": "#"})", "refers to itself", "\"\""},
           {R"({"anyOf": [{"type": "null"}, {"$ref": "#"}]})", "refers to itself", "\"\""},
           {R"({"a": 1, "a": 2})", "repeated", "a"},
           {R"([1])", "an object", "\"\""},
           {R"({"type")", "not JSON", "the schema"},
           {"", "not JSON", "the schema"},
       }) {
    INFO(c.schema);
    const std::string sentence = error_of(c.schema);
    INFO(sentence);
    CHECK(sentence.starts_with("llava: "));
    CHECK(contains(sentence, c.keyword));
    CHECK(contains(sentence, c.place));
  }
}

TEST_CASE("oneOf of subschemas that exclude each other is anyOf") {
  for (const char* schema :
       {R"({"oneOf": [{"enum": [1, "a"]}, {"enum": [2, "b"]}]})",
        R"({"$defs": {"a": {"type": "null"}}, "oneOf": [{"$ref": "#/$defs/a"}, {"type": "boolean"}]})",
        R"({"oneOf": [{"type": "object", "properties": {"k": {"const": 1}}, "required": ["k"]},
                      {"type": "object", "properties": {"k": {"const": 2}}, "required": ["k"]}, {"type": "array"}]})"}) {
    INFO(schema);
    CHECK(error_of(schema) == "");
  }
}

TEST_CASE("R9, R12: hostile schemas are refused with a sentence, or compiled in bounded time and memory") {
  const auto refused = [](const std::string& schema) { return error_of(schema).starts_with("llava: "); };
  CHECK(refused(repeated("{\"items\":", 3000)));
  CHECK(refused(repeated("[", 1000000)));
  CHECK(refused(repeated("{\"items\":", 70) + "{}" + std::string(70, '}')));
  CHECK(refused(std::string((4 << 20) + 1, ' ')));
  std::string many = "{\"anyOf\":[{}";
  for (int i = 0; i < 20000; ++i) many += ",{\"type\":\"null\"}";
  CHECK(refused(many + "]}"));
  std::string names = "{\"type\":\"object\",\"required\":[\"a\"";
  for (int i = 0; i < 20000; ++i) names += ",\"n" + std::to_string(i) + '"';
  CHECK(refused(names + "]}"));
  CHECK(refused("{\"const\":\"" + std::string(1 << 20, 'x') + "\"}"));
  std::string list = "{\"enum\":[\"";
  for (int i = 0; i < 300000; ++i) list += std::to_string(i * 977) + "\",\"";
  CHECK(contains(error_of(list + "\"]}"), "states"));
  // A chain of references, each to the next.
  std::string chain = "{\"$ref\":\"#/$defs/0\",\"$defs\":{";
  for (int i = 0; i < 9000; ++i)
    chain += "\"" + std::to_string(i) + "\":{\"$ref\":\"#/$defs/" + std::to_string(i + 1) + "\"},";
  CHECK(error_of(chain + "\"9000\":{\"type\":\"null\"}}}") == "");
  CHECK(refused(chain + "\"9000\":{\"$ref\":\"#\"}}}"));
  // Huge counts need no memory.
  CHECK(error_of(R"({"type":"array","items":{"type":"string","maxLength":2147483647},"minItems":65536,
                     "maxItems":2147483647})") == "");
}

TEST_CASE("R9: a schema of thousands of alternatives takes milliseconds a byte") {
  std::string schema = R"({"anyOf":[{"type":"null"})";
  for (int i = 0; i < 4000; ++i)
    schema += ",{\"type\":\"array\",\"items\":{\"enum\":[" + std::to_string(i) + ",\"x\"]}}";
  schema += R"(,{"type":"array","items":{"$ref":"#"}}]})";
  const grammar g = of(schema);
  llava::detail::configurations sets(g.states());
  std::int32_t at = sets.start();
  const auto begun = std::chrono::steady_clock::now();
  const std::string text = R"([[[12,"x",12]],["x","x"],null])";
  for (const char c : text) at = at < 0 ? at : sets.step(at, static_cast<unsigned char>(c));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  REQUIRE(at >= 0);
  CHECK(sets.is_complete(at));
  CHECK(took.count() < (is_sanitized ? 20. : 2.));
}

TEST_CASE("the number of states at once does not grow with an ambiguous text") {
  // Every bracket may begin either of two arrays, so that a set of plain stacks would double with each.
  const grammar g = of(R"({"anyOf": [{"type": "array", "items": {"$ref": "#"}},
      {"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, {"type": "integer"}]})");
  llava::detail::configurations sets(g.states());
  std::int32_t at = sets.start();
  for (int i = 0; i < 60; ++i) {
    at = sets.step(at, '[');
    REQUIRE(at >= 0);
    CHECK(sets.frames(at).size() < 30);
  }
  for (const char c : "1,null" + std::string(60, ']')) at = at < 0 ? at : sets.step(at, static_cast<unsigned char>(c));
  REQUIRE(at >= 0);
  CHECK(sets.is_complete(at));
}
