// SPDX-License-Identifier: Apache-2.0
/// The logarithm of the softmax of rows of logits, in double precision as on every backend: sums of e^(logit − largest)
/// by chunk, which a row's user adds.
///
/// Bytes: 4 R V, from L2 if the scan has just read them; about 50 operations in f64 per logit. H100 and H200 have 34
/// TFLOP/s in f64: a row of 32064 takes 0.05 µs of arithmetic, 48 rows of 152064 take 11 µs, about as long as their
/// bytes. The tile is the scan's, so that one row is spread over many multiprocessors.
#pragma once
#include <cmath>
#include <cstddef>

#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/sample/scan.cuh>

LLAVA_CUDA_BEGIN

template <int Width>
struct exp_sum_kernel {
  static constexpr int threads = 256, min_blocks = 4;
  static constexpr bool programmatic_launch = true;
  struct Params {
    logit_rows logits;
    const largest_logit* largest;  // (R, chunks)
    double* sums;                  // (R, chunks)
  };
  struct Smem {
    double sums[threads / warp_size];
  };
  static grid_size grid(const Params& p) { return {p.logits.rows * p.logits.chunks()}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int chunks = p.logits.chunks(), r = block_index().x / chunks;
    const float* const row = p.logits.row(r);
    const int begin = block_index().x % chunks * logit_rows::chunk;
    const int end = minimum(begin + logit_rows::chunk, p.logits.vocab);
    wait_for_previous_kernels();
    let_next_kernel_start();
    const float largest = largest_of_row(p.largest, r, chunks).logit;
    double sum = 0;
    for (int i = begin + thread_index() * Width; i < end; i += threads * Width)
      for (const float v : load_piece<Width>(row + i).at) sum += std::exp(static_cast<double>(v - largest));
    sum = block_sum(sum, smem.sums);
    if (thread_index() == 0) p.sums[block_index().x] = sum;
  }
};

/// The log-probabilities of a row.
struct log_softmax {
  largest_logit largest;
  double log_sum;

  /// That of row r, in all lanes of the calling warp.
  LLAVA_DEVICE static log_softmax of_row(const largest_logit* largest, const double* sums, int r, int chunks) {
    double sum = 0;
    for (int c = lane_index(); c < chunks; c += warp_size) sum += sums[static_cast<std::ptrdiff_t>(r) * chunks + c];
    return {largest_of_row(largest, r, chunks), std::log(warp_sum(sum))};
  }
  /// NaN if the row has no tokens.
  LLAVA_DEVICE float at(float logit) const {
    if (!largest.has_tokens()) return float_of(0x7fc00000u);
    return static_cast<float>(static_cast<double>(logit - largest.logit) - log_sum);
  }
};

/// logprobs: a warp per row.
struct logprob_kernel {
  static constexpr int threads = 128, min_blocks = 4;
  static constexpr bool programmatic_launch = true;
  struct Params {
    float* y;
    const std::int32_t* ids;
    logit_rows logits;
    const largest_logit* largest;
    const double* sums;
  };
  using Smem = no_shared_memory;
  static constexpr int rows = threads / warp_size;
  static grid_size grid(const Params& p) { return {(p.logits.rows + rows - 1) / rows}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int r = block_index().x * rows + warp_index();
    wait_for_previous_kernels();
    let_next_kernel_start();
    if (r >= p.logits.rows) return;
    const log_softmax of = log_softmax::of_row(p.largest, p.sums, r, p.logits.chunks());
    const std::int32_t id = p.ids[r];
    const bool is_token = id >= 0 && id < p.logits.vocab;
    if (lane_index() == 0) p.y[r] = is_token ? of.at(p.logits.row(r)[id]) : float_of(0x7fc00000u);
  }
};

LLAVA_CUDA_END
