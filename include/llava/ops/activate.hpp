// SPDX-License-Identifier: Apache-2.0
/// activate(queue, y, z, activation, update): y[t, n] =, += or *= A(z[t, n]), selected by `update`
///   z (T, N) f32 · y (T, N) f32 or an operand (operand.hpp); an f32 y may be z, otherwise they must not overlap
/// It ends a product whose sum has several terms: with z = x · wᵀ + bias, y has the bytes of matmul(queue, y, x, w,
/// epilogue<A>{bias, update}) (ops/matmul.hpp).
#pragma once
#include <llava/ops/activation.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

namespace ops {
template <class Y>
shapes activate_shapes(matrix_view<Y> y, matrix_view<const float> z, update how) {
  shapes s("activate");
  s.expect({"y", y}, z, operand{"z", z});
  if (how == update::assign) s.writes(y);
  return s;
}

template <class B>
concept has_activate = requires(queue_of<B>& q, matrix_view<float> y, matrix_view<const float> z) {
  activate(q, y, z, no_activation{}, update::assign);
};
}  // namespace ops

LLAVA_END
