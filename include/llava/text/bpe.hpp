// SPDX-License-Identifier: Apache-2.0
/// Byte-pair encoding of one word: neighbours are joined, the best pair first, the leftmost of equals, until none is left.
/// A heap of pairs keeps it at n log n for words of any length (R10); no recursion.
#pragma once
#include <cstdint>
#include <optional>
#include <queue>
#include <string_view>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A stretch of the word that is one token, or −1 while it is none.
struct bpe_symbol {
  std::int32_t id = -1;
  std::uint32_t begin = 0, end = 0;   // bytes of the word
  std::int32_t before = -1, after = -1;
  bool fixed = false;                 // takes no part in merges
};

/// What two neighbours become, and how soon: the lower the rank, the sooner.
struct bpe_merge {
  double rank = 0;
  std::int32_t id = -1;
};

/// Merges `symbols` of `word` in place; `merge_of(left, right)` says whether two may join. What is left is linked by
/// `after`, from symbol 0 on.
template <class MergeOf>
void merge_pairs(std::vector<bpe_symbol>& symbols, MergeOf&& merge_of) {
  struct candidate {
    double rank;
    std::int32_t left, right;
    std::uint32_t begin, end;  // of both together, to know it is still there
    std::int32_t id;
    bool operator<(const candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }  // top: lowest
  };
  std::priority_queue<candidate> queue;
  const auto at = [&](std::int32_t i) -> bpe_symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto consider = [&](std::int32_t l, std::int32_t r) {
    if (l < 0 || r < 0 || at(l).fixed || at(r).fixed) return;
    if (const std::optional<bpe_merge> m = merge_of(at(l), at(r))) queue.push({m->rank, l, r, at(l).begin, at(r).end, m->id});
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].before = static_cast<std::int32_t>(i) - 1;
    symbols[i].after = i + 1 < symbols.size() ? static_cast<std::int32_t>(i) + 1 : -1;
  }
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<std::int32_t>(i), static_cast<std::int32_t>(i) + 1);
  while (!queue.empty()) {
    const candidate c = queue.top();
    queue.pop();
    bpe_symbol &l = at(c.left), &r = at(c.right);
    if (l.begin == l.end || l.after != c.right || l.begin != c.begin || r.end != c.end) continue;  // one of them has changed
    l.end = r.end;
    l.id = c.id;
    l.after = r.after;
    if (r.after >= 0) at(r.after).before = c.left;
    r.begin = r.end = 0;
    consider(l.before, c.left);
    consider(c.left, l.after);
  }
}

LLAVA_END
