// SPDX-License-Identifier: Apache-2.0
/// mpt_decoder: MPT, the language model of LLaVA-Lightning-MPT. One step takes any rows of any sequences.
///
///   ids (T) -> x (T, D) -> layers -> x (T, D); some rows (R, D) -> norm -> head -> logits (R, V)
///
/// Layer: x += out(attention(q, k, v of Wqkv · norm1(x))); x += down(act(up · norm2(x))). Positions are in the
/// attention alone, as ALiBi. Norms are LayerNorms without bias, and no layer has a bias. Follows transformers'
/// MptForCausalLM, whose activation is gelu. Contract: concept.hpp.
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/one_of.hpp>
#include <llava/config.hpp>
#include <llava/llm/alibi.hpp>
#include <llava/llm/concept.hpp>
#include <llava/llm/token_tables.hpp>
#include <llava/nn/linear.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/norm.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

namespace detail {
/// The weights of one layer. qkv holds the queries, keys and values of all heads, one after the other.
template <class B, class F>
struct mpt_layer {
  parameter<B> norm1, norm2;
  linear<B, F> qkv, out, up, down;

  template <class Visit>
  void each(Visit&& visit, const std::string& name, const text_config& n) {
    const std::int64_t width = std::int64_t{n.heads} * n.head_dim;
    visit(name + "input_layernorm.weight", norm1, tensor_dims{n.hidden});
    qkv.each(visit, name + "self_attn.qkv_proj", 3 * width, n.hidden, false);
    out.each(visit, name + "self_attn.o_proj", n.hidden, width, false);
    visit(name + "post_attention_layernorm.weight", norm2, tensor_dims{n.hidden});
    up.each(visit, name + "mlp.up_proj", n.ffn, n.hidden, false);
    down.each(visit, name + "mlp.down_proj", n.hidden, n.ffn, false);
  }
};
}  // namespace detail

/// The decoder of LLaVA on MPT.
struct mpt_decoder {
  static constexpr std::string_view name = "mpt";

  /// The layers with their weights.
  template <class B, class Numbers, class P, class Act>
  class stage {
   public:
    stage(const Numbers& numbers, const Act& act, int rows, int vocab)
        : n_(numbers), act_(act), tables_(rows, vocab), layers_(static_cast<std::size_t>(numbers->layers)) {}

    const text_config& config() const { return *n_; }
    int head_rows() const { return tables_.rows(); }
    int vocab() const { return tables_.vocab(); }

    template <class Visit>
    void each(Visit&& visit) {
      tables_.each(visit, *n_);
      for (std::size_t i = 0; i < layers_.size(); ++i)
        layers_[i].each(visit, "text.layers." + std::to_string(i) + ".", *n_);
      visit(std::string("text.norm.weight"), norm_, tensor_dims{n_->hidden});
    }

    /// Computes the slopes of ALiBi.
    result<void> try_prepare(const memory& to) {
      const std::vector<float> s = alibi_slopes(*n_);
      return slopes_.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(s.data())}, 1),
                              tensor_dims{static_cast<std::int64_t>(s.size())}, "ALiBi slopes", to);
    }

    template <class Q>
    void embed_tokens(Q& q, matrix_view<float> x, vector_view<const std::int32_t> ids) const {
      tables_.embed_tokens(q, x, ids);
    }

    template <class Q, class Cache, class GoOn>
    bool forward(Q& q, matrix_view<float> x, const step_rows& rows, const Cache& cache, GoOn&& go_on) const {
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (!go_on()) return false;
        run(q, x, rows, layers_[i], cache.layer(static_cast<int>(i)));
      }
      return true;
    }

    template <class Q>
    void head(Q& q, matrix_view<float> logits, matrix_view<const float> x) const {
      arena_scope scope(q.workspace());
      const auto h = allocate_matrix<typename token_tables<B, P>::operand>(q, x.extent(0), x.extent(1));  // (R, D)
      norm(q, h, x, norm_);
      tables_.head(q, logits, h);
    }

   private:
    using layer = detail::mpt_layer<B, typename P::text>;
    using cache_view = kv_view_of<B, typename P::kv_cache>;
    using operand = operand_of<B, typename P::text>;

    template <class Q, class Y>
    void norm(Q& q, matrix_view<Y> y, matrix_view<const float> x, const parameter<B>& w) const {
      layer_norm(q, y, x, w.view(), vector_view<const float>(), n_->eps);
    }

    template <class Q>
    void run(Q& q, matrix_view<float> x, const step_rows& rows, const layer& w, cache_view cache) const {
      arena_scope scope(q.workspace());
      const std::ptrdiff_t tokens = x.extent(0);
      const matrix_view<operand> h = allocate_matrix<operand>(q, tokens, n_->hidden);  // (T, D)
      {
        arena_scope attention_scope(q.workspace());
        const std::ptrdiff_t width = std::ptrdiff_t{n_->heads} * n_->head_dim;
        const matrix_view<float> qkv = allocate_matrix(q, tokens, 3 * width);                      // (T, 3·H·d)
        const matrix_view<operand> attention_output = allocate_matrix<operand>(q, tokens, width);  // (T, H·d)
        norm(q, h, x, w.norm1);
        w.qkv.forward(q, qkv, h);
        const matrix_view<const float> queries = columns_of(qkv, 0, width), keys = columns_of(qkv, width, width),
                                       values = columns_of(qkv, 2 * width, width);  // (T, H·d)
        store_kv(q, keys, values, rows, cache);
        paged_attention(
            q, attention_output, queries, cache, rows,
            attention_parameters{n_->heads, 1.f / std::sqrt(static_cast<float>(n_->head_dim)), 0, slopes_.view()});
        w.out.add_to(q, x, attention_output);
      }
      const matrix_view<operand> inner = allocate_matrix<operand>(q, tokens, n_->ffn);  // (T, I)
      norm(q, h, x, w.norm2);
      visit_choice(act_, [&](auto act) { w.up.forward(q, inner, h, act); });
      w.down.add_to(q, x, inner);
    }

    [[no_unique_address]] Numbers n_;
    [[no_unique_address]] Act act_;
    token_tables<B, P> tables_;
    parameter<B> norm_;    // (D)
    parameter<B> slopes_;  // (H)
    std::vector<layer> layers_;
  };
};

LLAVA_END
