// SPDX-License-Identifier: Apache-2.0
/// Which kernels compute products with one x (product_parts), by the format of the weights and the number of rows; the
/// table is in matmul.cuh. All run on the host.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/layout.cuh>
#include <llava/backend/cuda/matmul/by_blas.cuh>
#include <llava/backend/cuda/matmul/coded_few_rows.cuh>
#include <llava/backend/cuda/matmul/coded_tiles.cuh>
#include <llava/backend/cuda/matmul/few_rows.cuh>
#include <llava/backend/cuda/matmul/nf4_rows.cuh>
#include <llava/backend/cuda/matmul/plain_tiles.cuh>
#include <llava/backend/cuda/matmul/tensor_tiles.cuh>
#include <llava/backend/cuda/queue.cuh>

LLAVA_CUDA_BEGIN

namespace detail {
/// Rows of w that a product expands at a time.
inline constexpr std::ptrdiff_t expanded_rows = 4096;
/// The edge of the largest tile, to which expanded operands are padded.
inline constexpr std::ptrdiff_t largest_tile = 128;

constexpr std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t to) { return (n + to - 1) / to * to; }

/// Whether tiles of 128 × 128 are enough to keep a device busy.
constexpr bool has_many_tiles(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return round_up(rows, largest_tile) / largest_tile * (round_up(columns, largest_tile) / largest_tile) >= 96;
}
/// Whether rows of T, `stride` elements apart, begin at multiples of `bytes`.
template <class T>
bool is_aligned(const T* rows, std::ptrdiff_t stride, std::ptrdiff_t bytes) {
  return reinterpret_cast<std::uintptr_t>(rows) % static_cast<std::uintptr_t>(bytes) == 0 &&
         stride * static_cast<std::ptrdiff_t>(sizeof(T)) % bytes == 0;
}

/// One of the products, in tiles, or f32 in few rows.
template <class F, class A>
void dense_product(queue& q, matrix_view<const F> x, const typename product_parts<F, A>::product& of) {
  const auto inner = static_cast<int>(x.extent(1));
  const bool by_16 = inner > 0 && is_aligned(x.data(), x.stride(), 16) && is_aligned(of.w, of.stride, 16) &&
                     inner % (16 / int{sizeof(F)}) == 0;
  const product_end<A>& end = of.end;
  if constexpr (std::is_same_v<F, float>) {
    constexpr int most = few_float_rows<A>::rows;
    if (by_16 && (end.rows <= most || q.is_deterministic())) {
      for (int t = 0; t < end.rows; t += most) {
        const product_end<A> some = from_row(end, t, end.rows - t < most ? end.rows - t : most);
        q.launch<few_float_rows<A>>({x.row(t), of.w, x.stride(), of.stride, inner, some});
      }
      return;
    }
  } else if (inner > 0 && inner % 2 == 0 && is_aligned(x.data(), x.stride(), 4) && is_aligned(of.w, of.stride, 4)) {
    if (q.is_deterministic() && end.rows <= most_few_rows)
      q.launch<tensor_tiles<F, 32, 32, A, 8>>({x.data(), of.w, x.stride(), of.stride, inner, by_16, end});
    else if (has_many_tiles(end.rows, end.columns))
      q.launch<tensor_tiles<F, 128, 128, A>>({x.data(), of.w, x.stride(), of.stride, inner, by_16, end});
    else
      q.launch<tensor_tiles<F, 64, 64, A>>({x.data(), of.w, x.stride(), of.stride, inner, by_16, end});
    return;
  }
  q.launch<plain_tiles<F, A>>({x.data(), of.w, x.stride(), of.stride, inner, end});
}
/// All of element type F.
template <class F, class A>
void dense_products(queue& q, matrix_view<const F> x, const product_parts<F, A>& parts) {
  if constexpr (!std::is_same_v<F, float>) {
    const auto inner = static_cast<int>(x.extent(1));
    bool by_16 = inner > 0 && inner % 8 == 0 && is_aligned(x.data(), x.stride(), 16);
    for (int i = 0; i < parts.count; ++i) by_16 = by_16 && is_aligned(parts.part[i].w, parts.part[i].stride, 16);
    if (by_16 && parts.rows() <= most_few_rows && !q.is_deterministic()) {
      if (parts.rows() <= 8)
        q.launch<few_rows<F, 8, A>>({x.data(), x.stride(), inner, parts});
      else
        q.launch<few_rows<F, 16, A>>({x.data(), x.stride(), inner, parts});
      return;
    }
  }
  for (int i = 0; i < parts.count; ++i)
    if (!product_by_blas<F, A>(q, x, parts.part[i])) dense_product<F, A>(q, x, parts.part[i]);
}

