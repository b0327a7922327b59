// SPDX-License-Identifier: Apache-2.0
/// matmul of the scalar backend: one fused accumulator per output, K ascending (contract: ops/matmul.hpp). activate
/// (contract: ops/activate.hpp).
#pragma once
#include <cmath>

#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/activate.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/quant/activations.hpp>
#include <llava/quant/nf4.hpp>

LLAVA_BEGIN

namespace scalar_backend {

namespace detail {
/// The dot product of row n of w and a quantised row of activations, without the row scale.
template <block_format F>
float block_dot(block_view<F> w, std::ptrdiff_t n, const activation_code<F>* codes, const float* scales) {
  constexpr std::ptrdiff_t blocks_in_group = F::activation_group / block_elements;
  float sum = 0.f;
  for (std::ptrdiff_t first = 0; first < blocks_of(w.columns); first += blocks_in_group, ++scales) {
    std::int32_t whole = 0;
    float scale = *scales;
    for (std::ptrdiff_t b = first; b < first + blocks_in_group && b < blocks_of(w.columns); ++b) {
      decoded_code<F> values[block_elements];
      F::decode(w.block(n, b), values);
      for (int i = 0; i < block_elements; ++i) whole += codes[b * block_elements + i] * values[i];
      if constexpr (!F::has_row_scale) scale *= F::block_scale(w.block(n, b));
    }
    sum = std::fma(static_cast<float>(whole), scale, sum);
  }
  return sum;
}
/// The dot product of row n of w and a quantised row of activations.
template <affine_format F>
float block_dot(affine_view<F> w, std::ptrdiff_t n, const std::int16_t* codes, const float* scales) {
  constexpr int groups = block_elements / F::group;
  float sum = 0.f;
  for (std::ptrdiff_t k = 0; k < w.columns; k += block_elements, codes += block_elements, ++scales) {
    const std::byte* block = w.block(n, k / F::elements);
    const auto first = static_cast<int>(k % F::elements);
    std::int32_t whole = 0, all[block_elements / F::group] = {};
    for (int g = 0; g < groups; ++g) {
      std::int32_t own = 0;
      for (int i = g * F::group; i < (g + 1) * F::group; ++i) {
        own += codes[i] * (F::code(block, first + i) - F::zero);
        all[g] += codes[i];
      }
      whole += F::factor(block, first / F::group + g) * own;
    }
    sum = std::fma(static_cast<float>(whole), *scales * F::scale(block), sum);
    for (int g = 0; F::has_minimum && g < groups; ++g) {
      const float least = F::least(block) * static_cast<float>(F::minimum(block, first / F::group + g));
      sum = std::fma(-(*scales * static_cast<float>(all[g])), least, sum);
    }
  }
  return sum;
}
/// sum and the products of the outliers of a row of activations with row n of w, without the row scale.
template <block_format F, floating X>
float add_outliers(block_view<F> w, std::ptrdiff_t n, const X* x, float sum) {
  for (std::ptrdiff_t k = 0; k < w.columns; ++k)
    if (is_outlier<F>(to_float(x[k]))) {
      decoded_code<F> values[block_elements];
      F::decode(w.block(n, k / block_elements), values);
      sum = std::fma(to_float(x[k]), static_cast<float>(values[k % block_elements]), sum);
    }
  return sum;
}

/// The dot product of row n of w and a row of activations.
template <floating X>
float nf4_dot(const nf4::reader& w, std::ptrdiff_t n, const X* x, std::ptrdiff_t columns) {
  const std::ptrdiff_t start = n * columns;
  float sum = 0.f;
  for (std::ptrdiff_t k = 0, end; k < columns; k = end) {
    const std::ptrdiff_t block = (start + k) / nf4::block;
    end = (std::min)((block + 1) * nf4::block - start, columns);
    float inner = 0.f;
    for (; k < end; ++k) inner = std::fma(to_float(x[k]), nf4::book[w.code(start + k)], inner);
    sum = std::fma(inner, w.scale(block), sum);
  }
  return sum;
}
}  // namespace detail

template <floating Y, floating X, floating F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, matrix_view<const F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  q.submit([&](workers on) {
    on.split(w.extent(0), 4 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t n = first; n < last; ++n)
        for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
          float sum = 0.f;
          for (std::ptrdiff_t k = 0; k < x.extent(1); ++k) sum = std::fma(to_float(x(t, k)), to_float(w(n, k)), sum);
          if (!e.bias.empty()) sum += e.bias(n);
          y(t, n) = from_float<Y>(ops::updated(to_float(y(t, n)), A::apply(sum), e.how));
        }
    });
  });
}

