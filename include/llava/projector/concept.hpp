// SPDX-License-Identifier: Apache-2.0
/// projector: turns image features into image tokens. It is a tag with a member template `stage<B, F>`:
///   stage(projector_config)                   takes its configuration; stage(projector_config, P) if a P has state
///   each(visit)                               visits its weights, named "projector.…": visit(name, slot, dims)
///   rows(features)                            returns the number of image tokens for `features` features; at least 1
///   forward(queue, y, x)                      x (features, Dv), a matmul operand of F -> y (rows(features), D) f32;
///                                             ops must write all of y; called once for every square of an image
/// In the list of `any` it needs a `name`, by which config.json chooses it. docs/adding-a-projector.md shows a new one.
/// Opening a model runs `forward` once with shapes alone and returns its mistakes as errors.
#pragma once
#include <concepts>
#include <string_view>
#include <type_traits>

#include <llava/config.hpp>
#include <llava/ops/operand.hpp>
#include <llava/tensor/view.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

/// P can be a projector on backend B with weights in format F.
template <class P, class B, class F>
concept projector = (std::is_constructible_v<typename P::template stage<B, F>, projector_config> ||
                     std::is_constructible_v<typename P::template stage<B, F>, projector_config,
                                             P>)&&requires(typename P::template stage<B, F> s, typename B::queue& q,
                                                           matrix_view<float> y, matrix_view<const operand_of<B, F>> x,
                                                           projector_config c) {
  typename P::template stage<B, F>;
  s.each(detail::any_visitor{});
  { s.rows(1) } -> std::convertible_to<int>;
  s.forward(q, y, x);
};

LLAVA_END
