// SPDX-License-Identifier: Apache-2.0
/// How the CUDA backend stores weights, and the type of the activations that it multiplies with them:
///
/// | weights | layout | operand |
/// |---|---|---|
/// | f32, f16, bf16 | as in checkpoints | the same type: tensor cores take no mixed pair |
/// | block and affine formats | packed_rows (matmul/packed_rows.cuh) | f32, which a product quantises to integers |
/// | nf4 | nf4_rows (matmul/nf4_rows.cuh) | f16, the reference's compute type |
/// | mixed formats | that of each weight's own format | that of all their formats if it is one, otherwise f32 |
#pragma once
#include <type_traits>

#include <llava/backend/cuda/matmul/nf4_rows.cuh>
#include <llava/backend/cuda/matmul/packed_rows.cuh>
#include <llava/quant/any_of.hpp>
#include <llava/quant/layout.hpp>

LLAVA_CUDA_BEGIN

namespace detail {
template <class F>
struct layout_of;
template <row_format F>
struct layout_of<F> {
  using type = packed_rows<F>;
};
template <>
struct layout_of<nf4> {
  using type = nf4_rows;
};

template <class F>
struct operand_of {
  using type = float;
};
template <floating F>
struct operand_of<F> {
  using type = F;
};
template <>
struct operand_of<nf4> {
  using type = f16;
};
template <class F, class... More>
struct common_operand {
  static constexpr bool is_one = (std::is_same_v<typename operand_of<F>::type, typename operand_of<More>::type> && ...);
  using type = std::conditional_t<is_one, typename operand_of<F>::type, float>;
};
template <class... F>
common_operand<F...> common_operand_of(format_list<F...>);
template <mixed_format F>
struct operand_of<F> : decltype(common_operand_of(typename F::formats())) {};
}  // namespace detail

/// The weight_layout of coded format F.
template <class F>
using layout_for = typename detail::layout_of<F>::type;

/// The element type of activations that are multiplied with weights in format F.
template <class F>
using operand_for = typename detail::operand_of<F>::type;

LLAVA_CUDA_END
