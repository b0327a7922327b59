// SPDX-License-Identifier: Apache-2.0
/// What the kernels of paged attention share: their parameters, the keys of a row, and which rows are decode rows.
///
/// Positions, sequences and block tables are contents of device memory, and a recorded graph is replayed with others.
/// So grids depend on shapes only, and blocks without work return at once.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/attention/keys.cuh>
#include <llava/backend/cuda/attention/tiles.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// Which rows of a step the kernels of decode compute. Tiles compute the others.
enum class decode_rows : std::int32_t {
  none,
  all,         ///< slot i is row i
  of_one_row,  ///< the rows of sequences that have no other row: slot i is sequence i
};

template <class Y, class T>
struct paged_params {
  Y* y;            // (T, H·d)
  const float* q;  // (T, H·d)
  std::ptrdiff_t y_stride, q_stride;
  kv_row_view<T> cache;
  const std::int32_t *positions, *sequences;  // (T)
  const std::int32_t* blocks;                 // (sequences, most blocks)
  std::ptrdiff_t block_stride;
  const float* slopes;  // (H) or null
  int tokens, heads, window;
  float factor;  // of scores, times log2(e)
  bool aligned_queries;
  decode_rows decode;
  int slots;
  int splits;   // parts of a row for which there is memory
  int divisor;  // the number of parts among which a row divides its keys; none uses more than `splits`
  float *part_sums, *part_stats;  // (slots · H · splits, d) and (…, 2), if splits > 1

  /// `count` rows from row t on, or those that are left; all are decode rows.
  paged_params rows_from(int t, int count) const {
    paged_params some = *this;
    some.y += t * y_stride, some.q += t * q_stride, some.positions += t, some.sequences += t;
    some.tokens = some.slots = tokens - t < count ? tokens - t : count;
    return some;
  }
  LLAVA_DEVICE float slope(int head) const { return slopes == nullptr ? 0.f : slopes[head] * log2_e; }
  /// The keys of a row at position p.
  LLAVA_DEVICE key_range range(int p) const { return {window > 0 && p >= window ? p - window + 1 : 0, p}; }
  LLAVA_DEVICE cached_keys<T> keys_of(int sequence, int kv_head) const {
    return {cache, blocks + sequence * block_stride, kv_head};
  }
  /// The row of a slot, or −1. All lanes of the warp call it.
  LLAVA_DEVICE int row_of(int slot) const {
    if (decode == decode_rows::all) return slot;
    int count = 0, row = -1;
    for (int first = 0; first < tokens; first += warp_size) {
      const int t = first + lane_index();
      const std::uint32_t found = warp_ballot(t < tokens && sequences[t] == slot);
      count += count_bits(found);
      if (found != 0) row = first + count_bits((found & (0u - found)) - 1u);
    }
    return count == 1 ? row : -1;
  }
};

/// How the keys of a row are split: into `used` parts of `blocks` blocks of 16 keys, at most `splits`. A part has at
/// least one block for each warp.
struct key_parts {
  key_range keys;
  int blocks, used;

  LLAVA_DEVICE key_parts(key_range k, int splits) : keys(k) {
    const int all = k.last / kv_block - k.first / kv_block + 1;
    blocks = ((all + splits - 1) / splits + 3) / 4 * 4;
    used = (all + blocks - 1) / blocks;
  }
  LLAVA_DEVICE int begin(int part) const {
    return maximum(keys.first, (keys.first / kv_block + part * blocks) * kv_block);
  }
  LLAVA_DEVICE int end(int part) const {
    return minimum(keys.last + 1, (keys.first / kv_block + (part + 1) * blocks) * kv_block);
  }
};

}  // namespace detail

LLAVA_CUDA_END
