// SPDX-License-Identifier: Apache-2.0
/// Operands of products: what feeds a matmul with weights in format F is of the type that backend B multiplies them
/// with, operand_of<B, F>: norms, attention, gates and patchify write it. Where B's units take floats, as on a CPU, it
/// is float for every F. What is no operand (the residual stream, features, image tokens, logits) is f32 everywhere.
#pragma once
#include <type_traits>

#include <llava/base/dtype.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Element type of what feeds products with weights in format F.
template <class B, class F>
using operand_of = typename B::template operand<F>;

/// Room for a matrix of one step.
template <class T = float, class Q>
matrix_view<T> allocate_matrix(Q& q, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return {q.workspace().template allocate<T>(rows * columns), dynamic_shape<2>(rows, columns)};  // (rows, columns)
}

/// x as an operand: x itself where that is what it is, otherwise a copy that lives as long as the caller's arena_scope.
template <class T, class Q, class X>
matrix_view<const T> as_operand(Q& q, const matrix_view<X>& x) {
  if constexpr (std::is_same_v<std::remove_const_t<X>, T>) {
    return x;
  } else {
    const matrix_view<T> y = allocate_matrix<T>(q, x.extent(0), x.extent(1));
    copy(q, y, matrix_view<const std::remove_const_t<X>>(x));
    return y;
  }
}

LLAVA_END
