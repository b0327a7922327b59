// SPDX-License-Identifier: Apache-2.0
/// rms_norm and layer_norm of the CUDA backend (contract: ops/norm.hpp).
///
/// Bytes: 4 D read and 2 D (an operand of 16 bits) or 4 D written per row, and w, b once. 4 to 8 FLOPs per element, so
/// memory is the floor. 640 rows of 4096 floats to f16 are 15.7 MB, 4.7 µs at 3.35 TB/s (H100) and 3.3 µs at 4.8
/// TB/s (H200); the tower's 577 rows of 1024 are 3.5 MB, 1.1 and 0.7 µs; a decode row is 24 KB, less than a launch.
///
/// A block has one row, so no sum leaves it. Of 128 threads each has two pieces of a row of 1024 floats and eight of
/// one of 4096. Eight pieces stay in registers, so that a row is read once although the deviations need its mean; of
/// longer rows the rest is read again, from L1. With 64 registers, 8 blocks fit a multiprocessor and keep 32 KB (D =
/// 1024) or more of loads in flight; 18 KB hide 0.7 µs at 3.35 TB/s. The kernel may start before its predecessor has
/// ended: it fetches w and b into L2 while it waits.
#pragma once
#include <cstddef>

#include <llava/backend/cuda/pieces.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/norm.hpp>

LLAVA_CUDA_BEGIN

/// Centered: layer_norm, otherwise rms_norm.
template <class Y, int Width, bool Centered>
struct norm_rows {
  static constexpr int threads = 128, min_blocks = 8, kept = 8;
  static constexpr bool programmatic_launch = true;
  struct Params {
    Y* y;
    const float *x, *w, *b;  // b: null for none
    std::ptrdiff_t y_stride, x_stride;
    int rows, columns;
    float eps;
  };
  struct Smem {
    float sums[threads / warp_size];
  };
  static grid_size grid(const Params& p) { return {p.columns > 0 ? p.rows : 0}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const float* const x = p.x + block_index().x * p.x_stride;
    Y* const y = p.y + block_index().x * p.y_stride;
    constexpr int step = threads * Width, line = 32;  // a line of L2 has 128 bytes
    const int first = thread_index() * Width, rest = first + kept * step;
    for (int i = thread_index() * line; i < p.columns; i += threads * line) {
      prefetch_l2(p.w + i);
      if (p.b) prefetch_l2(p.b + i);
    }
    wait_for_previous_kernels();
    let_next_kernel_start();

    piece<Width> row[kept] = {};
    LLAVA_UNROLL
    for (int k = 0; k < kept; ++k)
      if (first + k * step < p.columns) row[k] = load_piece<Width>(x + first + k * step);

    float mean = 0.f;
    if constexpr (Centered) {
      float sum = 0.f;
      LLAVA_UNROLL
      for (int k = 0; k < kept; ++k)
        if (first + k * step < p.columns)
          for (const float v : row[k].at) sum += v;
      for (int i = rest; i < p.columns; i += step)
        for (const float v : load_piece<Width>(x + i).at) sum += v;
      mean = block_sum(sum, smem.sums) / static_cast<float>(p.columns);
    }
    float squares = 0.f;
    LLAVA_UNROLL
    for (int k = 0; k < kept; ++k)
      if (first + k * step < p.columns)
        for (const float v : row[k].at) squares = fused_multiply_add(v - mean, v - mean, squares);
    for (int i = rest; i < p.columns; i += step)
      for (const float v : load_piece<Width>(x + i).at) squares = fused_multiply_add(v - mean, v - mean, squares);
    const float scale = rsqrt_approx(block_sum(squares, smem.sums) / static_cast<float>(p.columns) + p.eps);

    LLAVA_UNROLL
    for (int k = 0; k < kept; ++k)
      if (first + k * step < p.columns) write(p, y, first + k * step, row[k], mean, scale);
    for (int i = rest; i < p.columns; i += step) write(p, y, i, load_piece<Width>(x + i), mean, scale);
  }

 private:
  LLAVA_DEVICE static void write(const Params& p, Y* y, int i, piece<Width> v, float mean, float scale) {
    const piece<Width> w = load_piece<Width>(p.w + i);
    LLAVA_UNROLL
    for (int j = 0; j < Width; ++j) v.at[j] = (v.at[j] - mean) * scale * w.at[j];
    if (p.b) {
      const piece<Width> b = load_piece<Width>(p.b + i);
      LLAVA_UNROLL
      for (int j = 0; j < Width; ++j) v.at[j] += b.at[j];
    }
    store_piece<Width>(y + i, v);
  }
};

namespace detail {
template <bool Centered, class Y>
void norm(queue& q, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w,
          vector_view<const float> b, float eps) {
  with_width(
      [&]<int Width>() {
        q.launch<norm_rows<Y, Width, Centered>>({y.data(), x.data(), w.data(), b.empty() ? nullptr : b.data(),
                                                 y.stride(), x.stride(), static_cast<int>(x.extent(0)),
                                                 static_cast<int>(x.extent(1)), eps});
      },
      y, x, w, b);
}
}  // namespace detail

template <floating Y>
void rms_norm(queue& q, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w, float eps) {
  if (!q.accepts(ops::rms_norm_shapes(y, x, w))) return;
  detail::norm<false>(q, y, x, w, {}, eps);
}

template <floating Y>
void layer_norm(queue& q, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w,
                vector_view<const float> b, float eps) {
  if (!q.accepts(ops::layer_norm_shapes(y, x, w, b))) return;
  detail::norm<true>(q, y, x, w, b, eps);
}

LLAVA_CUDA_END
