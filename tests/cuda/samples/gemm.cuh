// SPDX-License-Identifier: Apache-2.0
/// A sample kernel: y (M, N) = a (M, K) · w (N, K)ᵀ on tensor cores. Tiles of 64×64×32 are copied to two buffers by
/// cp.async: while one is multiplied, the next one is on its way.
#pragma once
#include <llava/backend/cuda/kernel.cuh>

LLAVA_CUDA_BEGIN

/// T is f16 or bf16. K is a multiple of 32, and rows start at multiples of 16 bytes; M and N are any.
template <class T>
struct sample_gemm {
  static constexpr int threads = 128, min_blocks = 2;
  static constexpr int tile_m = 64, tile_n = 64, tile_k = 32;
  struct Params {
    const T* a;  // (m, k)
    const T* w;  // (n, k)
    float* y;    // (m, n)
    int m, n, k;
  };
  struct Smem {
    // Rows of 80 bytes: the eight rows that ldmatrix reads at once are in different banks.
    alignas(128) T a[2][tile_m][tile_k + 8];
    alignas(128) T w[2][tile_n][tile_k + 8];
  };
  static grid_size grid(const Params& p) { return {(p.n + tile_n - 1) / tile_n, (p.m + tile_m - 1) / tile_m}; }

  /// Starts to copy 64 rows × 32 columns. Rows past the end become zero.
  LLAVA_DEVICE static void start_copy(T (&to)[64][tile_k + 8], const T* from, int first, int rows, int k0, int k) {
    LLAVA_UNROLL
    for (int i = thread_index(); i < 64 * tile_k / 8; i += threads) {
      const int row = i / (tile_k / 8), column = i % (tile_k / 8) * 8;
      const bool valid = first + row < rows;
      cp_async16(&to[row][column], from + static_cast<std::ptrdiff_t>(valid ? first + row : 0) * k + k0 + column,
                 valid);
    }
  }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int m0 = block_index().y * tile_m, n0 = block_index().x * tile_n;
    const int lane = lane_index(), warp_m = warp_index() / 2 * 32, warp_n = warp_index() % 2 * 32;
    const int steps = p.k / tile_k;
    const tile_position at_a = position_of_a(lane), at_w = position_of_b_pair(lane);
    fragment_c sums[2][4] = {};

    start_copy(smem.a[0], p.a, m0, p.m, 0, p.k);
    start_copy(smem.w[0], p.w, n0, p.n, 0, p.k);
    cp_async_commit();
    for (int step = 0; step < steps; ++step) {
      const int now = step % 2;
      if (step + 1 < steps) {
        start_copy(smem.a[1 - now], p.a, m0, p.m, (step + 1) * tile_k, p.k);
        start_copy(smem.w[1 - now], p.w, n0, p.n, (step + 1) * tile_k, p.k);
      }
      cp_async_commit();
      cp_async_wait<1>();
      sync_block();
      LLAVA_UNROLL
      for (int k = 0; k < tile_k; k += 16) {
        fragment_a<T> a[2];
        fragment_b<T> w[2][2];
        LLAVA_UNROLL
        for (int i = 0; i < 2; ++i) a[i] = load_a(&smem.a[now][warp_m + 16 * i + at_a.row][k + at_a.column]);
        LLAVA_UNROLL
        for (int j = 0; j < 2; ++j) load_b_pair(w[j], &smem.w[now][warp_n + 16 * j + at_w.row][k + at_w.column]);
        LLAVA_UNROLL
        for (int i = 0; i < 2; ++i) {
          LLAVA_UNROLL
          for (int j = 0; j < 4; ++j) mma_m16n8k16(sums[i][j], a[i], w[j / 2][j % 2]);
        }
      }
      sync_block();  // the next round overwrites what this one read
    }
    cp_async_wait<0>();

    LLAVA_UNROLL
    for (int i = 0; i < 2; ++i) {
      LLAVA_UNROLL
      for (int j = 0; j < 4; ++j) {
        LLAVA_UNROLL
        for (int v = 0; v < 4; ++v) {
          const int m = m0 + warp_m + 16 * i + fragment_c::row(lane, v);
          const int n = n0 + warp_n + 8 * j + fragment_c::column(lane, v);
          if (m < p.m && n < p.n) p.y[static_cast<std::ptrdiff_t>(m) * p.n + n] = sums[i][j].value[v];
        }
      }
    }
  }
};

LLAVA_CUDA_END
