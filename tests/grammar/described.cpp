// SPDX-License-Identifier: Apache-2.0
/// Described structs: their schemas, the answers that they accept, and the errors of answers that do not fit.
#include <string>
#include <vector>

#include <llava/grammar/configurations.hpp>
#include <llava/grammar/described_value.hpp>
#include <llava_catch.hpp>

namespace grammar_test {

enum class size { small, large };

// [described]
struct part {
  std::string name;
  std::optional<std::vector<part>> parts;
  static constexpr auto fields = std::tuple{llava::field{"name", &part::name}, llava::field{"parts", &part::parts}};
};

// [described]

struct animal {
  std::string name;
  std::optional<int> legs;
  size how_large = size::small;
  double weight = 0;
  float height = 0;
  bool is_tame = false;
  std::uint8_t age = 0;
  std::int64_t seen = 0;
  std::vector<part> parts;
  static constexpr auto fields =
      std::tuple{llava::field{"name", &animal::name},      llava::field{"legs", &animal::legs, "number of \"legs\""},
                 llava::field{"size", &animal::how_large}, llava::field{"weight", &animal::weight},
                 llava::field{"height", &animal::height},  llava::field{"tame", &animal::is_tame},
                 llava::field{"age", &animal::age},        llava::field{"seen", &animal::seen},
                 llava::field{"parts", &animal::parts}};
};

struct twice {
  int a = 0;
  static constexpr auto fields = std::tuple{llava::field{"a", &twice::a}, llava::field{"a", &twice::a}};
};

}  // namespace grammar_test

template <>
inline constexpr auto llava::enum_names<grammar_test::size> = std::array{
    llava::enum_name{"small", grammar_test::size::small}, llava::enum_name{"very large", grammar_test::size::large}};

namespace {

using grammar_test::animal, grammar_test::part;

bool accepts(const llava::grammar& g, std::string_view text) {
  llava::detail::configurations sets(g.states());
  std::int32_t at = sets.start();
  for (const char c : text) at = at < 0 ? at : sets.step(at, static_cast<unsigned char>(c));
  return at >= 0 && sets.is_complete(at);
}

constexpr const char* cat = R"({"name": "a cat", "legs": 4, "size": "very large", "weight": 4.5e0, "height": 0.25,
 "tame": true, "age": 255, "seen": -12345678901, "parts": [{"name": "tail"}, {"name": "head", "parts": [{"name": "ear",
 "parts": null}]}]})";

std::string on_one_line(std::string text) {
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n')) text.erase(at, 1);
  return text;
}
std::string with(std::string_view found, std::string_view instead) {
  std::string text = cat;
  const std::size_t at = text.find(found);
  REQUIRE(at != std::string::npos);
  return text.replace(at, found.size(), instead);
}
std::string error_of(const std::string& text) {
  const auto r = llava::try_read_described<animal>(text);
  return r ? "" : r.error().sentence();
}

}  // namespace

TEST_CASE("an answer is read into the struct") {
  const auto read = llava::try_read_described<animal>(cat);
  if (!read) FAIL(read.error().what());
  CHECK(read->name == "a cat");
  CHECK(read->legs == 4);
  CHECK(read->how_large == grammar_test::size::large);
  CHECK(read->weight == 4.5);
  CHECK(read->height == 0.25f);
  CHECK(read->is_tame);
  CHECK(read->age == 255);
  CHECK(read->seen == -12345678901);
  REQUIRE(read->parts.size() == 2);
  CHECK(!read->parts[0].parts);
  REQUIRE(read->parts[1].parts);
  CHECK(read->parts[1].parts->at(0).name == "ear");
  CHECK(!read->parts[1].parts->at(0).parts);
  CHECK(!llava::try_read_described<animal>(with("\"legs\": 4, ", ""))->legs);
}

TEST_CASE("the grammar of a struct accepts its answers and no others") {
  const auto g = llava::try_described_grammar<animal>();
  if (!g) FAIL(g.error().what());
  CHECK(accepts(*g, on_one_line(cat)));
  CHECK(accepts(*g, on_one_line(with("\"legs\": 4, ", ""))));
  CHECK(accepts(*g, on_one_line(with("4,", "null,"))));
  for (const auto& [found, instead] :
       std::vector<std::pair<const char*, const char*>>{{"255", "256"},
                                                        {"255", "-1"},
                                                        {"very large", "large"},
                                                        {"true", "1"},
                                                        {"\"tame\"", "\"Tame\""},
                                                        {"4,", "2147483648,"},
                                                        {"\"a cat\"", "3"},
                                                        {"\"seen\": -12345678901, ", ""}}) {
    INFO(found << " -> " << instead);
    CHECK(!accepts(*g, on_one_line(with(found, instead))));
    CHECK(error_of(with(found, instead)) != "");
  }
  const auto refused = llava::try_described_grammar<grammar_test::twice>();
  REQUIRE(!refused);
  CHECK(refused.error().sentence().find("repeated") != std::string::npos);
}

TEST_CASE("errors of answers name the field") {
  struct one {
    const char *found, *instead, *named;
  };
  for (const one& c :
       std::vector<one>{{"255", "256", "field age must be an integer from 0 to 255, found 256"},
                        {"4.5e0", "\"4\"", "field weight must be a number, found \"4\""},
                        {"0.25", "1e39", "field height"},
                        {"very large", "huge", "field size must be one of small, very large, found \"huge\""},
                        {"\"ear\"", "[1]", "field parts[1].parts[0].name must be a string, found an array"},
                        {"\"tame\": true, ", "", "field tame is absent"},
                        {"\"tame\"", "\"wild\"", "field wild"},
                        {"{\"name\": \"tail\"}", "7", "field parts[0] must be an object, found 7"},
                        {"\"age\"", "\"name\"", "repeated"},
                        {"\"name\": \"a", "\"name\" \"a", "not JSON"}}) {
    INFO(c.instead);
    const std::string sentence = error_of(with(c.found, c.instead));
    INFO(sentence);
    CHECK(sentence.starts_with("llava: "));
    CHECK(sentence.find(c.named) != std::string::npos);
  }
  CHECK(error_of("[]") == "llava: the answer must be an object, found an array");
}