/// x before it is quantised, padded to `rows`.
inline coded_x sizes_of(matrix_view<const float> x, std::ptrdiff_t rows) {
  coded_x made{};
  made.x = x.data(), made.x_stride = x.stride();
  made.filled = static_cast<int>(x.extent(0)), made.rows = static_cast<int>(rows);
  made.inner = static_cast<int>(x.extent(1)), made.columns = static_cast<int>(round_up(x.extent(1), coded_x::run));
  return made;
}
/// Quantises x for products with F, in the arena.
template <class F>
coded_x quantised(queue& q, matrix_view<const float> x, std::ptrdiff_t rows) {
  using code = activation_code<F>;
  coded_x made = sizes_of(x, rows);
  const std::ptrdiff_t inner = made.inner, columns = made.columns;
  made.codes = q.workspace().allocate<std::int8_t>(packed_rows<F>::x_planes * rows * columns);  // (planes, rows, K)
  made.scales = q.workspace().allocate<float>(columns / 32 * rows);                             // (K / 32, rows)
  made.sums = q.workspace().allocate<std::int32_t>(columns / 16 * rows);                        // (K / 16, rows)
  if constexpr (has_outliers<F>) {
    made.outlier_counts = q.workspace().allocate<std::int32_t>(x.extent(0));    // (T)
    made.outliers = q.workspace().allocate<std::int32_t>(x.extent(0) * inner);  // (T, K)
    q.launch<quantise_rows_without_outliers<F>>(made);
  } else {
    q.launch<quantise_rows<code, F::activation_group>>(made);
  }
  return made;
}

