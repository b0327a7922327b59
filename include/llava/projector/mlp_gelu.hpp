// SPDX-License-Identifier: Apache-2.0
/// mlp_gelu: "mlpNx_gelu" of LLaVA-1.5, N linear layers with gelu between them, N = projector_config::depth.
/// Weights are numbered as in a torch Sequential: projector.0, projector.2, …
#pragma once
#include <string>
#include <vector>

#include <llava/nn/linear.hpp>
#include <llava/projector/concept.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// mlpNx_gelu: N linear layers with GELU between them; LLaVA-1.5 has two.
struct mlp_gelu {
  static constexpr std::string_view name = "mlp_gelu";

  /// The layers with their weights.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config& c) : config_(c), layers_(static_cast<std::size_t>(c.depth)) {}

    template <class Visit>
    void each(Visit&& visit) {
      for (std::size_t i = 0; i < layers_.size(); ++i)
        layers_[i].each(visit, "projector." + std::to_string(2 * i), config_.hidden,
                        i == 0 ? config_.vision_hidden : config_.hidden, config_.bias);
    }

    int rows(int features) const { return features; }

    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {  // (P, Dv) -> (P, D)
      arena_scope scope(q.workspace());
      for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
        const auto inner = allocate_matrix<operand_of<B, F>>(q, x.extent(0), config_.hidden);  // (P, D)
        layers_[i].forward(q, inner, x, gelu{});
        x = inner;
      }
      layers_.back().forward(q, y, x);
    }

   private:
    projector_config config_;
    std::vector<linear<B, F>> layers_;
  };
};

LLAVA_END
