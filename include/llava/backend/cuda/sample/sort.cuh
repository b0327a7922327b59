// SPDX-License-Identifier: Apache-2.0
/// Tokens of a row by falling logit, and of equal logits by rising ID: chosen and sorted by one block of 512 threads.
///
/// The sort is a radix sort from the lowest byte up. It is stable, and the tokens come by rising ID, so a key is a
/// logit and nothing more. The lists are in global memory, where they stay in L2, and hold IDs alone: a pass reads 4
/// bytes for the ID and 4 for the logit, twice, and writes 4. For n tokens a pass takes n / 512 steps of four barriers
/// (about 300 cycles), and a byte that is the same in all keys costs only its count. There are few tokens to sort:
/// sample takes those whose weight can change a sum, top_logprobs the K largest, which select_key() finds.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/sample/scan.cuh>

LLAVA_CUDA_BEGIN

/// The threads of a block that sorts.
inline constexpr int sort_threads = 512;

/// Its shared memory.
struct sort_memory {
  static constexpr int warps = sort_threads / warp_size, digits = 256;
  int counts[warps][digits];  // keys of a warp by digit
  int totals[digits];         // keys by digit
  int first[digits];          // keys with smaller digits
  int warp_sums[warps];
  int digit, rank;  // what select_key() has found
};

/// A number that rises as the logit falls; −0 and +0 have the same. No logit is NaN.
LLAVA_DEVICE std::uint32_t sort_key(float logit) {
  const std::uint32_t u = logit == 0.f ? 0u : bits_of(logit);
  return u >> 31 ? u : ~u & 0x7fffffffu;
}

/// The lanes before this one, as bits.
LLAVA_DEVICE std::uint32_t lanes_before() { return (1u << lane_index()) - 1u; }
/// The lowest one bit of x, which has one.
LLAVA_DEVICE int lowest_bit(std::uint32_t x) { return count_bits((x & (0u - x)) - 1u); }

/// The lanes with the same digit, as bits. Lanes with a digit of −1 take no part.
LLAVA_DEVICE std::uint32_t lanes_with(int digit) {
  std::uint32_t peers = warp_ballot(digit >= 0);
  if (peers == 0) return 0;
  LLAVA_UNROLL
  for (int bit = 0; bit < 8; ++bit) {
    const std::uint32_t ones = warp_ballot(digit >> bit & 1);
    peers &= digit >> bit & 1 ? ones : ~ones;
  }
  return peers;
}

/// Counts digit_at(i), 0 to 255 or −1, over 0 ≤ i < n, into totals and first.
template <class Digit>
LLAVA_DEVICE void count_digits(sort_memory& m, int n, Digit&& digit_at) {
  const int thread = thread_index(), lane = lane_index(), warp = warp_index();
  for (int i = thread; i < m.warps * m.digits; i += sort_threads) m.counts[i / m.digits][i % m.digits] = 0;
  sync_block();
  for (int base = warp * warp_size; base < n; base += sort_threads) {
    const int i = base + lane, digit = i < n ? digit_at(i) : -1;
    const std::uint32_t peers = lanes_with(digit);
    if (digit >= 0 && (peers & lanes_before()) == 0) m.counts[warp][digit] += count_bits(peers);
    sync_warp();
  }
  sync_block();
  int total = 0;
  if (thread < m.digits)
    for (int w = 0; w < m.warps; ++w) total += m.counts[w][thread];
  int sum = total;  // of the lanes up to this one
  LLAVA_UNROLL
  for (int by = 1; by < warp_size; by *= 2) {
    const int below = shuffle_up(sum, by);
    if (lane >= by) sum += below;
  }
  if (lane == warp_size - 1) m.warp_sums[warp] = sum;
  sync_block();
  sum -= total;
  for (int w = 0; w < warp; ++w) sum += m.warp_sums[w];
  if (thread < m.digits) m.totals[thread] = total, m.first[thread] = sum;
  sync_block();
}

