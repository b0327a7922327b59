// SPDX-License-Identifier: Apache-2.0
/// matmul and activate of the CUDA backend (contracts: ops/matmul.hpp, ops/activate.hpp). The kernel follows from the
/// format of w and the number of rows T:
///
/// | w | few rows | many rows |
/// |---|---|---|
/// | f16, bf16 | few_rows, T ≤ 16 | tensor_tiles |
/// | f32 | few_float_rows, T ≤ 8 | plain_tiles |
/// | 16 bits, odd K or unaligned rows | plain_tiles | plain_tiles |
/// | block and affine formats | coded_few_rows, 8 rows at a time up to T = 16 | coded_tiles |
/// | nf4 | few_nf4_rows, T ≤ 16 | expand_nf4 and tensor_tiles |
///
/// Every sum has a fixed order: a product repeats its bytes from run to run. Each kernel's order depends on K alone,
/// but those of few rows and of many differ: the last bits of a row depend on which side of the limit its batch is. x
/// of block and affine formats is quantised exactly as the contract says, and the integer sums of a block are exact;
/// only the order of their f32 sums is the kernel's.
///
/// Kernels of few rows load w before the kernels that precede them have ended (programmatic launch): w is a weight,
/// which no op writes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/layout.cuh>
#include <llava/backend/cuda/matmul/coded_few_rows.cuh>
#include <llava/backend/cuda/matmul/coded_tiles.cuh>
#include <llava/backend/cuda/matmul/few_rows.cuh>
#include <llava/backend/cuda/matmul/nf4_rows.cuh>
#include <llava/backend/cuda/matmul/plain_tiles.cuh>
#include <llava/backend/cuda/matmul/tensor_tiles.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/activate.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_CUDA_BEGIN

namespace detail {
/// The most rows of a product that reads weights for each of them.
inline constexpr int most_few_rows = 16;
/// Rows of w that a product expands at a time.
inline constexpr std::ptrdiff_t expanded_rows = 4096;
/// The edge of the largest tile, to which expanded operands are padded.
inline constexpr std::ptrdiff_t largest_tile = 128;

constexpr std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t to) { return (n + to - 1) / to * to; }

/// Whether tiles of 128 × 128 are enough to keep a device busy.
constexpr bool has_many_tiles(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return round_up(rows, largest_tile) / largest_tile * (round_up(columns, largest_tile) / largest_tile) >= 96;
}
/// Whether the rows of a matrix begin at multiples of `bytes`.
template <class T>
bool is_aligned(const matrix_view<T>& m, std::ptrdiff_t bytes) {
  return reinterpret_cast<std::uintptr_t>(m.data()) % static_cast<std::uintptr_t>(bytes) == 0 &&
         m.stride() * static_cast<std::ptrdiff_t>(sizeof(T)) % bytes == 0;
}

/// y (T, N) = the end of x (T, K) · wᵀ, w (N, K), all of element type F.
template <class F, class A>
void dense_product(queue& q, matrix_view<const F> x, matrix_view<const F> w, const product_end<A>& end) {
  const auto inner = static_cast<int>(x.extent(1));
  const bool by_16 = inner > 0 && is_aligned(x, 16) && is_aligned(w, 16) && inner % (16 / int{sizeof(F)}) == 0;
  if constexpr (std::is_same_v<F, float>) {
    if (by_16 && end.rows <= few_float_rows<A>::rows)
      return q.launch<few_float_rows<A>>({x.data(), w.data(), x.stride(), w.stride(), inner, end});
  } else {
    if (by_16 && end.rows <= 8)
      return q.launch<few_rows<F, 8, A>>({x.data(), w.data(), x.stride(), w.stride(), inner, end});
    if (by_16 && end.rows <= most_few_rows)
      return q.launch<few_rows<F, 16, A>>({x.data(), w.data(), x.stride(), w.stride(), inner, end});
    if (inner > 0 && inner % 2 == 0 && is_aligned(x, 4) && is_aligned(w, 4)) {
      if (has_many_tiles(end.rows, end.columns))
        q.launch<tensor_tiles<F, 128, 128, A>>({x.data(), w.data(), x.stride(), w.stride(), inner, by_16, end});
      else
        q.launch<tensor_tiles<F, 64, 64, A>>({x.data(), w.data(), x.stride(), w.stride(), inner, by_16, end});
      return;
    }
  }
  q.launch<plain_tiles<F, A>>({x.data(), w.data(), x.stride(), w.stride(), inner, end});
}

