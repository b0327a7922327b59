// SPDX-License-Identifier: Apache-2.0
/// A sample kernel: y (T, D) = x (T, D) / √(mean x² + ε) · weight (D), one block per row.
#pragma once
#include <llava/backend/cuda/kernel.cuh>

LLAVA_CUDA_BEGIN

// [kernel]
/// T is f16 or bf16: the type of y and weight. D is any.
template <class T>
struct sample_rms_norm {
  static constexpr int threads = 128, min_blocks = 1;
  static constexpr bool programmatic_launch = true;
  struct Params {
    const float* x;   // (rows, columns)
    const T* weight;  // (columns)
    T* y;             // (rows, columns)
    int rows, columns;
    float epsilon;
  };
  struct Smem {
    float sums[threads / warp_size];
  };
  static grid_size grid(const Params& p) { return {p.rows}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    wait_for_previous_kernels();
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(block_index().x) * p.columns;
    float squares = 0;
    for (int i = thread_index(); i < p.columns; i += threads) squares += p.x[row + i] * p.x[row + i];
    squares = block_sum(squares, smem.sums);
    const float scale = rsqrt_approx(squares / static_cast<float>(p.columns) + p.epsilon);
    for (int i = thread_index(); i < p.columns; i += threads)
      p.y[row + i] = from_f32<T>(p.x[row + i] * scale * to_f32(p.weight[i]));
  }
};
// [kernel]

LLAVA_CUDA_END
