// SPDX-License-Identifier: Apache-2.0
/// matmul of the simd backend with weights in f32, f16 or bf16, and activate. A program that links llava::compiled
/// includes this file if it has its own activation.
#pragma once
#include <llava/backend/simd/ops.hpp>
#include <llava/backend/simd/with_kernels.hpp>

LLAVA_BEGIN

namespace simd_backend {

template <floating F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  // A piece is a range of columns, so that no two pieces write the same element. Pieces are small enough that threads
  // finish together. For few rows, which mostly read weights, they are large enough to be read as streams.
  const std::ptrdiff_t rows = x.extent(0), columns = w.extent(0), threads = q.concurrency();
  const std::ptrdiff_t units = (columns + 31) / 32, most = rows <= max_unpacked_rows ? 8 * threads : 4 * threads;
  std::ptrdiff_t run = (units + most - 1) / most;  // units per piece
  if (rows > max_unpacked_rows && run > packed_columns / 32) run = packed_columns / 32;
  const std::ptrdiff_t pieces = units ? (units + run - 1) / run : 0, scratch_size = matmul_scratch(rows);
  arena_scope scope(q.workspace());
  float* scratch = q.workspace().allocate<float>(threads * scratch_size);
  q.submit([&](workers on) {
    const matmul_arguments<F> a{x.data(),   w.data(),   e.bias.empty() ? nullptr : e.bias.data(),
                                y.data(),   x.stride(), w.stride(),
                                y.stride(), rows,       x.extent(1),
                                columns,    e.how};
    detail::with_kernels(q, [&]<class K>(K) {
      on.split_dynamic(pieces, [&](std::ptrdiff_t piece, std::ptrdiff_t slot) {
        const std::ptrdiff_t first = piece * run * 32, last = first + run * 32;
        K::template matmul<A>(a, first, last < columns ? last : columns, scratch + slot * scratch_size);
      });
    });
  });
}

template <class A>
void activate(queue& q, matrix_view<float> y, matrix_view<const float> z, A, update how) {
  if (!q.accepts(ops::activate_shapes(y, z, how))) return;
  q.submit([&](workers on) {
    detail::with_kernels(q, [&]<class K>(K) {
      on.split(z.extent(0), 2 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) K::template activate<A>(y.row(t), z.row(t), z.extent(1), how);
      });
    });
  });
}

}  // namespace simd_backend

LLAVA_END
