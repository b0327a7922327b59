// SPDX-License-Identifier: Apache-2.0
/// Byte-pair encoding of one word: merges the adjacent pair of lowest rank, the leftmost on a tie, until no pair can
/// merge. A heap of pairs bounds the time to O(n log n) for words of any length (R10). Nothing recurses.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Bytes [begin, end) of the word and their token id; −1: not a token.
struct bpe_symbol {
  std::int32_t id = -1;
  std::uint32_t begin = 0, end = 0;
  std::uint32_t before = 0, after = 0;  // neighbours, set by merge_pairs
  bool no_merge = false;                // never merged
};

/// The result of merging two neighbours. The lowest rank merges first.
struct bpe_merge {
  std::uint32_t rank = 0;
  std::int32_t id = -1;
};

/// No neighbour: the end of the list.
inline constexpr std::uint32_t no_symbol = 0xffffffff;
/// Longest word that is merged in one piece, in bytes (1 GiB). Longer words are cut.
inline constexpr std::size_t longest_word = std::size_t{1} << 30;

/// Merges `symbols`, at most longest_word, in place. find(left, right, merge) returns whether two neighbours can merge
/// and sets `merge`. The remaining symbols are linked by `after`, from symbol 0 to no_symbol.
template <class Find>
void merge_pairs(std::vector<bpe_symbol>& symbols, Find&& find) {
  struct candidate {
    std::uint64_t order;  // rank · 2³² + left
    std::uint32_t right, end;
    std::int32_t id;
  };
  const auto later = [](const candidate& a, const candidate& b) { return a.order > b.order; };
  std::vector<candidate> heap;
  const auto consider = [&](std::uint32_t l, std::uint32_t r) {
    const bpe_symbol &left = symbols[l], &right = symbols[r];
    bpe_merge merge;
    if (left.no_merge || right.no_merge || !find(left, right, merge)) return false;
    heap.push_back({std::uint64_t{merge.rank} << 32 | l, r, right.end, merge.id});
    return true;
  };

  const auto count = static_cast<std::uint32_t>(symbols.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    symbols[i].before = i == 0 ? no_symbol : i - 1;
    symbols[i].after = i + 1 < count ? i + 1 : no_symbol;
  }
  for (std::uint32_t i = 0; i + 1 < count; ++i) consider(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), later);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const candidate best = heap.back();
    heap.pop_back();
    const auto l = static_cast<std::uint32_t>(best.order);
    bpe_symbol &left = symbols[l], &right = symbols[best.right];
    // Stale: one of the two was merged since, so they are no longer adjacent or the right one ends elsewhere.
    if (left.after != best.right || right.end != best.end) continue;
    left.end = right.end;
    left.id = best.id;
    left.after = right.after;
    if (right.after != no_symbol) symbols[right.after].before = l;
    right.after = l;  // makes candidates with this left symbol stale: `after` points back
    right.end = 0;
    if (left.before != no_symbol && consider(left.before, l)) std::push_heap(heap.begin(), heap.end(), later);
    if (left.after != no_symbol && consider(l, left.after)) std::push_heap(heap.begin(), heap.end(), later);
  }
}

LLAVA_END
