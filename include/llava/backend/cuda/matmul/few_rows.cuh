// SPDX-License-Identifier: Apache-2.0
/// few_rows: products of f16 or bf16 with at most 16 rows: the decoding of 1 to 16 sequences.
///   2 N K bytes of weights, read once, bound the time: the 13.5 GB of LLaVA-1.5-7B take 4.0 ms on an H100 (3.35 TB/s)
///   and 2.8 ms on an H200 (4.8 TB/s). 2 T N K FLOPs are T per byte; tensor cores are the bound from 200 per byte on.
/// A block computes 8 columns of y. Its 8 warps share K: warp i takes runs of 32 elements i, i + 8, …, and a lane loads
/// 16 bytes of one of 8 rows of w, four at a time, so that 64 KiB are in flight per multiprocessor. The bytes need no
/// shared memory: they are the lane's fragments of two mma, if the lanes of x take the same places. Any order of K
/// gives the same sum, so lane t of four takes elements 8t to 8t + 7 of a run instead of those that mma numbers. Tensor
/// cores make the work of 8 rows the same as that of one, and there is nothing to unpack. The first loads of weights
/// are issued before the kernel that writes x has ended (programmatic launch); so x is loaded by plain loads.
///
/// Sums have one order that depends on K alone: a row's bytes do not depend on T ≤ 16.
///
/// The columns may be those of several products with one x (parts.cuh).
#pragma once
#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/matmul/parts.cuh>

LLAVA_CUDA_BEGIN

/// Adds the sums of the 8 warps of a block, 16 × 8 each, from warp 0 up, and stores those of rows t < Rows.
template <int Rows, class W, class A>
LLAVA_DEVICE void store_sum_of_warps(const fragment_c& sum, float (&partial)[8][extent<Rows * 8>],
                                     const product_parts<W, A>& w, typename product_parts<W, A>::tile tile) {
  const int lane = lane_index();
  LLAVA_UNROLL
  for (int i = 0; i < (Rows == 8 ? 2 : 4); ++i)
    partial[warp_index()][fragment_c::row(lane, i) * 8 + fragment_c::column(lane, i)] = sum.value[i];
  sync_block();
  if (const int at = thread_index(); at < Rows * 8) {  // whole warps
    float all = partial[0][at];
    LLAVA_UNROLL
    for (int i = 1; i < 8; ++i) all += partial[i][at];
    w.template store<8>(tile, at / 8, at % 8, all, 1.f, shuffle_xor(all, 4), 1.f);
  }
}

/// Rows: 8 or 16, at least T.
template <class T, int Rows, class A>
struct few_rows {
  static constexpr int threads = 256, min_blocks = Rows == 8 ? 4 : 3, warps = 8, unrolled = 4, run_elements = 32;
  static constexpr bool programmatic_launch = true;

  struct Params {
    const T* x;               // (T, K), rows 16-byte aligned
    std::ptrdiff_t x_stride;  // in elements
    int inner;                // K, a multiple of 8
    product_parts<T, A> w;    // (N, K), rows 16-byte aligned
  };
  struct Smem {
    float partial[warps][extent<Rows * 8>];
  };
  static grid_size grid(const Params& p) { return {p.w.tiles(8)}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int lane = lane_index(), g = lane / 4, t = lane % 4, rows = p.w.rows();
    const auto tile = p.w.template tile_at<8>(block_index().x);
    const T* const w = p.w.template row<8>(tile, g);
    const T* const x = p.x + minimum(g, rows - 1) * p.x_stride;
    const T* const x_high = p.x + minimum(g + 8, rows - 1) * p.x_stride;
    fragment_c sum = {};
    vec16 b[unrolled];
    const auto load = [&](int first) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i) {
        const int k = first + i * warps * run_elements + 8 * t;
        b[i] = k < p.inner ? load16_streaming(w + k) : vec16{};
      }
    };
    int first = warp_index() * run_elements;
    load(first);
    let_next_kernel_start();
    wait_for_previous_kernels();
    for (; first < p.inner; load(first += unrolled * warps * run_elements)) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i) {
        const int k = first + i * warps * run_elements + 8 * t;
        const vec16 low = k < p.inner && g < rows ? load16(x + k) : vec16{};
        vec16 high = {};
        if constexpr (Rows == 16)
          if (k < p.inner && g + 8 < rows) high = load16(x_high + k);
        LLAVA_UNROLL
        for (int s = 0; s < 2; ++s)
          mma_m16n8k16(sum,
                       fragment_a<T>{{low.word[2 * s], high.word[2 * s], low.word[2 * s + 1], high.word[2 * s + 1]}},
                       fragment_b<T>{{b[i].word[2 * s], b[i].word[2 * s + 1]}});
      }
    }
    store_sum_of_warps<Rows>(sum, smem.partial, p.w, tile);
  }
};

/// few_rows for f32 with at most 8 rows: 4 N K bytes. A warp computes a column of y; a lane takes 4 elements of every
/// 128. The order of a sum depends on K alone.
template <class A>
struct few_float_rows {
  static constexpr int threads = 256, min_blocks = 2, warps = 8, rows = 8, unrolled = 4;
  static constexpr bool programmatic_launch = true;

  struct Params {
    const float* x;                     // (T, K)
    const float* w;                     // (N, K)
    std::ptrdiff_t x_stride, w_stride;  // in elements; rows are 16-byte aligned
    int inner;                          // K, a multiple of 4
    product_end<A> end;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.end.columns + warps - 1) / warps}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int n = block_index().x * warps + warp_index(), lane = lane_index();
    if (n >= p.end.columns) return wait_for_previous_kernels();
    const float* const w = p.w + n * p.w_stride;
    float sums[rows] = {};
    vec16 b[unrolled];
    const auto load = [&](int first) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i) {
        const int k = first + i * 4 * warp_size;
        b[i] = k < p.inner ? load16_streaming(w + k) : vec16{};
      }
    };
    int first = 4 * lane;
    load(first);
    let_next_kernel_start();
    wait_for_previous_kernels();
    for (; first < p.inner; load(first += unrolled * 4 * warp_size)) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i) {
        const int k = first + i * 4 * warp_size;
        LLAVA_UNROLL
        for (int t = 0; t < rows; ++t)
          if (t < p.end.rows && k < p.inner) {
            const vec16 a = load16(p.x + t * p.x_stride + k);
            LLAVA_UNROLL
            for (int j = 0; j < 4; ++j)
              sums[t] = fused_multiply_add(float_of(a.word[j]), float_of(b[i].word[j]), sums[t]);
          }
      }
    }
    float mine = 0.f;
    LLAVA_UNROLL
    for (int t = 0; t < rows; ++t) {
      const float all = warp_sum(sums[t]);
      if (lane == t) mine = all;
    }
    if (lane < rows && lane < p.end.rows) p.end.store(lane, n, mine);
  }
};

LLAVA_CUDA_END
