// SPDX-License-Identifier: Apache-2.0
/// Products with one x as one op, which a backend may lack; linear (nn/linear.hpp) then calls matmul for each.
///
/// matmul_joined(queue, x, products): y_i[t, n] = Σ_k x[t, k] · w_i[n, k] + bias_i[n] for each of the products
/// matmul_gated(queue, y, x, gate, up, activation): y = A(x · gateᵀ + bias) · (x · upᵀ + bias)
///   x (T, K) an operand · w_i, gate and up (N, K) of one weight type · y_i (T, N) f32; y (T, N) f32 or an operand;
///   none may overlap another or x
///
/// The results have the bytes of matmul (ops/matmul.hpp): of one call for each of the products; of a call that assigns
/// A(x · gateᵀ + bias) to y, and another that multiplies y by x · upᵀ + bias.
#pragma once
#include <span>

#include <llava/ops/matmul.hpp>

LLAVA_BEGIN

/// One of the products of matmul_joined.
template <class W>
struct joined_product {
  matrix_view<float> y;                // (T, N)
  W w;                                 // (N, K)
  vector_view<const float> bias = {};  // (N), or empty
};
/// A weight and its bias, of matmul_gated.
template <class W>
struct biased_weight {
  W w;                                 // (N, K)
  vector_view<const float> bias = {};  // (N), or empty
};

namespace ops {
/// W: a weight type of queue Q's backend.
template <class Q, class X, class W>
concept joins_products = requires(Q& q, matrix_view<const X> x, std::span<const joined_product<W>> products) {
  matmul_joined(q, x, products);
};
template <class Q, class Y, class X, class W, class A>
concept gates_products = requires(Q& q, matrix_view<Y> y, matrix_view<const X> x, const biased_weight<W>& w) {
  matmul_gated(q, y, x, w, w, A{});
};
}  // namespace ops

LLAVA_END
