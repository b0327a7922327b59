// SPDX-License-Identifier: Apache-2.0
/// matmul of the simd backend with weights in a row format. The rows of x are quantised to integers; then each piece
/// multiplies all rows with its own panels. A program that links llava::compiled includes this file if it has its own
/// block format or activation.
#pragma once
#include <algorithm>

#include <llava/backend/simd/amx.hpp>
#include <llava/backend/simd/avx2.hpp>
#include <llava/backend/simd/avx512vnni.hpp>
#include <llava/backend/simd/generic.hpp>
#include <llava/backend/simd/neon.hpp>
#include <llava/backend/simd/ops.hpp>

LLAVA_BEGIN

namespace simd_backend {

namespace detail {
/// Calls call(kernels) with the kernels of block formats for the queue's instruction set.
template <class F>
void with_block_kernels(const queue& q, F&& call) {
  switch (q.isa()) {
#if defined(__x86_64__)
    case simd_isa::amx:
      return call(amx::tile_kernels{});
    case simd_isa::avx512vnni:
      return call(avx512vnni::block_kernels{});
    case simd_isa::avx512:  // has the byte products of AVX2 only
    case simd_isa::avx2:
      return call(avx2::block_kernels{});
#elif defined(__aarch64__)
    case simd_isa::neon:
      return call(neon::block_kernels{});
#endif
    default:
      return call(generic::block_kernels{});
  }
}

/// Allocates quantised activations (rows, inner) for products with F, up to `together` rows interleaved.
template <class F>
quantised_rows allocate_quantised(arena& a, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t together) {
  const std::ptrdiff_t blocks = blocks_of(inner), groups = (inner + F::activation_group - 1) / F::activation_group;
  quantised_rows q{};
  q.together = std::clamp<std::ptrdiff_t>(rows, 1, together);
  const std::ptrdiff_t whole = (rows + q.together - 1) / q.together * q.together;
  q.codes = a.allocate<std::byte>(whole * blocks * activation_bytes<F>);
  q.starts = a.allocate<std::int32_t>(whole * blocks * start_count<F>);
  q.scales = a.allocate<float>(whole * groups * scale_count<F>);
  q.blocks = blocks, q.groups = groups;
  if constexpr (has_outliers<F>) {
    q.words = (inner + 63) / 64;
    q.outliers = a.allocate<std::uint64_t>(rows * q.words);
  }
  return q;
}
}  // namespace detail

template <row_format F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, panel_view<F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  const std::ptrdiff_t rows = x.extent(0), count = (w.rows + panels<F>::unit - 1) / panels<F>::unit;
  const std::ptrdiff_t together = rows == 1 || (affine_format<F> && rows <= 4) ? row_panels : 2;  // panels
  const std::ptrdiff_t groups = (count + together - 1) / together;
  const std::ptrdiff_t most = 16 * q.concurrency(), pieces = groups < most ? groups : most;
  detail::with_block_kernels(q, [&]<class K>(K) {
    arena_scope scope(q.workspace());
    quantised_rows xs = detail::allocate_quantised<F>(q.workspace(), rows, w.columns, K::rows_together);
    xs.floats = x.data(), xs.stride = x.stride();
    if constexpr (affine_format<F>) xs.few = rows <= K::template few_rows<F>;
    const std::ptrdiff_t room = together * rows * panels<F>::unit;
    float* sums = q.workspace().allocate<float>(q.concurrency() * room);
    q.submit([&](workers on) {
      const block_arguments<F> a{
          xs, w.data, e.bias.empty() ? nullptr : e.bias.data(), y.data(), y.stride(), rows, w.columns, w.rows, e.how};
      on.split(rows, rows < 8 ? 1 : 2 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t t = first; t < last; ++t) K::template quantise<F>(xs, t, x.row(t), w.columns);
      });
      on.split_dynamic(pieces, [&](std::ptrdiff_t piece, std::ptrdiff_t slot) {
        const std::ptrdiff_t first = together * (groups * piece / pieces),
                             last = together * (groups * (piece + 1) / pieces);
        K::template matmul<A>(a, first, last < count ? last : count, sums + slot * room);
      });
    });
  });
}

}  // namespace simd_backend

LLAVA_END
