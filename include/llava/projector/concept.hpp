// SPDX-License-Identifier: Apache-2.0
/// projector: a choice of how image features become image tokens. It is a tag with a template `stage<B, F>`:
///   stage(projector_config)                   its numbers; or stage(projector_config, P), with what P's object chose
///   each(visit)                               its weights, named "projector.…": visit(name, slot, dims)
///   rows(features)                            how many image tokens come from that many features; at least 1
///   forward(queue, y, x)                      x (features, Dv), an operand of products with F -> y (rows(features), D)
///                                             f32, all of it written by ops
/// and, in the list of `any`, a `name`, by which config.json chooses it. docs/adding-a-projector.md shows a new one.
/// What it gets wrong is an error of opening a model, where `forward` is run once with shapes alone.
#pragma once
#include <concepts>
#include <string_view>
#include <type_traits>

#include <llava/config.hpp>
#include <llava/ops/operand.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

namespace detail {
struct any_visitor {
  template <class Slot, class Dims>
  void operator()(auto&&, Slot&, Dims) const {}
};
}  // namespace detail

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
