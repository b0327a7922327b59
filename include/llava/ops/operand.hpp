// SPDX-License-Identifier: Apache-2.0
/// Operands: the input of a product with weights in format F has elements of type operand_of<B, F>, which backend B
/// multiplies. Norms, attention, gates and patchify write operands. On a backend that multiplies floats, such as a CPU,
/// the type is float for every F. All other activations (the residual stream, features, image tokens, logits) are f32.
#pragma once
#include <type_traits>

#include <llava/base/dtype.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Element type of the inputs of products with weights in format F.
template <class B, class F>
using operand_of = typename B::template operand<F>;

/// Allocates a matrix in the queue's workspace.
template <class T = float, class Q>
matrix_view<T> allocate_matrix(Q& q, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return {q.workspace().template allocate<T>(rows * columns), dynamic_shape<2>(rows, columns)};  // (rows, columns)
}

/// x with elements T: x itself if it has them, otherwise a copy that lives as long as the caller's arena_scope.
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
