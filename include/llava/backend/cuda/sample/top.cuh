// SPDX-License-Identifier: Apache-2.0
/// The last pass of top_logprobs: one block finds the K largest logits of a row and sorts them.
///
/// Bytes: the row six times, from L2: four to find the K-th largest key by its bytes, two to collect. About 20 µs for a
/// row of 32064 and 100 µs for one of 152064, estimated from cycles, whatever K is below a few thousand: the sort of K
/// tokens is short. Rows run side by side. It runs only for answers with log-probabilities.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/sample/log_softmax.cuh>
#include <llava/backend/cuda/sample/sort.cuh>
#include <llava/ops/token_logprob.hpp>

LLAVA_CUDA_BEGIN

template <int Width>
struct top_kernel {
  static constexpr int threads = sort_threads, min_blocks = 2;
  static constexpr bool programmatic_launch = true;
  struct Params {
    token_logprob* y;
    std::ptrdiff_t y_stride;
    int k;
    logit_rows logits;
    const largest_logit* largest;
    const double* sums;
    std::int32_t* scratch;  // (R, 2, V)
  };
  using Smem = sort_memory;
  static grid_size grid(const Params& p) { return {p.logits.rows}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int r = block_index().x, vocab = p.logits.vocab;
    token_logprob* const y = p.y + r * p.y_stride;
    wait_for_previous_kernels();
    let_next_kernel_start();
    const log_softmax of = log_softmax::of_row(p.largest, p.sums, r, p.logits.chunks());
    if (!of.largest.has_tokens()) {
      for (int i = thread_index(); i < p.k; i += threads) y[i] = {-1, float_of(0x7fc00000u)};
      return;
    }
    const float* const row = p.logits.row(r);
    std::int32_t* const scratch = p.scratch + std::ptrdiff_t{2} * r * vocab;
    const std::uint32_t last = select_key(smem, row, vocab, p.k);
    const int n = collect_tokens<Width>(smem, row, vocab, scratch, [&](float v) { return sort_key(v) <= last; });
    const std::int32_t* const order = sort_tokens(smem, row, scratch, scratch + vocab, n);
    for (int i = thread_index(); i < p.k; i += threads) y[i] = {order[i], of.at(row[order[i]])};
  }
};

LLAVA_CUDA_END
