// SPDX-License-Identifier: Apache-2.0
/// Checks whether a model, a backend and a weight policy make a pipeline. If not, one static_assert gives the reason in
/// one sentence, and nothing else is instantiated.
#pragma once
#include <llava/config_rules.hpp>
#include <llava/llm/concept.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/numbers.hpp>
#include <llava/projector/concept.hpp>
#include <llava/vision/concept.hpp>

LLAVA_BEGIN

namespace detail {

template <class M>
concept has_choices = requires {
  typename M::tower;
  typename M::projector;
  typename M::decoder;
  typename M::vision_activation;
  typename M::text_activation;
  typename M::conversation;
};

/// The formats of a policy: weights in any format, the embeddings in f32, f16 or bf16, the KV cache also in fp8_e4m3.
template <class P>
concept has_formats = weight_format<typename P::vision> && weight_format<typename P::projector> &&
    weight_format<typename P::text> && weight_format<typename P::head>;
template <class P>
concept has_dense_formats = floating<typename P::embeddings> && kv_element<typename P::kv_cache>;

/// Likely misspellings of the members of a policy or a model, which would have no effect.
template <class P>
concept misnames_a_format = requires {
  typename P::heads;
}
|| requires { typename P::lm_head; }
|| requires { typename P::embedding; }
|| requires { typename P::tower; }
|| requires { typename P::vision_tower; }
|| requires { typename P::vit; }
|| requires { typename P::language; }
|| requires { typename P::kv; }
|| requires { typename P::cache; }
|| requires { typename P::projection; };
template <class M>
concept misnames_a_choice = requires {
  typename M::activation;
}
|| requires { typename M::projector_type; }
|| requires { typename M::vision_tower; }
|| requires { typename M::vit; }
|| requires { typename M::language_model; }
|| requires { typename M::text_decoder; }
|| requires { typename M::vision_act; }
|| requires { typename M::template_type; }
|| requires { typename M::conversation_template; }
|| requires { M::projector_config; }
|| requires { M::vision_config; }
|| requires { M::text_config; };

template <class M, class B, class P>
inline constexpr bool is_tower =
    tower<typename M::tower, B, typename numbers<M>::vision, typename P::vision, typename M::vision_activation>;
template <class M, class B, class P>
inline constexpr bool is_decoder =
    decoder<typename M::decoder, B, typename numbers<M>::text, P, typename M::text_activation>;

/// Whether the stages agree on the widths that they share.
template <class M>
constexpr bool stages_agree() {
  return M::projection.hidden == M::text.hidden && M::projection.vision_hidden == M::vision.feature_width();
}

template <class M>
constexpr bool require_numbers() {
  if constexpr (!states_numbers<M>) {
    return true;
  } else if constexpr (!fixed_model<M>) {
    static_assert(fixed_model<M>,
                  "llava: a model states all of vision, text and projection as static members, or none");
    return false;
  } else if constexpr (!first_broken_rule(M::vision).empty()) {
    return rules::require<&M::vision>(rules::of_vision{});
  } else if constexpr (!first_broken_rule(M::text).empty()) {
    return rules::require<&M::text>(rules::of_text{});
  } else if constexpr (!first_broken_rule(M::projection).empty()) {
    return rules::require<&M::projection>(rules::of_projector{});
  } else {
    static_assert(stages_agree<M>(),
                  "llava: projection.vision_hidden must be vision.feature_width(), and projection.hidden text.hidden");
    return stages_agree<M>();
  }
}

/// The whole check, from coarse to fine. Only the first broken rule is reported.
template <class M, class B, class P>
constexpr bool is_sound() {
  if constexpr (!has_choices<M>) {
    static_assert(has_choices<M>,
                  "llava: a model needs the types tower, projector, decoder, vision_activation, text_activation and "
                  "conversation; derive from a model that has them, or name clip_tower and llama_decoder");
    return false;
  } else if constexpr (misnames_a_choice<M>) {
    static_assert(!misnames_a_choice<M>,
                  "llava: the model has a member that no pipeline reads; the choices are tower, projector, decoder, "
                  "vision_activation, text_activation and conversation, the numbers vision, text and projection");
    return false;
  } else if constexpr (!activation_choice<typename M::vision_activation>) {
    static_assert(activation_choice<typename M::vision_activation>,
                  "llava: M::vision_activation is not an activation with apply(V) and a name (contract: "
                  "llava/ops/activation.hpp)");
    return false;
  } else if constexpr (!activation_choice<typename M::text_activation>) {
    static_assert(activation_choice<typename M::text_activation>,
                  "llava: M::text_activation is not an activation with apply(V) and a name (contract: "
                  "llava/ops/activation.hpp)");
    return false;
  } else if constexpr (!weight_policy<P>) {
    static_assert(weight_policy<P>, "llava: weights must be a format (llava::f16) or a policy (llava::weights<F>)");
    return false;
  } else if constexpr (misnames_a_format<P>) {
    static_assert(
        !misnames_a_format<P>,
        "llava: the policy has a member that no pipeline reads; its formats are vision, projector, text, head, "
        "embeddings and kv_cache");
    return false;
  } else if constexpr (!has_formats<P>) {
    static_assert(has_formats<P>,
                  "llava: vision, projector, text and head of a policy must be weight formats "
                  "(llava::f16, llava::q4_0, …)");
    return false;
  } else if constexpr (!has_dense_formats<P>) {
    static_assert(has_dense_formats<P>,
                  "llava: embeddings of a policy must be llava::f32, llava::f16 or llava::bf16, and kv_cache one of "
                  "these or llava::fp8_e4m3");
    return false;
  } else if constexpr (!require_numbers<M>()) {
    return false;
  } else if constexpr (!backend<B>) {
    static_assert(backend<B>, "llava: the backend has no name, queue or memory (contract: llava/ops/backend.hpp)");
    return false;
  } else if constexpr (!projector<typename M::projector, B, typename P::projector>) {
    static_assert(projector<typename M::projector, B, typename P::projector>,
                  "llava: M::projector is not a projector (contract: llava/projector/concept.hpp)");
    return false;
  } else if constexpr (!is_tower<M, B, P>) {
    static_assert(is_tower<M, B, P>, "llava: M::tower is not a vision tower (contract: llava/vision/concept.hpp)");
    return false;
  } else if constexpr (!is_decoder<M, B, P>) {
    static_assert(is_decoder<M, B, P>, "llava: M::decoder is not a decoder (contract: llava/llm/concept.hpp)");
    return false;
  } else {
    return check_backend<B, P>();
  }
}

}  // namespace detail

LLAVA_END
