// SPDX-License-Identifier: Apache-2.0
/// llama_decoder: a language model of the LLaMA family (LLaMA, Vicuna, Mistral, Qwen2). One step takes any rows of any
/// sequences.
///
///   ids (T) -> x (T, D) -> layers -> x (T, D); some rows (R, D) -> norm -> head -> logits (R, V)
///
/// Layer: x += o(attention(rope(q), rope(k), v of norm1(x))); x += down(act(gate n) · up n) with n = norm2(x).
/// Follows transformers' LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM. Contract: concept.hpp.
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/one_of.hpp>
#include <llava/config.hpp>
#include <llava/llm/concept.hpp>
#include <llava/llm/rope.hpp>
#include <llava/llm/token_tables.hpp>
#include <llava/nn/linear.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/rope.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

namespace detail {
/// The weights of one layer.
template <class B, class F>
struct llama_layer {
  parameter<B> norm1, norm2;
  linear<B, F> q, k, v, o, gate, up, down;

  template <class Visit>
  void each(Visit&& visit, const std::string& name, const text_config& n) {
    const std::int64_t queries = std::int64_t{n.heads} * n.head_dim, keys = std::int64_t{n.kv_heads} * n.head_dim;
    visit(name + "input_layernorm.weight", norm1, tensor_dims{n.hidden});
    q.each(visit, name + "self_attn.q_proj", queries, n.hidden, n.qkv_bias);
    k.each(visit, name + "self_attn.k_proj", keys, n.hidden, n.qkv_bias);
    v.each(visit, name + "self_attn.v_proj", keys, n.hidden, n.qkv_bias);
    o.each(visit, name + "self_attn.o_proj", n.hidden, queries, n.o_bias);
    visit(name + "post_attention_layernorm.weight", norm2, tensor_dims{n.hidden});
    gate.each(visit, name + "mlp.gate_proj", n.ffn, n.hidden, n.mlp_bias);
    up.each(visit, name + "mlp.up_proj", n.ffn, n.hidden, n.mlp_bias);
    down.each(visit, name + "mlp.down_proj", n.hidden, n.ffn, n.mlp_bias);
  }
};
}  // namespace detail

/// The decoder of LLaVA on LLaMA, Vicuna, Mistral or Qwen2.
struct llama_decoder {
  static constexpr std::string_view name = "llama";

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

    /// Computes the rotary frequencies.
    result<void> try_prepare(const memory& to) {
      const std::vector<float> f = rope_frequencies(*n_);
      return frequencies_.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(f.data())}, 1),
                                   tensor_dims{static_cast<std::int64_t>(f.size())}, "rope frequencies", to);
    }

    template <class Q>
    void embed_tokens(Q& q, matrix_view<float> x, vector_view<const std::int32_t> ids) const {
      tables_.embed_tokens(q, x, ids);
    }

    template <class Q, class Cache, class GoOn>
    bool forward(Q& q, matrix_view<float> x, const step_rows& rows, const Cache& cache, GoOn&& go_on) const {
      arena_scope scope(q.workspace());
      const matrix_view<float> angles = allocate_matrix(q, x.extent(0), n_->head_dim);  // (T, d)
      rope_angles(q, angles, rows.positions, frequencies_.view());
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (!go_on()) return false;
        const int window = static_cast<int>(i) < n_->full_layers ? 0 : n_->window;
        run(q, x, angles, rows, layers_[i], cache.layer(static_cast<int>(i)), window);
      }
      return true;
    }

    template <class Q>
    void head(Q& q, matrix_view<float> logits, matrix_view<const float> x) const {
      arena_scope scope(q.workspace());
      const auto h = allocate_matrix<typename token_tables<B, P>::operand>(q, x.extent(0), x.extent(1));  // (R, D)
      rms_norm(q, h, x, norm_.view(), n_->eps);
      tables_.head(q, logits, h);
    }

   private:
    using layer = detail::llama_layer<B, typename P::text>;
    using linear_layer = linear<B, typename P::text>;
    using cache_view = kv_view_of<B, typename P::kv_cache>;
    using operand = operand_of<B, typename P::text>;

    /// 1 / √d, times rope_attention twice: once for the queries' cosines and sines, once for the keys'.
    float score_scale() const {
      return n_->rope_attention * n_->rope_attention / std::sqrt(static_cast<float>(n_->head_dim));
    }

    template <class Q>
    void run(Q& q, matrix_view<float> x, matrix_view<const float> angles, const step_rows& rows, const layer& w,
             cache_view cache, int window) const {
      arena_scope scope(q.workspace());
      const std::ptrdiff_t tokens = x.extent(0);
      const matrix_view<operand> h = allocate_matrix<operand>(q, tokens, n_->hidden);  // (T, D)
      {
        arena_scope attention_scope(q.workspace());
        const std::ptrdiff_t width = std::ptrdiff_t{n_->heads} * n_->head_dim;
        const std::ptrdiff_t kv_width = std::ptrdiff_t{n_->kv_heads} * n_->head_dim;
        const matrix_view<float> queries = allocate_matrix(q, tokens, width);                      // (T, H·d)
        const matrix_view<float> keys = allocate_matrix(q, tokens, kv_width);                      // (T, KV·d)
        const matrix_view<float> values = allocate_matrix(q, tokens, kv_width);                    // (T, KV·d)
        const matrix_view<operand> attention_output = allocate_matrix<operand>(q, tokens, width);  // (T, H·d)
        rms_norm(q, h, x, w.norm1.view(), n_->eps);
        linear_layer::forward_each(q, h, {{w.q, queries}, {w.k, keys}, {w.v, values}});
        if constexpr (ops::has_rope_and_store<Q, cache_view>) {
          rope_and_store(q, queries, keys, values, angles, rows, cache);
        } else {
          rope(q, queries, angles);
          rope(q, keys, angles);
          store_kv(q, keys, values, rows, cache);
        }
        paged_attention(q, attention_output, queries, cache, rows,
                        attention_parameters{n_->heads, score_scale(), window});
        w.o.add_to(q, x, attention_output);
      }
      const matrix_view<operand> gated = allocate_matrix<operand>(q, tokens, n_->ffn);  // (T, I)
      rms_norm(q, h, x, w.norm2.view(), n_->eps);
      visit_choice(act_, [&](auto act) { linear_layer::forward_gated(q, gated, h, w.gate, w.up, act); });
      w.down.add_to(q, x, gated);
    }

    [[no_unique_address]] Numbers n_;
    [[no_unique_address]] Act act_;
    token_tables<B, P> tables_;
    parameter<B> norm_;         // (D)
    parameter<B> frequencies_;  // (d / 2)
    std::vector<layer> layers_;
  };
};

LLAVA_END