namespace detail {
/// w in a row format, as it is stored.
template <row_format F, floating Y, floating X, class A>
void coded_matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, typename format<F>::view w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  constexpr int group = F::activation_group;
  const std::ptrdiff_t rows = x.extent(0), groups = (w.columns + group - 1) / group;
  arena_scope scope(q.workspace());
  auto* codes = q.workspace().allocate<activation_code<F>>(rows * groups * group);       // (T, K)
  auto* scales = q.workspace().allocate<float>(rows * groups);                           // (T, groups)
  auto* line = q.workspace().allocate<float>(std::is_same_v<X, float> ? 0 : w.columns);  // (K)
  q.submit([&](workers on) {
    for (std::ptrdiff_t t = 0; t < rows; ++t) {
      const float* values = line;
      if constexpr (std::is_same_v<X, float>)
        values = x.row(t);
      else
        for (std::ptrdiff_t k = 0; k < w.columns; ++k) line[k] = to_float(x(t, k));
      if constexpr (has_outliers<F>)
        quantise_without_outliers<F>(values, w.columns, codes + t * groups * group, scales + t * groups);
      else
        quantise_activations(values, w.columns, group, codes + t * groups * group, scales + t * groups);
    }
    on.split(w.rows, 4 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t n = first; n < last; ++n)
        for (std::ptrdiff_t t = 0; t < rows; ++t) {
          float sum = block_dot<F>(w, n, codes + t * groups * group, scales + t * groups);
          if constexpr (has_outliers<F>) sum = add_outliers<F>(w, n, x.row(t), sum);
          const float bias = e.bias.empty() ? 0.f : e.bias(n);
          if constexpr (F::has_row_scale)
            sum = std::fma(sum, F::row_scale(w.row(n)), bias);
          else
            sum += bias;
          y(t, n) = from_float<Y>(ops::updated(to_float(y(t, n)), A::apply(sum), e.how));
        }
    });
  });
}
}  // namespace detail

template <floating Y, floating X, block_format F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, block_view<F> w, epilogue<A> e) {
  detail::coded_matmul<F>(q, y, x, w, e);
}
template <floating Y, floating X, affine_format F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, affine_view<F> w, epilogue<A> e) {
  detail::coded_matmul<F>(q, y, x, w, e);
}

/// w in a mixed format.
template <floating Y, floating X, class B, class F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, const mixed_view<B, F>& w, epilogue<A> e) {
  w.visit([&](const auto& own) { matmul(q, y, x, own, e); });
}

/// w in nf4, as it is stored.
template <floating Y, floating X, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, tensor_view<nf4> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  q.submit([&](workers on) {
    const nf4::reader codes(w.data, w.rows * w.columns);
    on.split(w.rows, 4 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t n = first; n < last; ++n)
        for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
          const float sum = detail::nf4_dot(codes, n, x.row(t), w.columns);
          const float made = A::apply(sum + (e.bias.empty() ? 0.f : e.bias(n)));
          y(t, n) = from_float<Y>(ops::updated(to_float(y(t, n)), made, e.how));
        }
    });
  });
}

template <floating Y, class A>
void activate(queue& q, matrix_view<Y> y, matrix_view<const float> z, A, update how) {
  if (!q.accepts(ops::activate_shapes(y, z, how))) return;
  q.submit([&](workers) {
    for (std::ptrdiff_t t = 0; t < z.extent(0); ++t)
      for (std::ptrdiff_t n = 0; n < z.extent(1); ++n)
        y(t, n) = from_float<Y>(ops::updated(to_float(y(t, n)), A::apply(z(t, n)), how));
  });
}

}  // namespace scalar_backend

LLAVA_END
