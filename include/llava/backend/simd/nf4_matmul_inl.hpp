// SPDX-License-Identifier: Apache-2.0
/// matmul of the simd backend with weights in nf4. A program that links llava::compiled includes this file if it has
/// its own activation.
#pragma once
#include <llava/backend/simd/ops.hpp>
#include <llava/backend/simd/with_kernels.hpp>

LLAVA_BEGIN

namespace simd_backend {

template <class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, panel_view<nf4> w, epilogue<A> e) {
  if (!panels<nf4>::has_panels(w.columns))
    return scalar_backend::matmul(static_cast<scalar_backend::queue&>(q), y, x,
                                  tensor_view<nf4>{w.data, w.rows, w.columns}, e);
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  const std::ptrdiff_t rows = x.extent(0), count = (w.rows + panels<nf4>::unit - 1) / panels<nf4>::unit;
  const std::ptrdiff_t groups = (count + row_panels - 1) / row_panels;
  const std::ptrdiff_t most = 16 * q.concurrency(), pieces = groups < most ? groups : most;
  const std::ptrdiff_t room = row_panels * rows * panels<nf4>::unit;
  arena_scope scope(q.workspace());
  float* sums = q.workspace().allocate<float>(q.concurrency() * room);
  q.submit([&](workers on) {
    const nf4_arguments a{
        x.data(), w.data, e.bias.empty() ? nullptr : e.bias.data(), y.data(), x.stride(), y.stride(), rows, w.columns,
        w.rows,   e.how};
    detail::with_kernels(q, [&]<class K>(K) {
      on.split_dynamic(pieces, [&](std::ptrdiff_t piece, std::ptrdiff_t slot) {
        const std::ptrdiff_t first = row_panels * (groups * piece / pieces),
                             last = row_panels * (groups * (piece + 1) / pieces);
        K::template nf4_matmul<A>(a, first, last < count ? last : count, sums + slot * room);
      });
    });
  });
}

}  // namespace simd_backend

LLAVA_END