/// The end of the columns from n on.
template <class A>
product_end<A> from_column(product_end<A> end, std::ptrdiff_t n, std::ptrdiff_t count) {
  const std::ptrdiff_t size = end.type == dtype::float32 ? 4 : 2;
  end.y = static_cast<std::byte*>(end.y) + n * size;
  if (end.bias != nullptr) end.bias += n;
  end.columns = static_cast<int>(count);
  return end;
}
/// The end of `count` rows from row t on.
template <class A>
product_end<A> from_row(product_end<A> end, std::ptrdiff_t t, std::ptrdiff_t count) {
  const std::ptrdiff_t size = end.type == dtype::float32 ? 4 : 2;
  end.y = static_cast<std::byte*>(end.y) + t * end.stride * size;
  end.rows = static_cast<int>(count);
  return end;
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
void few_coded_rows(queue& q, matrix_view<const float> x, packed_view<F> w, const product_end<A>& end) {
  arena_scope scope(q.workspace());
  const bool is_one = x.extent(0) == 1;
  if constexpr (!has_outliers<F>)
    if (const coded_x row = sizes_of(x, 1); is_one && row.columns <= own_coded_x<1>::most)
      return q.launch<coded_few_rows<F, 1, true, A>>({w.data, row, end});
  const coded_x codes = quantised<F>(q, x, x.extent(0));
  if constexpr (has_outliers<F>)
    if (is_one) return q.launch<coded_few_rows<F, 1, false, A>>({w.data, codes, end});
  q.launch<coded_few_rows<F, 8, false, A>>({w.data, codes, end});
}
template <class F, class A>
void many_coded_rows(queue& q, matrix_view<const float> x, packed_view<F> w, const product_end<A>& end,
                     bool large_tiles) {
  using layout = packed_rows<F>;
  using kind = coded_kind_of<F>;
  arena_scope scope(q.workspace());
  const coded_x codes = quantised<F>(q, x, round_up(x.extent(0), largest_tile));
  const std::ptrdiff_t most = round_up(w.rows < expanded_rows ? w.rows : expanded_rows, largest_tile);
  expanded_w to{};
  to.codes = q.workspace().allocate<std::int8_t>(layout::weight_planes * most * codes.columns);  // (planes, N, K)
  const std::ptrdiff_t scales = codes.columns / layout::group * most;                            // (K / group, N)
  to.scales = q.workspace().allocate<float>(scales);
  if (kind::has_minimums) to.minimums = q.workspace().allocate<float>(scales);
  to.inner = codes.inner, to.columns = codes.columns;
  for (std::ptrdiff_t n = 0; n < w.rows; n += expanded_rows) {
    const std::ptrdiff_t count = w.rows - n < expanded_rows ? w.rows - n : expanded_rows;
    to.filled = static_cast<int>(count), to.rows = static_cast<int>(round_up(count, largest_tile));
    const std::byte* const packed = w.data + n * layout::row_bytes(w.columns);
    q.launch<expand_rows<F>>({packed, to});
    const product_end<A> own = from_column(end, n, count);
    const auto multiply = [&]<class Outliers>(const Outliers& outliers) {
      if (large_tiles)
        q.launch<coded_tiles<kind, kind::largest_bm, 128, Outliers, A>>({codes, to, {own, outliers}});
      else
        q.launch<coded_tiles<kind, 64, 64, Outliers, A>>({codes, to, {own, outliers}});
    };
    if constexpr (has_outliers<F>)
      multiply(outliers_of<F>{codes, packed});
    else
      multiply(no_outliers{});
  }
}
template <class F, class A>
void coded_product(queue& q, matrix_view<const float> x, packed_view<F> w, const product_end<A>& end) {
  const std::ptrdiff_t rows = x.extent(0), columns = w.rows < expanded_rows ? w.rows : expanded_rows;
  if (w.columns == 0) return q.launch<plain_tiles<float, A>>({nullptr, nullptr, 0, 0, 0, end});
  if (rows > most_few_rows) return many_coded_rows(q, x, w, end, has_many_tiles(rows, columns));
  for (std::ptrdiff_t t = 0; t < rows; t += 8) {
    const matrix_view<const float> few = rows_of(x, t, 8);
    few_coded_rows(q, few, w, from_row(end, t, few.extent(0)));
  }
}

template <class A>
void nf4_product(queue& q, matrix_view<const f16> x, nf4_view w, const product_end<A>& end) {
  const auto dense_rows = [&](const f16* data, std::ptrdiff_t rows) {
    return matrix_view<const f16>(data, dynamic_shape<2>(rows, w.columns));
  };
  if (!nf4_rows::has_codes(w.columns))
    return dense_product<f16>(q, x, dense_rows(reinterpret_cast<const f16*>(w.data), w.rows), end);
  const auto inner = static_cast<int>(w.columns);
  if (end.rows <= most_few_rows && is_aligned(x, 16) && inner > 0) {
    if (end.rows <= 8)
      q.launch<few_nf4_rows<8, A>>({x.data(), x.stride(), w.data, inner, nf4_book::make(), end});
    else
      q.launch<few_nf4_rows<16, A>>({x.data(), x.stride(), w.data, inner, nf4_book::make(), end});
    return;
  }
  arena_scope scope(q.workspace());
  const std::ptrdiff_t most = w.rows < expanded_rows ? w.rows : expanded_rows;
  f16* const to = q.workspace().allocate<f16>(most * w.columns);  // (N, K)
  for (std::ptrdiff_t n = 0; n < w.rows; n += expanded_rows) {
    const std::ptrdiff_t count = w.rows - n < expanded_rows ? w.rows - n : expanded_rows;
    q.launch<expand_nf4>(
        {w.data + n * nf4_rows::row_bytes(w.columns), to, static_cast<int>(count), inner, nf4_book::make()});
    dense_product<f16>(q, x, dense_rows(to, count), from_column(end, n, count));
  }
}

/// x with elements T: a copy in the arena, for a weight whose own operands are not those of its mixed format.
template <class T>
matrix_view<const T> rounded(queue& q, matrix_view<const float> x) {
  const matrix_view<T> made = allocate_matrix<T>(q, x.extent(0), x.extent(1));
  q.launch<activate_rows<library_activation>>({x.data(), x.stride(), make_end(made, epilogue<>{})});
  return made;
}
}  // namespace detail

