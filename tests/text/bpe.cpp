// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <llava/text/bpe.hpp>
#include <llava_catch.hpp>

namespace {

/// One symbol per letter. A letter's id is its code; longer texts have ids from 256.
struct toy {
  std::map<std::string, std::uint32_t> ranks;
  std::size_t asked = 0;

  std::vector<std::string> merged(const std::string& word, std::size_t frozen = std::string::npos) {
    std::vector<llava::bpe_symbol> symbols(word.size());
    for (std::uint32_t i = 0; i < word.size(); ++i) {
      symbols[i].id = word[i];
      symbols[i].begin = i, symbols[i].end = i + 1;
      symbols[i].no_merge = i == frozen;
    }
    llava::merge_pairs(symbols, [&](const llava::bpe_symbol& l, const llava::bpe_symbol& r, llava::bpe_merge& m) {
      ++asked;
      const auto found = ranks.find(word.substr(l.begin, r.end - l.begin));
      if (found == ranks.end()) return false;
      m = {found->second, 256 + static_cast<std::int32_t>(found->second)};
      return true;
    });
    std::vector<std::string> out;
    for (std::uint32_t i = word.empty() ? llava::no_symbol : 0; i != llava::no_symbol; i = symbols[i].after)
      out.push_back(word.substr(symbols[i].begin, symbols[i].end - symbols[i].begin));
    return out;
  }
};

using words = std::vector<std::string>;

}  // namespace

TEST_CASE("the pair of the lowest rank merges first, the leftmost of equals") {
  toy t{{{"ab", 1}, {"bc", 0}, {"aa", 2}}};
  CHECK(t.merged("abc") == words{"a", "bc"});
  CHECK(t.merged("abab") == words{"ab", "ab"});
  CHECK(t.merged("aaaaa") == words{"aa", "aa", "a"});
  CHECK(t.merged("ab") == words{"ab"});
  CHECK(t.merged("x") == words{"x"});
  CHECK(t.merged("").empty());
}

TEST_CASE("frozen symbols are never merged") {
  toy t{{{"ab", 0}, {"abc", 1}, {"bc", 2}}};
  CHECK(t.merged("abc") == words{"abc"});
  CHECK(t.merged("abc", 1) == words{"a", "b", "c"});
  CHECK(t.merged("abc", 0) == words{"a", "bc"});
}

TEST_CASE("R10: the number of pairs looked up grows with the length of a word, not with its square") {
  toy t;
  for (std::uint32_t n = 2, rank = 0; n <= 64; n *= 2) t.ranks[std::string(n, 'A')] = rank++;
  for (const std::size_t n : {1u << 12, 1u << 14, 1u << 16}) {
    t.asked = 0;
    CHECK(t.merged(std::string(n, 'A')).size() == n / 64);
    CHECK(t.asked <= 3 * n);  // each pair at first, and two more per merge
  }
}

TEST_CASE("the order of merges equals a new search for the best pair before every merge") {
  std::uint64_t x = 7;
  const auto below = [&](std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  };
  for (int round = 0; round < 2000; ++round) {
    toy t;
    std::string word;
    for (std::uint64_t i = 2 + below(12); i > 0; --i) word += static_cast<char>('a' + below(3));
    for (int i = 0; i < 12; ++i) {
      std::string piece;
      for (std::uint64_t n = 2 + below(3); n > 0; --n) piece += static_cast<char>('a' + below(3));
      t.ranks[piece] = static_cast<std::uint32_t>(below(6));  // with equal ranks
    }
    words slow;
    for (const char c : word) slow.emplace_back(1, c);
    for (;;) {
      std::size_t best = slow.size();
      for (std::size_t i = 0; i + 1 < slow.size(); ++i) {
        const auto found = t.ranks.find(slow[i] + slow[i + 1]);
        if (found != t.ranks.end() && (best == slow.size() || found->second < t.ranks[slow[best] + slow[best + 1]]))
          best = i;
      }
      if (best == slow.size()) break;
      slow[best] += slow[best + 1];
      slow.erase(slow.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    if (t.merged(word) != slow) FAIL(word);
  }
}
