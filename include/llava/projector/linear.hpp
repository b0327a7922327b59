// SPDX-License-Identifier: Apache-2.0
/// linear_projector: one linear layer ("linear", LLaVA v1). identity_projector: image tokens are the features
/// ("identity").
#pragma once
#include <llava/nn/linear.hpp>
#include <llava/ops/rows.hpp>
#include <llava/projector/concept.hpp>

LLAVA_BEGIN

/// LLaVA-1.0's projector: one linear layer.
struct linear_projector {
  static constexpr std::string_view name = "linear";

  /// The layer with its weights.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config& c) : config_(c) {}
    template <class Visit>
    void each(Visit&& visit) {
      layer_.each(visit, "projector", config_.hidden, config_.vision_hidden, config_.bias);
    }
    int rows(int features) const { return features; }
    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {  // (P, Dv) -> (P, D)
      layer_.forward(q, y, x);
    }

   private:
    projector_config config_;
    linear<B, F> layer_;
  };
};

/// No projector: image tokens are the features.
struct identity_projector {
  static constexpr std::string_view name = "identity";

  /// Copies the features.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config&) {}
    template <class Visit>
    void each(Visit&&) {}
    int rows(int features) const { return features; }
    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {  // (P, D) -> (P, D)
      copy(q, y, x);
    }
  };
};

LLAVA_END