/// w dense; y is f32, or an operand like x.
template <floating Y, floating F, class A>
requires(std::is_same_v<Y, float> || std::is_same_v<Y, F>) void matmul(queue& q, matrix_view<Y> y,
                                                                       matrix_view<const F> x, matrix_view<const F> w,
                                                                       epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  detail::dense_product<F>(q, x, w, make_end(y, e));
}
/// w dense with 16 bits, in a mixed format whose operands are f32.
template <floating F, class A>
requires(!std::is_same_v<F, float>) void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x,
                                                matrix_view<const F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  arena_scope scope(q.workspace());
  detail::dense_product<F>(q, detail::rounded<F>(q, x), w, make_end(y, e));
}
/// w in a block format or an affine one.
template <class F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, packed_view<F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  detail::coded_product<F>(q, x, w, make_end(y, e));
}
/// w in nf4; y is f32, or an operand like x.
template <floating Y, class A>
requires(!std::is_same_v<Y, bf16>) void matmul(queue& q, matrix_view<Y> y, matrix_view<const f16> x, nf4_view w,
                                               epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  detail::nf4_product(q, x, w, make_end(y, e));
}
/// w in nf4, in a mixed format whose operands are f32.
template <class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, nf4_view w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  arena_scope scope(q.workspace());
  detail::nf4_product(q, detail::rounded<f16>(q, x), w, make_end(y, e));
}
/// w in a mixed format.
template <floating Y, floating X, class B, class F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, const mixed_view<B, F>& w, epilogue<A> e) {
  w.visit([&](const auto& own) { matmul(q, y, x, own, e); });
}

template <floating Y, class A>
void activate(queue& q, matrix_view<Y> y, matrix_view<const float> z, A, update how) {
  if (!q.accepts(ops::activate_shapes(y, z, how))) return;
  q.launch<activate_rows<activation_of<A>>>({z.data(), z.stride(), make_end(y, epilogue<A>{{}, how})});
}

LLAVA_CUDA_END
