// SPDX-License-Identifier: Apache-2.0
/// rms_norm(queue, y, x, w, eps):      y[t, i] = x[t, i] / √(mean_i x[t, i]² + eps) · w[i]
/// layer_norm(queue, y, x, w, b, eps): y[t, i] = (x[t, i] − μ_t) / √(σ²_t + eps) · w[i] + b[i]
///   x (T, D) f32 · y (T, D) f32 or an operand; an f32 y may be x · w, b (D); an empty b adds nothing
///   σ² is the mean of the squared deviations from the mean μ
///   A row of y depends on that row of x alone. Tolerance against double: NMSE ≤ 1e-7 (R15).
#pragma once
#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

namespace ops {
/// The checks of both norms; rms_norm has no bias.
template <class Y>
shapes norm_shapes(const char* op, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w,
                   vector_view<const float> bias = {}) {
  shapes s(op);
  const operand in{"x", x};
  s.expect({"y", y}, x, in);
  s.expect({"w", w}, x.extent(1), in);
  if (bias.extent(0) > 0) s.expect({"b", bias}, x.extent(1), in);
  s.writes(y);
  return s;
}
template <class Y>
shapes rms_norm_shapes(matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w) {
  return norm_shapes("rms_norm", y, x, w);
}
template <class Y>
shapes layer_norm_shapes(matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w,
                         vector_view<const float> b) {
  return norm_shapes("layer_norm", y, x, w, b);
}

/// F: the format of the weights that multiply y.
template <class B, class F>
concept has_rms_norm = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<const float> x,
                                vector_view<const float> w) {
  rms_norm(q, y, x, w, 1e-5f);
};
template <class B, class F>
concept has_layer_norm = requires(queue_of<B>& q, matrix_view<operand_of<B, F>> y, matrix_view<const float> x,
                                  vector_view<const float> w) {
  layer_norm(q, y, x, w, w, 1e-5f);
};
}  // namespace ops

LLAVA_END