template <class F, class A>
void few_coded_rows(queue& q, matrix_view<const float> x, const product_parts<std::byte, A>& parts) {
  arena_scope scope(q.workspace());
  const bool is_one = x.extent(0) == 1;
  if constexpr (!has_outliers<F>)
    if (const coded_x row = sizes_of(x, 1); is_one && row.columns <= own_coded_x<1>::most)
      return q.launch<coded_few_rows<F, 1, true, A>>({row, parts});
  const coded_x codes = quantised<F>(q, x, x.extent(0));
  if constexpr (has_outliers<F>)
    if (is_one) return q.launch<coded_few_rows<F, 1, false, A>>({codes, parts});
  for (int t = 0; t < codes.filled; t += 8)
    q.launch<coded_few_rows<F, 8, false, A>>({codes.rows_from(t, 8), parts.rows_from(t, 8)});
}
/// One of the products, in tiles. x is padded to whole tiles.
template <class F, class A>
void many_coded_rows(queue& q, const coded_x& x, const typename product_parts<std::byte, A>::product& of,
                     bool large_tiles) {
  using layout = packed_rows<F>;
  using kind = coded_kind_of<F>;
  arena_scope scope(q.workspace());
  const std::ptrdiff_t columns = of.end.columns;
  const std::ptrdiff_t most = round_up(columns < expanded_rows ? columns : expanded_rows, largest_tile);
  expanded_w to{};
  to.codes = q.workspace().allocate<std::int8_t>(layout::weight_planes * most * x.columns);  // (planes, N, K)
  const std::ptrdiff_t scales = x.columns / layout::group * most;                            // (K / group, N)
  to.scales = q.workspace().allocate<float>(scales);
  if (kind::has_minimums) to.minimums = q.workspace().allocate<float>(scales);
  to.inner = x.inner, to.columns = x.columns;
  for (std::ptrdiff_t n = 0; n < columns; n += expanded_rows) {
    const std::ptrdiff_t count = columns - n < expanded_rows ? columns - n : expanded_rows;
    to.filled = static_cast<int>(count), to.rows = static_cast<int>(round_up(count, largest_tile));
    const std::byte* const packed = of.w + n * of.stride;
    q.launch<expand_rows<F>>({packed, to});
    const product_end<A> own = from_column(of.end, n, count);
    const auto multiply = [&]<class Outliers>(const Outliers& outliers) {
      if (large_tiles)
        q.launch<coded_tiles<kind, kind::largest_bm, 128, Outliers, A>>({x, to, {own, outliers}});
      else
        q.launch<coded_tiles<kind, 64, 64, Outliers, A>>({x, to, {own, outliers}});
    };
    if constexpr (has_outliers<F>)
      multiply(outliers_of<F>{x, packed});
    else
      multiply(no_outliers{});
  }
}
/// Weights in packed rows of F.
template <class F, class A>
void coded_products(queue& q, matrix_view<const float> x, const product_parts<std::byte, A>& parts) {
  if (x.extent(1) == 0) {
    for (int i = 0; i < parts.count; ++i)
      q.launch<plain_tiles<float, A>>({nullptr, nullptr, 0, 0, 0, parts.part[i].end});
    return;
  }
  if (parts.rows() <= most_few_rows || q.is_deterministic()) return few_coded_rows<F>(q, x, parts);
  arena_scope scope(q.workspace());
  const coded_x codes = quantised<F>(q, x, round_up(x.extent(0), largest_tile));
  for (int i = 0; i < parts.count; ++i) {
    const std::ptrdiff_t columns = parts.part[i].end.columns;
    many_coded_rows<F, A>(q, codes, parts.part[i],
                          has_many_tiles(parts.rows(), columns < expanded_rows ? columns : expanded_rows));
  }
}

/// Weights in nf4_rows.
template <class A>
void nf4_products(queue& q, matrix_view<const f16> x, const product_parts<std::byte, A>& parts) {
  const auto inner = static_cast<int>(x.extent(1)), rows = parts.rows();
  const auto dense = [&](const void* w, const product_end<A>& end) {
    dense_products(q, x, product_parts<f16, A>{{{static_cast<const f16*>(w), inner, end}}});
  };
  if (!nf4_rows::has_codes(inner)) {
    for (int i = 0; i < parts.count; ++i) dense(parts.part[i].w, parts.part[i].end);
    return;
  }
  if (inner > 0 && is_aligned(x.data(), x.stride(), 16) && (rows <= most_few_rows || q.is_deterministic())) {
    const nf4_book book = nf4_book::make();
    if (rows <= 8) return q.launch<few_nf4_rows<8, A>>({x.data(), x.stride(), inner, book, parts});
    for (int t = 0; t < rows; t += 16)
      q.launch<few_nf4_rows<16, A>>({x.row(t), x.stride(), inner, book, parts.rows_from(t, 16)});
    return;
  }
  for (int i = 0; i < parts.count; ++i) {
    const auto& of = parts.part[i];
    arena_scope scope(q.workspace());
    const std::ptrdiff_t columns = of.end.columns, most = columns < expanded_rows ? columns : expanded_rows;
    f16* const to = q.workspace().allocate<f16>(most * inner);  // (N, K)
    for (std::ptrdiff_t n = 0; n < columns; n += expanded_rows) {
      const std::ptrdiff_t count = columns - n < expanded_rows ? columns - n : expanded_rows;
      q.launch<expand_nf4>({of.w + n * of.stride, to, static_cast<int>(count), inner, nf4_book::make()});
      dense(to, from_column(of.end, n, count));
    }
  }
}
}  // namespace detail

LLAVA_CUDA_END
