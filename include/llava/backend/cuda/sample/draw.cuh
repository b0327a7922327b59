// SPDX-License-Identifier: Apache-2.0
/// The second pass of sample: one block takes the chunks' results of a row and, unless the row is greedy, draws.
///
/// The weights e^((logit − largest) / temperature) are summed by falling logit in f32, one after the other, as every
/// backend does: so the sums have the same bits, and a number `uniform` draws the same token, if the weights have the
/// same bits. These are computed in double precision and rounded; glibc's expf differs from that in the last place for
/// one argument in 1600. So two backends draw different tokens only if `uniform` times the sum falls within a few last
/// places of the end of a token's part of it: a chance of about 10⁻⁷ per draw.
///
/// Tokens below e^−16.64 of the largest are left out before the sort. That changes no sum: a weight below 2⁻²⁴ is less
/// than half of the last place of any sum that is at least 1, the largest weight, so adding it does nothing, and what
/// does not move the sum is never drawn.
///
/// Bytes: a row of logits, twice, from L2. For n tokens left: the sort, and n additions of 4 cycles each, since their
/// order is given. A row of real logits leaves tens to a few thousand of 32064: 10 to 30 µs, of which reading the row
/// takes about 5; if none is left out, 32064 tokens take 0.15 ms and 152064 take 0.7 ms. All are estimates from cycles.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/sample/sort.cuh>
#include <llava/ops/sample.hpp>

LLAVA_CUDA_BEGIN

/// The first i < n with is(i), which stays true once it is; n if there is none. By one warp, 32 places at a time.
template <class Is>
LLAVA_DEVICE int first_where(int n, Is&& is) {
  int from = 0, to = n;  // the result is in [from, to]
  while (from < to) {
    const int step = (to - from + warp_size - 1) / warp_size;
    const int i = minimum(from + (lane_index() + 1) * step, to) - 1;  // the last place of this lane
    const std::uint32_t found = warp_ballot(is(i));
    if (found == 0) return to;
    const int lane = lowest_bit(found);
    to = minimum(from + (lane + 1) * step, to) - 1;
    from += lane * step;
  }
  return to;
}

/// Sums `weights` (n), which fall, from the first up, and replaces each by the sum up to it. Stops where no further
/// weight changes the sum, and returns the number of weights up to there, at least 1. `first_below` becomes the first
/// i ≥ 1 with a weight below `least`; if there is none, at least the result. By one warp.
LLAVA_DEVICE int sum_weights(float* weights, int n, float least, int& first_below) {
  float sum = 0.f;
  first_below = n;
  for (int base = 0; base < n; base += warp_size) {
    const int i = base + lane_index();
    const float weight = i < n ? weights[i] : 0.f;
    float sum_here = 0.f;
    LLAVA_UNROLL
    for (int lane = 0; lane < warp_size; ++lane) {
      sum += shuffle(weight, lane);
      if (lane == lane_index()) sum_here = sum;
    }
    if (i < n) weights[i] = sum_here;
    const std::uint32_t below = warp_ballot(i >= 1 && i < n && weight < least);
    if (below != 0 && first_below == n) first_below = base + lowest_bit(below);
    // Half of the last place of the sum is more than 2⁻²⁵ of it.
    if (shuffle(weight, warp_size - 1) <= sum * 0x1p-25f) n = minimum(n, base + warp_size);
  }
  return n;
}

template <int Width>
struct draw_kernel {
  static constexpr int threads = sort_threads, min_blocks = 2;
  static constexpr bool programmatic_launch = true;
  /// Of e^x that is less than 2⁻²⁴.
  static constexpr float negligible = -16.64f;
  struct Params {
    std::int32_t* ids;
    logit_rows logits;
    const sampling_params* draws;
    const largest_logit* largest;  // (R, chunks)
    std::int32_t* scratch;         // (R, 2, V)
  };
  using Smem = sort_memory;
  static grid_size grid(const Params& p) { return {p.logits.rows}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int r = block_index().x, vocab = p.logits.vocab;
    wait_for_previous_kernels();
    let_next_kernel_start();
    const largest_logit largest = largest_of_row(p.largest, r, p.logits.chunks());
    const sampling_params how = p.draws[r];
    if (!largest.has_tokens() || !(how.temperature > 0.f)) {
      if (thread_index() == 0)
        p.ids[r] = !largest.is_valid() ? invalid_logits : largest.has_tokens() ? largest.at : no_token_left;
      return;
    }
    const float* const row = p.logits.row(r);
    std::int32_t* const scratch = p.scratch + std::ptrdiff_t{2} * r * vocab;
    const auto scaled = [&](float logit) { return (logit - largest.logit) / how.temperature; };
    const int n =
        collect_tokens<Width>(smem, row, vocab, scratch, [&](float logit) { return scaled(logit) >= negligible; });
    std::int32_t* const order = sort_tokens(smem, row, scratch, scratch + vocab, n);

    // Logits equal to the k-th largest stay, as in transformers. The weights of the others are 0.
    auto* const weights = reinterpret_cast<float*>(order == scratch ? scratch + vocab : scratch);
    const float least = how.top_k > 0 && how.top_k < n ? row[order[how.top_k - 1]] : float_of(0xff800000u);
    for (int i = thread_index(); i < n; i += threads) {
      const float logit = row[order[i]];
      weights[i] = logit >= least ? static_cast<float>(std::exp(static_cast<double>(scaled(logit)))) : 0.f;
    }
    sync_block();
    if (warp_index() != 0) return;

    int first_below_min_p = 0;
    int kept = sum_weights(weights, n, how.min_p, first_below_min_p);
    sync_warp();
    const float* const sums = weights;
    if (how.top_p < 1.f) {
      const float enough = how.top_p * sums[kept - 1];
      kept = minimum(first_where(kept, [&](int i) { return sums[i] >= enough; }) + 1, kept);
    }
    kept = minimum(kept, first_below_min_p);
    const float goal = how.uniform * sums[kept - 1];
    const int drawn = minimum(first_where(kept, [&](int i) { return sums[i] > goal; }), kept - 1);
    if (lane_index() == 0) p.ids[r] = order[drawn];
  }
};

LLAVA_CUDA_END
