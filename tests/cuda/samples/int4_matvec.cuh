// SPDX-License-Identifier: Apache-2.0
/// A sample kernel: y (N) = w (N, K) · x (K), with weights of 4 bits and a scale for each 128 columns. It reads
/// N K / 2 bytes of weights once, 16 bytes a thread.
#pragma once
#include <llava/backend/cuda/kernel.cuh>

LLAVA_CUDA_BEGIN

/// T is f16 or bf16. K is a multiple of 128. A word holds 8 columns: column 2 i in nibble i, and 2 i + 1 in nibble i +
/// 4; a nibble n stands for (n − 8) times the scale. One warp computes an element of y.
template <class T>
struct sample_int4_matvec {
  static constexpr int threads = 128, min_blocks = 4;
  static constexpr int columns_of_scale = 128;
  struct Params {
    const std::uint32_t* w;  // (n, k / 8)
    const T* scales;         // (n, k / 128)
    const T* x;              // (k)
    float* y;                // (n)
    int n, k;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.n + threads / warp_size - 1) / (threads / warp_size)}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int n = block_index().x * (threads / warp_size) + warp_index();
    if (n >= p.n) return;  // the whole warp
    const std::ptrdiff_t row = n;
    float sum = 0;
    for (int k = lane_index() * 32; k < p.k; k += warp_size * 32) {  // four words: 32 columns
      const vec16 w = load16_streaming(p.w + (row * p.k + k) / 8);
      const float scale = to_f32(p.scales[(row * p.k + k) / columns_of_scale]);
      float part = 0;
      LLAVA_UNROLL
      for (int j = 0; j < 4; ++j) {
        const vec16 x = load16_readonly(p.x + k + 8 * j);
        LLAVA_UNROLL
        for (int i = 0; i < 4; ++i) {
          const float_pair a = to_f32(int4_pair<T>(w.word[j], i)), b = to_f32(packed_pair<T>{x.word[i]});
          part = fused_multiply_add(a.lo, b.lo, part);
          part = fused_multiply_add(a.hi, b.hi, part);
        }
      }
      sum = fused_multiply_add(part, scale, sum);
    }
    sum = warp_sum(sum);
    if (lane_index() == 0) p.y[row] = sum;
  }
};

LLAVA_CUDA_END
