// SPDX-License-Identifier: Apache-2.0
/// token_tables: the two matrices between tokens and vectors that every decoder has, the embedding table and the head,
/// both (rows, D). The first `vocab` rows are tokens.
#pragma once
#include <cstdint>
#include <string>

#include <llava/config.hpp>
#include <llava/nn/linear.hpp>
#include <llava/ops/rows.hpp>

LLAVA_BEGIN

/// The embedding table and the head. P: a weight policy.
template <class B, class P>
class token_tables {
 public:
  using operand = operand_of<B, typename P::head>;  ///< the element type of the head's input

  token_tables(int rows, int vocab) : rows_(rows), vocab_(vocab) {}

  int rows() const { return rows_; }
  /// Number of tokens that can be drawn.
  int vocab() const { return vocab_; }

  /// Visits both. A tied head reads the embedding table again, in the head's format.
  template <class Visit>
  void each(Visit&& visit, const text_config& n) {
    visit(std::string("text.embed_tokens.weight"), embeddings_, tensor_dims{rows_, n.hidden});
    visit(std::string(n.tied ? "text.embed_tokens.weight" : "text.lm_head.weight"), head_,
          tensor_dims{rows_, n.hidden});
  }

  /// x[t] = embedding of ids[t] where ids[t] ≥ 0.                                          x (T, D)
  template <class Q>
  void embed_tokens(Q& q, matrix_view<float> x, vector_view<const std::int32_t> ids) const {
    embed(q, x, embeddings_.view(), ids);
  }

  /// h (R, D) -> logits (R, rows)
  template <class Q>
  void head(Q& q, matrix_view<float> logits, matrix_view<const operand> h) const {
    matmul(q, logits, h, head_.view(), epilogue<>{});
  }

 private:
  int rows_, vocab_;
  weight<B, typename P::embeddings> embeddings_;  // (V, D)
  weight<B, typename P::head> head_;              // (V, D)
};

LLAVA_END
