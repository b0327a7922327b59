// SPDX-License-Identifier: Apache-2.0
/// Decode: attention of single rows through the KV cache. A block has one row, the query heads of one key head (up to
/// 8), and a part of the keys; a second kernel adds the parts in ascending order.
///
/// LLaVA-1.5-7B at 700 tokens, per layer and row: 32 heads of 128, f16.
///   bytes  2 · 700 · 4096 · 2 = 11.5 MB; 3.4 µs on H100 (3.35 TB/s), 2.4 µs on H200 (4.8 TB/s)
///   FLOPs  4 · 700 · 4096 = 11.5e6, one per byte: multiply-add in f32 is not the limit, and is exact for every T
///
/// Why the parts are what they are. To reach the bandwidth 2 MB must be in flight, 15 KiB per multiprocessor; a warp
/// loads 16 keys and values, 8 KiB, before it computes (dots.cuh). One part per head were 32 blocks for 132
/// multiprocessors; parts of 64 keys, one block of 16 keys for each warp, are 352 at 700 tokens, and all run at once.
/// The grid does not know positions, so it has as many parts as give 2048 blocks, at most 64; a row divides its keys
/// among them, and the blocks beyond its last part return. A part writes 520 bytes for the 32 KiB of cache that it
/// reads. On a deterministic queue a row always divides its keys among 64: then its parts follow from its position.
#pragma once
#include <llava/backend/cuda/attention/dots.cuh>
#include <llava/backend/cuda/attention/paged.cuh>
#include <llava/backend/cuda/kernel.cuh>

LLAVA_CUDA_BEGIN

namespace detail {

/// The most parts of a row.
inline constexpr int most_splits = 64;

/// The query heads of a block with D and T: as many as its registers hold.
template <class T, int D, bool Grouped>
inline constexpr int heads_of_block = Grouped ? (dots<T, D, 1>::columns <= 8 ? 8 : 4) : 1;

template <class Y, class T, int D, bool Grouped>
struct paged_rows {
  static constexpr int most_heads = heads_of_block<T, D, Grouped>;
  using core = dots<T, D, most_heads>;
  static constexpr int threads = core::threads, min_blocks = Grouped ? 2 : 4;
  static constexpr bool programmatic_launch = true;
  using Params = paged_params<Y, T>;
  using Smem = typename core::Smem;

  /// Blocks that share a key head.
  LLAVA_HOST_DEVICE static int blocks_of_group(const Params& p) {
    return (p.heads / p.cache.heads + most_heads - 1) / most_heads;
  }
  static grid_size grid(const Params& p) { return {p.slots * p.splits, p.cache.heads * blocks_of_group(p)}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    let_next_kernel_start();
    const int slot = block_index().x / p.splits, part = block_index().x % p.splits;
    const int kv_head = block_index().y / blocks_of_group(p), group = p.heads / p.cache.heads;
    const int in_group = block_index().y % blocks_of_group(p) * most_heads, head = kv_head * group + in_group;
    const int t = p.row_of(slot);
    if (t < 0) return;
    const int position = p.positions[t];
    const key_parts parts(p.range(position), p.divisor);
    if (part >= parts.used) return;
    const typename core::operands o{minimum(most_heads, group - in_group),
                                    p.factor,
                                    p.slopes != nullptr,
                                    position,
                                    parts.begin(part),
                                    parts.end(part)};
    const auto query = [&](int i) { return p.q + t * p.q_stride + (head + i) * p.cache.dim; };
    const auto slope = [&](int i) { return p.slope(head + i); };
    core::run(smem, p.keys_of(p.sequences[t], kv_head), o, query, slope,
              [&](int i, int c, float sum, float total, float largest) {
                if (p.splits == 1) {
                  p.y[t * p.y_stride + (head + i) * p.cache.dim + c] = from_f32<Y>(sum / total);
                  return;
                }
                const std::ptrdiff_t at = (std::ptrdiff_t{slot} * p.heads + head + i) * p.splits + part;
                p.part_sums[at * p.cache.dim + c] = sum;
                if (c == 0) {
                  p.part_stats[2 * at] = total;
                  p.part_stats[2 * at + 1] = largest;
                }
              });
  }
};

/// Adds the parts of a row and head.
template <class Y, class T>
struct paged_parts {
  static constexpr int threads = 128, min_blocks = 1;
  static constexpr bool programmatic_launch = true;
  using Params = paged_params<Y, T>;
  struct Smem {
    float scratch[threads / warp_size];
    float weight[most_splits];
    float total[most_splits];
  };
  static_assert(most_splits <= threads, "llava: a thread has one part");
  static grid_size grid(const Params& p) { return {p.slots, p.heads}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    const int slot = block_index().x, head = block_index().y, i = thread_index();
    const int t = p.row_of(slot);
    if (t < 0) return;
    const int used = key_parts(p.range(p.positions[t]), p.divisor).used;
    const std::ptrdiff_t first = (std::ptrdiff_t{slot} * p.heads + head) * p.splits;
    const float own = i < used ? p.part_stats[2 * (first + i) + 1] : lowest;
    const float largest = block_max(own, smem.scratch);
    if (i < used) {
      smem.weight[i] = exp2_approx(own - largest);
      smem.total[i] = p.part_stats[2 * (first + i)];
    }
    sync_block();
    float total = 0.f;
    for (int s = 0; s < used; ++s) total = fused_multiply_add(smem.weight[s], smem.total[s], total);
    for (int c = i; c < p.cache.dim; c += threads) {
      float sum = 0.f;
      for (int s = 0; s < used; ++s)
        sum = fused_multiply_add(smem.weight[s], p.part_sums[(first + s) * p.cache.dim + c], sum);
      p.y[t * p.y_stride + head * p.cache.dim + c] = from_f32<Y>(sum / total);
    }
  }
};

}  // namespace detail

LLAVA_CUDA_END
