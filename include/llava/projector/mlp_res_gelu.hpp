// SPDX-License-Identifier: Apache-2.0
/// mlp_res_gelu: "mlpNx_resMx_gelu" of LLaVA's program. The N layers of mlp_gelu, then M = projector_config::blocks
/// blocks:   x = LayerNorm(x); x = x + Linear(gelu(Linear(x)))
/// The norm stands in front of the residual too. Weights are numbered as in a torch Sequential: projector.0,
/// projector.2, … and, of the blocks, projector.3.pre_norm, projector.3.proj.0, projector.3.proj.2, projector.4 …
#pragma once
#include <string>
#include <vector>

#include <llava/nn/affine.hpp>
#include <llava/nn/linear.hpp>
#include <llava/projector/concept.hpp>
#include <llava/projector/mlp_gelu.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// mlpNx_resMx_gelu: N linear layers with GELU between them, and M residual blocks.
struct mlp_res_gelu {
  static constexpr std::string_view name = "mlp_res_gelu";

  /// The layers with their weights.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config& c) : config_(c), layers_(c), blocks_(static_cast<std::size_t>(c.blocks)) {}

    template <class Visit>
    void each(Visit&& visit) {
      layers_.each(visit);
      const int width = config_.hidden;
      for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const std::string block =
            "projector." + std::to_string(2 * static_cast<std::size_t>(config_.depth) - 1 + i) + ".";
        blocks_[i].norm.each(visit, block + "pre_norm", width);
        blocks_[i].in.each(visit, block + "proj.0", width, width, true);
        blocks_[i].out.each(visit, block + "proj.2", width, width, true);
      }
    }

    int rows(int features) const { return features; }

    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {  // (P, Dv) -> (P, D)
      layers_.forward(q, y, x);
      for (const auto& block : blocks_) {
        arena_scope scope(q.workspace());
        block.norm.forward(q, y, y, norm_eps);
        const auto inner = allocate_matrix<operand>(q, y.extent(0), y.extent(1));  // (P, D)
        block.in.forward(q, inner, as_operand<operand>(q, y), gelu{});
        block.out.add_to(q, y, inner);
      }
    }

   private:
    using operand = operand_of<B, F>;
    static constexpr float norm_eps = 1e-5f;
    struct residual {
      affine<B> norm;
      linear<B, F> in, out;
    };

    projector_config config_;
    mlp_gelu::stage<B, F> layers_;
    std::vector<residual> blocks_;
  };
};

LLAVA_END
