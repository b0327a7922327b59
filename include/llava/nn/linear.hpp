// SPDX-License-Identifier: Apache-2.0
/// linear: y = x · Wᵀ + b, with a checkpoint's weight (out, in) and optional bias (out).
#pragma once
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>

#include <llava/nn/block_weight.hpp>
#include <llava/nn/mixed_weight.hpp>
#include <llava/nn/tensor_weight.hpp>
#include <llava/nn/weight.hpp>
#include <llava/ops/joined.hpp>
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

  /// A layer and where its output goes, (T, out) f32.
  struct into {
    const linear& layer;
    matrix_view<float> y;
  };
  /// y_i = x · W_iᵀ + b_i of at most four layers with one x: one op, if the backend has it.
  template <class Q>
  static void forward_each(Q& q, matrix_view<const operand> x, std::initializer_list<into> all) {
    if constexpr (ops::joins_products<Q, operand, weight_view<B, F>>) {
      joined_product<weight_view<B, F>> products[4];
      std::size_t count = 0;
      for (const into& i : all) products[count++] = {i.y, i.layer.w.view(), i.layer.bias.view()};
      matmul_joined(q, x, std::span<const joined_product<weight_view<B, F>>>(products, count));
    } else {
      for (const into& i : all) i.layer.forward(q, i.y, x);
    }
  }
  /// y = A(gate(x)) · up(x): one op, if the backend has it.
  template <activation A, class Q, class Y>
  static void forward_gated(Q& q, matrix_view<Y> y, matrix_view<const operand> x, const linear& gate, const linear& up,
                            A act) {
    if constexpr (ops::gates_products<Q, Y, operand, weight_view<B, F>, A>) {
      using weight_type = biased_weight<weight_view<B, F>>;
      matmul_gated(q, y, x, weight_type{gate.w.view(), gate.bias.view()}, weight_type{up.w.view(), up.bias.view()},
                   act);
    } else {
      gate.forward(q, y, x, act);
      up.forward(q, y, x, no_activation{}, update::multiply);
    }
  }
};

LLAVA_END
