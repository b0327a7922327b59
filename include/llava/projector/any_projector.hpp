// SPDX-License-Identifier: Apache-2.0
/// any_projector<P...>: a projector chosen by config.json. It models the same concept as those that it lists.
#pragma once
#include <utility>
#include <variant>

#include <llava/base/one_of.hpp>
#include <llava/ops/operand.hpp>
#include <llava/projector/concept.hpp>

LLAVA_BEGIN

/// One of P, chosen by its name when a folder is opened.
template <class... P>
struct any_projector : one_of<P...> {
  using one_of<P...>::one_of;
  static constexpr std::string_view name = "any";

  /// The chosen projector with its weights.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config& c, const any_projector& choice = {})
        : stage_(choice.visit([&](auto chosen) {
            return held(std::in_place_type<typename decltype(chosen)::template stage<B, F>>, c);
          })) {}
    template <class Visit>
    void each(Visit&& visit) {
      std::visit([&](auto& s) { s.each(visit); }, stage_);
    }
    int rows(int features) const {
      return std::visit([&](const auto& s) { return s.rows(features); }, stage_);
    }
    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {
      std::visit([&](const auto& s) { s.forward(q, y, x); }, stage_);
    }

   private:
    using held = std::variant<typename P::template stage<B, F>...>;
    held stage_;
  };
};

LLAVA_END
