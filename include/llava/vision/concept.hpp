// SPDX-License-Identifier: Apache-2.0
/// tower: the vision tower, from square images to the features that the projector takes. It is a tag with a member
/// template `stage<B, Numbers, F, Act>`. Numbers is fixed<&M::vision> or loaded<vision_config>, F the format of the
/// weights, Act the activation of the MLP or one_of several.
///   stage(numbers, act)
///   config()                                  returns the numbers
///   each(visit)                               visits its weights, named "vision.…": visit(name, slot, dims)
///   forward(queue, features, rgb, table, go_on)
///                                             rgb (n·S·S·3) bytes of n squares and table (3, 256), the normalised
///                                             value of each byte by channel, -> features (n·P, k·Dv), those of a
///                                             square independent of the others: S = config().input(), P =
///                                             config().features(), k·Dv = config().feature_width(). `go_on` is called
///                                             before every layer; if it returns false, so does forward. n is 1 unless
///                                             the model takes any resolution
/// Only ops read elements. Models name one as `using tower =`; docs/adding-a-model.md.
#pragma once
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <llava/config.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/tensor/view.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

namespace detail {
template <class S, class B>
concept tower_stage = requires(S s, const S c, queue_of<B>& q, matrix_view<float> features,
                               vector_view<const std::uint8_t> rgb, matrix_view<const float> table) {
  { c.config() } -> std::convertible_to<const vision_config&>;
  s.each(any_visitor{});
  { c.forward(q, features, rgb, table, static_cast<bool (*)()>(nullptr)) } -> std::same_as<bool>;
};
}  // namespace detail

/// T can be the vision tower of a model.
template <class T, class B, class Numbers, class F, class Act>
concept tower = requires {
  typename T::template stage<B, Numbers, F, Act>;
  requires std::is_constructible_v<typename T::template stage<B, Numbers, F, Act>, Numbers, Act>;
  requires detail::tower_stage<typename T::template stage<B, Numbers, F, Act>, B>;
};

LLAVA_END
