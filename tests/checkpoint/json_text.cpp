// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/json_text.hpp>

#include <llava/checkpoint/json.hpp>
#include <llava_catch.hpp>

#include <random>

using llava::without_members;

TEST_CASE("members are taken out of JSON text with their comma, and nothing else changes") {
  struct row {
    std::string_view before, after;
  };
  for (const row& r :
       {row{R"({})", R"({})"},
        {R"({"k": 1})", R"({})"},
        {R"({"k":"a\"b,}","b":2})", R"({"b":2})"},
        {R"({"a": 1, "k": {"x": [1, {"y": "}"}]}, "b": 2})", R"({"a": 1, "b": 2})"},
        {R"({"a": 1, "k": [1, 2]})", R"({"a": 1})"},
        {R"({"a": 1, "k": null, "k": -1e5})", R"({"a": 1})"},
        {R"({"k": 1, "k": 2})", R"({})"},
        {R"({"k": true, "t": {"k": false , "u": "k"}})", R"({"t": {"u": "k"}})"},
        {R"({"a": "k", "b": ["k", "k"], "kk": 1, "\"k": 2})", R"({"a": "k", "b": ["k", "k"], "kk": 1, "\"k": 2})"},
        {"{\n  \"a\": 1.50,\n  \"k\": {\n    \"x\": 1\n  },\n  \"b\": 2\n}\n", "{\n  \"a\": 1.50,\n  \"b\": 2\n}\n"},
        {"{\n  \"a\": 1,\n  \"k\": 3\n}\n", "{\n  \"a\": 1\n}\n"}})
    CHECK(without_members(r.before, "k") == r.after);
}

namespace {

/// Random JSON; with `taken`, the members called k are left out.
struct random_json {
  std::mt19937 random;
  int below(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }
  std::string space() { return std::string(static_cast<std::size_t>(below(3)), " \n"[below(2)]); }

  /// The text, and the text without the members.
  std::pair<std::string, std::string> value(int depth) {
    const int kind = below(depth > 4 ? 3 : 5);
    if (kind < 3) {
      static constexpr const char* leaves[] = {"-1.5e3", "true", "null", "\"k\"", "\"a\\\"k\\\\\"", "\"}],{[\"", "0"};
      const std::string leaf = leaves[below(7)];
      return {leaf, leaf};
    }
    const bool is_object = kind == 3;
    std::string all, kept;
    for (int i = below(4); i > 0; --i) {
      const bool is_k = is_object && below(3) == 0;
      const auto [whole, rest] = value(depth + 1);
      const std::string name = is_object ? std::string(is_k ? "\"k\"" : "\"b\"") + space() + ":" + space() : "";
      all += (all.empty() ? "" : ",") + space() + name + whole + space();
      if (!is_k) kept += (kept.empty() ? "" : ",") + name + rest;
    }
    return {(is_object ? "{" : "[") + all + (is_object ? "}" : "]"),
            (is_object ? "{" : "[") + kept + (is_object ? "}" : "]")};
  }
};

std::string without_space(std::string_view text) {
  std::string all;
  for (const char c : text)
    if (c != ' ' && c != '\n') all += c;
  return all;
}

}  // namespace

TEST_CASE("members are taken out of random JSON") {
  random_json made{std::mt19937(7)};
  for (int i = 0; i < 5000; ++i) {
    const auto [whole, kept] = made.value(0);
    const std::string found = without_members(whole, "k");
    INFO(whole);
    REQUIRE(llava::try_parse_json("whole", whole));
    REQUIRE(llava::try_parse_json("found", found));
    REQUIRE(without_space(found) == without_space(kept));
  }
}
