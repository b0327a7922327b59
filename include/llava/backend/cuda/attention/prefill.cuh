// SPDX-License-Identifier: Apache-2.0
/// Prefill: attention of many rows of a sequence through the KV cache, on tensor cores (tiles.cuh). A block has one
/// head and up to 64 consecutive rows of a step. Rows of several sequences may meet in a block, which then computes
/// them one sequence after the other.
///
/// LLaVA-1.5-7B, 640 rows from position 0, per layer: 32 heads of 128, f16.
///   FLOPs  4 · 640² / 2 · 4096 = 3.4e9; at 990 TFLOP/s 3.4 µs
///   bytes  640 · 4096 · (4 + 2 + 2 · 2) = 26 MB; 7.8 µs on H100 (3.35 TB/s), 5.5 µs on H200 (4.8 TB/s)
/// A layer's products have 262 GFLOP: attention is 1.3 % of a prefill of 640. The blocks of a head read its keys from
/// L2: 10 tiles of rows, half of them masked, 58 MB. There are 320 blocks; the last rows, which have most keys, come
/// first.
#pragma once
#include <llava/backend/cuda/attention/paged.cuh>
#include <llava/backend/cuda/attention/tiles.cuh>
#include <llava/backend/cuda/kernel.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// What tensor cores multiply for a cache of T and results of Y: T if it has 16 bits, else what holds it, else Y.
template <class Y, class T>
using multiplied = std::conditional_t<sizeof(T) == 2, T, std::conditional_t<sizeof(T) == 1, f16, Y>>;

template <class Y, class T, int D>
struct paged_tiles {
  using core = tiles<multiplied<Y, T>, T, D>;
  static constexpr int threads = core::threads, rows = core::rows, min_blocks = D <= 64 ? 3 : D <= 128 ? 2 : 1;
  static constexpr bool programmatic_launch = true;
  using Params = paged_params<Y, T>;
  struct Smem {
    typename core::Smem tile;
    array_of<int, rows> position, sequence;
    array_of<array_of<bool, rows>, threads / rows> is_joined;  // found in one part of the step: see find_others()
  };
  static grid_size grid(const Params& p) { return {(p.tokens + rows - 1) / rows, p.heads}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    const int start = (grid_extents().x - 1 - block_index().x) * rows, count = minimum(rows, p.tokens - start);
    if (thread_index() < count) {
      smem.position[thread_index()] = p.positions[start + thread_index()];
      smem.sequence[thread_index()] = p.sequences[start + thread_index()];
    }
    sync_block();
    if (p.decode == decode_rows::of_one_row) find_others(p, smem, start, count);
    for (int first = 0, next; first < count; first = next) {
      for (next = first + 1; next < count && smem.sequence[next] == smem.sequence[first]; ++next) {
      }
      bool is_ours = next - first > 1 || p.decode != decode_rows::of_one_row;
      for (int part = 0; !is_ours && part < threads / rows; ++part) is_ours = smem.is_joined[part][first];
      if (is_ours) run_rows(p, smem, start, first, next);
    }
  }

 private:
  /// Finds out which rows have a sequence that other rows of the step have too. decode.cuh computes those that have
  /// not.
  LLAVA_DEVICE static void find_others(const Params& p, Smem& smem, int start, int count) {
    const int r = thread_index() % rows, part = thread_index() / rows;
    bool found = false;
    if (r < count)
      for (int t = part; t < p.tokens; t += threads / rows)
        found = found || (t != start + r && p.sequences[t] == smem.sequence[r]);
    smem.is_joined[part][r] = found;
    sync_block();
  }

  /// Rows start + first to start + next − 1, of one sequence.
  LLAVA_DEVICE static void run_rows(const Params& p, Smem& smem, int start, int first, int next) {
    const int head = block_index().y, column = head * p.cache.dim;
    int begin = p.range(smem.position[first]).first, last = smem.position[first];
    for (int r = first + 1; r < next; ++r) {
      const key_range keys = p.range(smem.position[r]);
      begin = minimum(begin, keys.first);
      last = maximum(last, keys.last);
    }
    const auto query = [&](int r) { return p.q + (start + minimum(r, next - 1)) * p.q_stride + column; };
    const auto range = [&](int r) { return r >= first && r < next ? p.range(smem.position[r]) : key_range{0, -1}; };
    const typename core::operands o{p.factor, p.slope(head), begin, last + 1, p.aligned_queries};
    core::run(smem.tile, p.keys_of(smem.sequence[first], head / (p.heads / p.cache.heads)), o, query, range,
              [&](int r, int c, float lo, float hi) {
                if (r < first || r >= next) return;
                Y* const to = p.y + (start + r) * p.y_stride + column;
                if (c < p.cache.dim) to[c] = from_f32<Y>(lo);
                if (c + 1 < p.cache.dim) to[c + 1] = from_f32<Y>(hi);
              });
  }
};

}  // namespace detail

LLAVA_CUDA_END
