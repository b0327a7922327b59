// SPDX-License-Identifier: Apache-2.0
/// linear: y = x · Wᵀ + b, with a checkpoint's weight (out, in) and optional bias (out).
#pragma once
#include <string>

#include <llava/nn/block_weight.hpp>
#include <llava/nn/mixed_weight.hpp>
#include <llava/nn/tensor_weight.hpp>
#include <llava/nn/weight.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_BEGIN

/// y = x · wᵀ + b: a weight (N, K) of format F and an optional bias (N).
template <class B, class F>
struct linear {
  weight<B, F> w;     // (out, in)
  parameter<B> bias;  // (out), or empty

  /// Visits the tensors: visit(name, slot, dims).
  template <class Visit>
  void each(Visit&& visit, const std::string& name, std::int64_t out, std::int64_t in, bool has_bias) {
    visit(name + ".weight", w, tensor_dims{out, in});
    if (has_bias) visit(name + ".bias", bias, tensor_dims{out});
  }

  using operand = operand_of<B, F>;  ///< the element type of x

  /// y = A(x · Wᵀ + b), or y += or y *= it.             x (T, in) an operand -> y (T, out) f32 or an operand
  template <activation A = no_activation, class Q, class Y>
  void forward(Q& q, matrix_view<Y> y, matrix_view<const operand> x, A = {}, update how = update::assign) const {
    matmul(q, y, x, w.view(), epilogue<A>{bias.view(), how});
  }
  /// y += x · Wᵀ + b: the end of a residual branch.
  template <class Q>
  void add_to(Q& q, matrix_view<float> y, matrix_view<const operand> x) const {
    forward(q, y, x, no_activation{}, update::add);
  }
};

LLAVA_END
