// SPDX-License-Identifier: Apache-2.0
/// any_decoder<D...>: a decoder chosen by config.json. It models the same concept as those that it lists. The choice is
/// visited once per call of a stage, not in its layers.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include <llava/base/one_of.hpp>
#include <llava/llm/concept.hpp>

LLAVA_BEGIN

/// One of D, chosen by its name when a folder is opened.
template <class... D>
struct any_decoder : one_of<D...> {
  using one_of<D...>::one_of;
  static constexpr std::string_view name = "any";

  /// The chosen decoder with its weights.
  template <class B, class Numbers, class P, class Act>
  class stage {
   public:
    stage(const Numbers& numbers, const Act& act, int rows, int vocab, const any_decoder& choice = {})
        : stage_(choice.visit([&](auto chosen) {
            using chosen_stage = typename decltype(chosen)::template stage<B, Numbers, P, Act>;
            return held(std::in_place_type<chosen_stage>, numbers, act, rows, vocab);
          })) {}

    const text_config& config() const {
      return std::visit([](const auto& s) -> const text_config& { return s.config(); }, stage_);
    }
    int head_rows() const {
      return std::visit([](const auto& s) { return s.head_rows(); }, stage_);
    }
    int vocab() const {
      return std::visit([](const auto& s) { return s.vocab(); }, stage_);
    }
    template <class Visit>
    void each(Visit&& visit) {
      std::visit([&](auto& s) { s.each(visit); }, stage_);
    }
    result<void> try_prepare(const memory& to) {
      return std::visit([&](auto& s) { return s.try_prepare(to); }, stage_);
    }
    template <class Q>
    void embed_tokens(Q& q, matrix_view<float> x, vector_view<const std::int32_t> ids) const {
      std::visit([&](const auto& s) { s.embed_tokens(q, x, ids); }, stage_);
    }
    template <class Q, class Cache, class GoOn>
    bool forward(Q& q, matrix_view<float> x, const step_rows& rows, const Cache& cache, GoOn&& go_on) const {
      return std::visit([&](const auto& s) { return s.forward(q, x, rows, cache, go_on); }, stage_);
    }
    template <class Q>
    void head(Q& q, matrix_view<float> logits, matrix_view<const float> x) const {
      std::visit([&](const auto& s) { s.head(q, logits, x); }, stage_);
    }

   private:
    using held = std::variant<typename D::template stage<B, Numbers, P, Act>...>;
    held stage_;
  };
};

LLAVA_END
