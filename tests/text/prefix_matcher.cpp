// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <llava/text/prefix_matcher.hpp>
#include <llava_catch.hpp>

TEST_CASE("finds the longest text at a position, or the longest that is accepted") {
  const llava::prefix_matcher m({{"<s>", 1}, {"<", 2}, {"<s>x", 3}, {"", 4}, {"\xff\x80", 5}, {"<t", 6}});
  const auto at = [&](std::string_view text, std::size_t i = 0) { return m.longest_at(text, i).number; };
  CHECK(at("<s>xy") == 3);
  CHECK(at("<s>y") == 1);
  CHECK(at("<s") == 2);
  CHECK(at("<tt") == 6);
  CHECK(at("a<s>", 1) == 1);
  CHECK(at("a<s>") == -1);
  CHECK(at("\xff\x80") == 5);
  CHECK(at("\xff") == -1);
  CHECK(m.longest_at("<s>x", 0, [](std::int32_t n) { return n != 3; }).number == 1);
  CHECK(m.longest_at("<s>x", 0, [](std::int32_t n) { return n == 2; }).bytes == 1);
  CHECK(llava::prefix_matcher().empty());
}

TEST_CASE("of equal texts the last one is found") {
  CHECK(llava::prefix_matcher({{"a", 1}, {"a", 2}}).longest_at("ab", 0).number == 2);
}

TEST_CASE("a set of many texts gives the result of searching each of them") {
  std::vector<std::pair<std::string, std::int32_t>> texts;
  std::uint64_t x = 3;
  const auto below = [&](std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  };
  const auto word = [&](std::uint64_t longest) {
    std::string s;
    for (std::uint64_t n = 1 + below(longest); n > 0; --n) s += "ab\xe2"[below(3)];
    return s;
  };
  for (std::int32_t i = 0; i < 200; ++i) texts.emplace_back(word(6), i);
  const llava::prefix_matcher m(texts);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = word(12);
    std::size_t longest = 0;
    for (const auto& [t, n] : texts)
      if (text.compare(0, t.size(), t) == 0 && t.size() > longest) longest = t.size();
    if (m.longest_at(text, 0).bytes != longest) FAIL(text);
  }
}