/// Sorts `ids` (n) with `spare` (n) as scratch memory. Returns which of the two holds the result.
LLAVA_DEVICE std::int32_t* sort_tokens(sort_memory& m, const float* logits, std::int32_t* ids, std::int32_t* spare,
                                       int n) {
  const int thread = thread_index(), warp = warp_index();
  for (int shift = 0; shift < 32; shift += 8) {
    const auto digit_of = [&](std::int32_t id) { return static_cast<int>(sort_key(logits[id]) >> shift & 255u); };
    count_digits(m, n, [&](int i) { return digit_of(ids[i]); });
    if (sync_block_or(thread < m.digits && m.totals[thread % m.digits] == n)) continue;  // all keys have this digit
    for (int base = 0; base < n; base += sort_threads) {
      for (int i = thread; i < m.warps * m.digits; i += sort_threads) m.counts[i / m.digits][i % m.digits] = 0;
      sync_block();
      const int i = base + thread, id = i < n ? ids[i] : 0, digit = i < n ? digit_of(id) : -1;
      const std::uint32_t peers = lanes_with(digit);
      const int before = count_bits(peers & lanes_before());
      if (digit >= 0 && before == 0) m.counts[warp][digit] = count_bits(peers);
      sync_block();
      if (thread < m.digits) {  // counts become the places of each warp's first key
        int place = m.first[thread];
        for (int w = 0; w < m.warps; ++w) {
          const int count = m.counts[w][thread];
          m.counts[w][thread] = place;
          place += count;
        }
        m.first[thread] = place;
      }
      sync_block();
      if (digit >= 0) spare[m.counts[warp][digit] + before] = id;
      sync_block();
    }
    std::int32_t* const sorted = spare;
    spare = ids;
    ids = sorted;
  }
  return ids;
}

/// The k-th smallest key of the row, 1 ≤ k ≤ vocab: digit by digit from the highest byte down.
LLAVA_DEVICE std::uint32_t select_key(sort_memory& m, const float* logits, int vocab, int k) {
  std::uint32_t key = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    count_digits(m, vocab, [&](int i) {
      const std::uint32_t x = sort_key(logits[i]);
      return shift == 24 || x >> (shift + 8) == key >> (shift + 8) ? static_cast<int>(x >> shift & 255u) : -1;
    });
    if (thread_index() < m.digits) {
      const int first = m.first[thread_index()];
      if (first < k && k <= first + m.totals[thread_index()]) m.digit = thread_index(), m.rank = k - first;
    }
    sync_block();
    key |= static_cast<std::uint32_t>(m.digit) << shift;
    k = m.rank;
  }
  return key;
}

/// Writes the IDs of the logits with keep(logit) to `ids`, rising, and returns their number. A warp has a range of the
/// row. It counts first and then writes where the ranges before it end: two reads of the row, the second from L1 or L2,
/// and one pair of barriers.
template <int Width, class Keep>
LLAVA_DEVICE int collect_tokens(sort_memory& m, const float* logits, int vocab, std::int32_t* ids, Keep&& keep) {
  constexpr int step = warp_size * Width;
  const int range = (vocab + sort_threads * Width - 1) / (sort_threads * Width) * step;
  const int begin = warp_index() * range, end = minimum(begin + range, vocab);
  int count = 0;
  for (int base = begin; base < end; base += step) {
    const int i = base + lane_index() * Width;
    if (i >= vocab) continue;
    for (const float v : load_piece<Width>(logits + i).at) count += keep(v) ? 1 : 0;
  }
  count = warp_sum(count);
  if (lane_index() == 0) m.warp_sums[warp_index()] = count;
  sync_block();
  int place = 0, all = 0;
  for (int w = 0; w < m.warps; ++w) {
    if (w == warp_index()) place = all;
    all += m.warp_sums[w];
  }
  for (int base = begin; base < end; base += step) {
    const int i = base + lane_index() * Width;
    piece<Width> v = {};
    std::uint32_t kept = 0;  // a bit per element
    if (i < vocab) {
      v = load_piece<Width>(logits + i);
      LLAVA_UNROLL
      for (int j = 0; j < Width; ++j) kept |= keep(v.at[j]) ? 1u << j : 0u;
    }
    int before = 0, total = 0;
    LLAVA_UNROLL
    for (int j = 0; j < Width; ++j) {
      const std::uint32_t lanes = warp_ballot(kept >> j & 1u);
      before += count_bits(lanes & lanes_before());
      total += count_bits(lanes);
    }
    LLAVA_UNROLL
    for (int j = 0; j < Width; ++j)
      if (kept >> j & 1u) ids[place + before++] = i + j;
    place += total;
  }
  sync_block();
  return all;
}

LLAVA_CUDA_END
