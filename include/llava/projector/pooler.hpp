// SPDX-License-Identifier: Apache-2.0
/// pooler: "pooler" of LLaVA-NeXT. A convolution of 2 × 2 features with stride 2 over the square map of the patches,
/// GELU, and a linear layer. A last row or column without a partner is ignored.
///   projector.conv_pool.weight (D, Dv, 2, 2), projector.proj.1.weight (D, D), and their biases
#pragma once
#include <cstddef>

#include <llava/nn/linear.hpp>
#include <llava/ops/rows.hpp>
#include <llava/projector/concept.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// A convolution that makes one image token of four features, and a linear layer.
struct pooler {
  static constexpr std::string_view name = "pooler";

  /// The layers with their weights.
  template <class B, class F>
  class stage {
   public:
    explicit stage(const projector_config& c) : config_(c) {}

    template <class Visit>
    void each(Visit&& visit) {
      visit(std::string("projector.conv_pool.weight"), convolution_.w,
            tensor_dims{config_.hidden, config_.vision_hidden, 2, 2});
      visit(std::string("projector.conv_pool.bias"), convolution_.bias, tensor_dims{config_.hidden});
      last_.each(visit, "projector.proj.1", config_.hidden, config_.hidden, true);
    }

    int rows(int features) const {
      const int half = static_cast<int>(side_of(features) / 2);
      return half * half;
    }

    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const operand_of<B, F>> x) const {  // (P, Dv) -> (P / 4, D)
      arena_scope scope(q.workspace());
      const std::ptrdiff_t side = side_of(x.extent(0)), half = side / 2, width = x.extent(1);
      const auto blocks = allocate_matrix<operand>(q, half * half, 4 * width);  // (P / 4, Dv·2·2), as the weights
      const auto one = allocate_matrix<operand>(q, half * half, width);         // (P / 4, Dv): a place of every block
      for (std::ptrdiff_t place = 0; place < 4; ++place) {
        const std::ptrdiff_t first = place / 2 * side + place % 2;
        for (std::ptrdiff_t row = 0; row < half; ++row)
          copy(
              q, rows_of(one, row * half, half),
              matrix_view<const operand>(x.row(first + 2 * row * side), dynamic_shape<2>(half, width), 2 * x.stride()));
        copy(q, columns_of(matrix_view<operand>(blocks.data(), dynamic_shape<2>(one.size(), 4)), place, 1),
             matrix_view<const operand>(one.data(), dynamic_shape<2>(one.size(), 1)));
      }
      const auto inner = allocate_matrix<operand>(q, half * half, config_.hidden);  // (P / 4, D)
      convolution_.forward(q, inner, blocks, gelu{});
      last_.forward(q, y, inner);
    }

   private:
    using operand = operand_of<B, F>;

    /// The side of the largest square map of this many features.
    static std::ptrdiff_t side_of(std::ptrdiff_t features) {
      std::ptrdiff_t side = 0;
      while ((side + 1) * (side + 1) <= features) ++side;
      return side;
    }

    projector_config config_;
    linear<B, F> convolution_;  // (D, Dv·2·2)
    linear<B, F> last_;         // (D, D)
  };
};

LLAVA_END
