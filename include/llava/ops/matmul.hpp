// SPDX-License-Identifier: Apache-2.0
/// matmul(queue, y, x, w, epilogue): y[t, n] =, += or *= act(Σ_k x[t, k] · w[n, k] + bias[n]), selected by `update`
///   x (T, K) an operand (operand.hpp) · w (N, K) in a weight format, as checkpoints store it or in the layout of the
///   backend · y (T, N) f32 or an operand, must not overlap x · bias (N) or empty · T, N, K of any size
///   Sums are f32. A backend chooses their order by K alone: a row does not depend on the other rows, on how they are
///   split into pieces, or on threads (R14). Tolerance against double: NMSE ≤ 1e-7 in f32, 5e-4 in half (R15).
///
/// If w is in a block format, x is first quantised to integers, group by group along K (quant/activations.hpp). Row
/// scales S[n] give the first of these lines, block scales d[n, b] the second:
///   y[t, n] = act(S[n] · Σ_g scale(t, g) · (Σ_{k in g} code(t, k) · w[n, k]) + bias[n])
///   y[t, n] = act(Σ_b (scale(t, b) · d[n, b]) · (Σ_{k in b} code(t, k) · w[n, k]) + bias[n])
/// A format with outliers adds x[t, k] · w[n, k] for each outlier of row t to the first Σ_g, k ascending.
/// S · Σ + bias is one fused multiply-add. The inner sums are integers and exact. The outer sums have one fused
/// accumulator, b or g ascending. All backends that follow this order return the same bytes. Tolerance against double:
/// NMSE ≤ 5e-4 (R15).
///
/// If w is in an affine format (quant/affine_blocks.hpp), b are blocks of 32 elements, each with a scale of x, and j
/// the groups of w in b, all ascending:
///   y[t, n] = act(Σ_b ((scale(t, b) · d[n, b]) · Σ_j factor[n, j] · (Σ_{k in j} code(t, k) · (c[n, k] − zero))
///                      − Σ_j (scale(t, b) · Σ_{k in j} code(t, k)) · m[n, j]) + bias[n])
/// with d = scale and m = least · minimum of w, the second line only if w has minimums. Each product with a scale and
/// each of the second line is added in one fused accumulator, in this order. The sums of codes and factors are integers
/// below 2³¹; they are exact, and rounded once, to f32.
///
/// If w is in a mixed format (quant/any_of.hpp), the product is that of the format of this matrix.
///
/// If w is in nf4, j are its blocks that have elements of row n, ascending. Each sum has one fused accumulator that
/// begins at 0, k ascending, and multiplies floats; the tolerance is that of f32:
///   y[t, n] = act(Σ_j scale[j] · (Σ_{k in j} x[t, k] · book[c[n, k]]) + bias[n])
#pragma once
#include <cstdint>

#include <llava/ops/activation.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/quant/layout.hpp>

LLAVA_BEGIN

/// How a product updates y: a residual adds, a gate multiplies.
enum class update : std::uint8_t { assign, add, multiply };

/// Bias, activation and update, applied to a sum before it is stored.
template <activation A = no_activation>
struct epilogue {
  vector_view<const float> bias{};  // (N), or empty
  update how = update::assign;
  using activation = A;
};

namespace ops {
/// An element of y after the update.
LLAVA_HOST_DEVICE constexpr float updated(float y, float made, update how) {
  return how == update::assign ? made : how == update::add ? y + made : y * made;
}

/// The checks of matmul; w is any weight type of a backend, with extent(0) and extent(1).
template <class Y, class X, class W, class A>
shapes matmul_shapes(matrix_view<Y> y, matrix_view<X> x, const W& w, const epilogue<A>& e) {
  shapes s("matmul");
  const operand in{"x", x}, weight{"w", {w.extent(0), w.extent(1)}};
  s.expect(in, {x.extent(0), w.extent(1)}, weight);
  s.expect({"y", y}, {x.extent(0), w.extent(0)}, in, weight);
  if (!e.bias.empty()) s.expect({"bias", e.bias}, w.extent(0), weight);
  if (e.how == update::assign) s.writes(y);
  return s;
}

template <class B, class F>
concept has_matmul = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<operand_of<B, F>> inner,
                              matrix_view<const operand_of<B, F>> x, weight_view<B, F> w) {
  matmul(q, y, x, w, epilogue<>{});
  matmul(q, inner, x, w, epilogue<>{});
};
}  // namespace ops

LLAVA_END
