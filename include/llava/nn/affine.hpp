// SPDX-License-Identifier: Apache-2.0
/// affine: LayerNorm with a scale and a shift per column (elementwise_affine in PyTorch).
#pragma once
#include <string>

#include <llava/nn/weight.hpp>
#include <llava/ops/norm.hpp>

LLAVA_BEGIN

/// The weights of a LayerNorm: y = norm(x) · weight + bias.
template <class B>
struct affine {
  parameter<B> weight, bias;  // (D)

  template <class Visit>
  void each(Visit&& visit, const std::string& name, std::int64_t width) {
    visit(name + ".weight", weight, tensor_dims{width});
    visit(name + ".bias", bias, tensor_dims{width});
  }

  /// LayerNorm.                                              x (T, D) -> y (T, D) f32 or an operand
  template <class Q, class Y>
  void forward(Q& q, matrix_view<Y> y, matrix_view<const float> x, float eps) const {
    layer_norm(q, y, x, weight.view(), bias.view(), eps);
  }
};

LLAVA_END
