// SPDX-License-Identifier: Apache-2.0
/// Whether a pipeline can be made from a model, a backend and a weight policy: if not, one static_assert says why, in one
/// sentence, and nothing is instantiated after it.
#pragma once
#include <llava/ops/backend.hpp>
#include <llava/pipeline/numbers.hpp>
#include <llava/projector/concept.hpp>

LLAVA_BEGIN

namespace detail {

template <class M>
concept has_choices = requires {
  typename M::projector;
  typename M::vision_activation;
  typename M::conversation;
};

/// Numbers that two stages must agree about.
template <class M>
constexpr bool stages_agree() {
  return M::projection.hidden == M::text.hidden && M::projection.vision_hidden == M::vision.hidden;
}

template <class M>
constexpr bool require_numbers() {
  if constexpr (!fixed_model<M>) {
    return true;
  } else if constexpr (!first_broken_rule(M::vision).empty()) {
    return rules::require<&M::vision>(rules::of_vision{});
  } else if constexpr (!first_broken_rule(M::text).empty()) {
    return rules::require<&M::text>(rules::of_text{});
  } else if constexpr (!first_broken_rule(M::projection).empty()) {
    return rules::require<&M::projection>(rules::of_projector{});
  } else {
    static_assert(stages_agree<M>(),
                  "llava: projection.vision_hidden must be vision.hidden, and projection.hidden text.hidden");
    return stages_agree<M>();
  }
}

/// The whole check, from the coarse to the fine: the first sentence is the only one.
template <class M, class B, class P>
constexpr bool is_sound() {
  if constexpr (!has_choices<M>) {
    static_assert(has_choices<M>, "llava: a model needs the types projector, vision_activation and conversation");
    return false;
  } else if constexpr (!weight_policy<P>) {
    static_assert(weight_policy<P>, "llava: weights must be a format (llava::f16) or a policy (llava::weights<F>)");
    return false;
  } else if constexpr (!require_numbers<M>()) {
    return false;
  } else if constexpr (!backend<B>) {
    static_assert(backend<B>, "llava: the backend has no queue, buffer or name (contract: llava/ops/backend.hpp)");
    return false;
  } else if constexpr (!projector<typename M::projector, B, typename P::projector>) {
    static_assert(projector<typename M::projector, B, typename P::projector>,
                  "llava: M::projector is not a projector (contract: llava/projector/concept.hpp)");
    return false;
  } else {
    return check_backend<B, P>();
  }
}

}  // namespace detail

LLAVA_END
