// SPDX-License-Identifier: Apache-2.0
/// The first pass over rows of logits: the first of the largest, and whether a logit is NaN or +infinity.
///
/// Bytes: 4 R V read, 8 written per chunk of 4096. A row of 32064 is 128 KB, 0.04 µs at 3.35 TB/s (H100); 48 rows of
/// 152064 are 29 MB, 8.7 µs (H100) and 6.1 µs at 4.8 TB/s (H200).
///
/// A chunk is a block: 256 threads with four pieces of 16 bytes each, all loaded before the first is compared. So a row
/// has 8 to 38 blocks, which read it at once, and every row can be read at memory speed. The chunks of a row are
/// compared by whoever needs the result, in registers of one block: a grid depends on shapes only, and greedy rows take
/// this pass and one block that reads 8 bytes per chunk.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/pieces.cuh>

LLAVA_CUDA_BEGIN

/// The first of the largest logits of some, and where it is. A NaN or +infinity among them makes it {+infinity, −1}.
struct largest_logit {
  float logit;
  std::int32_t at;

  /// Less than any.
  LLAVA_DEVICE static largest_logit none() { return {float_of(0xff800000u), 0x7fffffff}; }
  LLAVA_DEVICE static largest_logit invalid() { return {float_of(0x7f800000u), -1}; }
  LLAVA_DEVICE bool is_valid() const { return at >= 0; }
  /// Whether a token has a probability.
  LLAVA_DEVICE bool has_tokens() const { return is_valid() && logit > float_of(0xff800000u); }

  LLAVA_DEVICE void merge(const largest_logit& b) {
    if (b.logit > logit || (b.logit == logit && b.at < at)) *this = b;
  }
};

/// That of a warp, in all lanes.
LLAVA_DEVICE largest_logit warp_largest(largest_logit x) {
  LLAVA_UNROLL
  for (int mask = warp_size / 2; mask > 0; mask /= 2) x.merge({shuffle_xor(x.logit, mask), shuffle_xor(x.at, mask)});
  return x;
}
/// That of a block, in all threads; `scratch` as for block_sum().
template <std::size_t Warps>
LLAVA_DEVICE largest_logit block_largest(largest_logit x, largest_logit (&scratch)[Warps]) {
  x = warp_largest(x);
  if (lane_index() == 0) scratch[warp_index()] = x;
  sync_block();
  x = scratch[0];
  for (std::size_t w = 1; w < Warps; ++w) x.merge(scratch[w]);
  sync_block();
  return x;
}

/// Rows of logits (R, V), cut into chunks.
struct logit_rows {
  static constexpr int chunk = 4096;
  const float* data;
  std::ptrdiff_t stride;
  int rows, vocab;

  LLAVA_HOST_DEVICE int chunks() const { return (vocab + chunk - 1) / chunk; }
  LLAVA_DEVICE const float* row(int r) const { return data + r * stride; }
};

template <int Width>
struct scan_kernel {
  static constexpr int threads = 256, min_blocks = 4, pieces = logit_rows::chunk / (threads * Width);
  static constexpr bool programmatic_launch = true;
  struct Params {
    logit_rows logits;
    largest_logit* largest;  // (R, chunks)
  };
  struct Smem {
    largest_logit warps[threads / warp_size];
  };
  static grid_size grid(const Params& p) { return {p.logits.rows * p.logits.chunks()}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int chunks = p.logits.chunks(), vocab = p.logits.vocab;
    const float* const row = p.logits.row(block_index().x / chunks);
    const int first = block_index().x % chunks * logit_rows::chunk + thread_index() * Width;
    wait_for_previous_kernels();
    let_next_kernel_start();
    piece<Width> v[static_cast<std::size_t>(pieces)] = {};
    LLAVA_UNROLL
    for (int k = 0; k < pieces; ++k)
      if (first + k * threads * Width < vocab) v[k] = load_piece<Width>(row + first + k * threads * Width);
    largest_logit x = largest_logit::none();
    LLAVA_UNROLL
    for (int k = 0; k < pieces; ++k) {
      const int i = first + k * threads * Width;
      if (i >= vocab) continue;
      LLAVA_UNROLL
      for (int j = 0; j < Width; ++j)
        x.merge(v[k].at[j] < float_of(0x7f800000u) ? largest_logit{v[k].at[j], i + j} : largest_logit::invalid());
    }
    x = block_largest(x, smem.warps);
    if (thread_index() == 0) p.largest[block_index().x] = x;
  }
};

/// That of row r, in all lanes of the calling warp.
LLAVA_DEVICE largest_logit largest_of_row(const largest_logit* largest, int r, int chunks) {
  largest_logit x = largest_logit::none();
  for (int c = lane_index(); c < chunks; c += warp_size) x.merge(largest[static_cast<std::ptrdiff_t>(r) * chunks + c]);
  return warp_largest(x);
}

LLAVA_CUDA_END
