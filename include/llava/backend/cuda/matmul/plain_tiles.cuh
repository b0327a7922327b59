// SPDX-License-Identifier: Apache-2.0
/// plain_tiles: products of dense weights of any type, size and alignment, by fused multiply-add in f32: f32 weights
/// with many rows, and 16-bit ones whose rows are not aligned to 4 bytes (odd K).
///   2 T N K FLOPs at 67 TFLOP/s (H100, H200, without tensor cores): 860 µs for K = 4096, N = 11008, T = 640
/// A block computes 64 × 64 of y with 256 threads, each 4 × 4, from tiles of 16 along K: 8 shared loads of 4 bytes for
/// 16 multiply-adds, of which those of x are broadcasts. Neither path is one that a published model is meant to run on,
/// so the kernel is kept simple. A sum has one accumulator, K ascending: a row does not depend on the others.
#pragma once
#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/matmul/end.cuh>

LLAVA_CUDA_BEGIN

template <class T, class A>
struct plain_tiles {
  static constexpr int threads = 256, min_blocks = 2, side = 64, bk = 16;

  struct Params {
    const T* x;                         // (T, K)
    const T* w;                         // (N, K)
    std::ptrdiff_t x_stride, w_stride;  // in elements
    int inner;                          // K
    product_end<A> end;
  };
  struct Smem {
    float x[bk][side + 1], w[bk][side + 1];
    float sums[side][side + 4];
  };
  static grid_size grid(const Params& p) {
    return {((p.end.rows + side - 1) / side) * ((p.end.columns + side - 1) / side)};
  }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int m_blocks = (p.end.rows + side - 1) / side, thread = thread_index();
    const int first_t = block_index().x % m_blocks * side, first_n = block_index().x / m_blocks * side;
    const int t = thread / 16, n = thread % 16;  // rows t + 16 i, columns n + 16 j
    float sums[4][4] = {};
    for (int k = 0; k < p.inner; k += bk) {
      LLAVA_UNROLL
      for (int i = 0; i < side * bk / threads; ++i) {
        const int row = i * (threads / bk) + thread / bk, column = thread % bk;
        smem.x[column][row] = element(p.x, p.x_stride, first_t + row, p.end.rows, k + column, p.inner);
        smem.w[column][row] = element(p.w, p.w_stride, first_n + row, p.end.columns, k + column, p.inner);
      }
      sync_block();
      LLAVA_UNROLL
      for (int c = 0; c < bk; ++c) {
        LLAVA_UNROLL
        for (int i = 0; i < 4; ++i) {
          LLAVA_UNROLL
          for (int j = 0; j < 4; ++j)
            sums[i][j] = fused_multiply_add(smem.x[c][t + 16 * i], smem.w[c][n + 16 * j], sums[i][j]);
        }
      }
      sync_block();
    }
    LLAVA_UNROLL
    for (int i = 0; i < 4; ++i) {
      LLAVA_UNROLL
      for (int j = 0; j < 4; ++j) smem.sums[t + 16 * i][n + 16 * j] = sums[i][j];
    }
    sync_block();
    for (int i = thread; i < side * side / 4; i += threads) {
      const int row = i / (side / 4), column = i % (side / 4) * 4;
      const float* const from = &smem.sums[row][column];
      const float four[4] = {from[0], from[1], from[2], from[3]};
      p.end.store_four(first_t + row, first_n + column, four);
    }
  }

 private:
  LLAVA_DEVICE static float element(const T* from, std::ptrdiff_t stride, int row, int rows, int k, int inner) {
    return row < rows && k < inner ? to_f32(from[row * stride + k]) : 0.f;
  }
};

LLAVA_CUDA_END
