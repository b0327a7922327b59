// SPDX-License-Identifier: Apache-2.0
/// Reads the configuration of an MPT language model as transformers' MptConfig defines it. Keys that ask for what the
/// decoder lacks (no ALiBi, biases, clipped or normalised q, k, v) are errors.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

/// Returns an error unless the key is absent or has the value `usual`.
inline result<void> try_confirm_flag(const json_object& o, const char* key, bool usual) {
  bool value = usual;
  LLAVA_CHECK(o.read(key, value));
  if (value == usual) return {};
  return o.unsupported(key, value ? "true" : "false", usual ? "true" : "false");
}

inline result<void> try_confirm_null(const json_object& o, const char* key) {
  return o.has(key) ? result<void>(o.unsupported(key, "set", "null")) : result<void>();
}

/// Reads attn_config.
inline result<void> try_read_mpt_attention(const json_object& o, text_config& c) {
  std::string type = "multihead_attention";
  LLAVA_CHECK(o.read("attn_type", type));
  if (type != "multihead_attention") return o.unsupported("attn_type", type, "multihead_attention");
  LLAVA_CHECK(try_confirm_flag(o, "alibi", true));
  LLAVA_CHECK(try_confirm_flag(o, "qk_ln", false));
  LLAVA_CHECK(try_confirm_flag(o, "prefix_lm", false));
  LLAVA_CHECK(try_confirm_null(o, "clip_qkv"));
  LLAVA_CHECK(try_confirm_null(o, "softmax_scale"));
  LLAVA_CHECK(o.read("alibi_bias_max", c.alibi));
  return c.alibi > 0.f ? result<void>() : result<void>(o.wrong("alibi_bias_max", "a positive number"));
}

inline result<void> try_read_mpt_config(const json_object& o, model_description& d) {
  text_config c;
  c.vocab = 50368, c.hidden = 2048, c.heads = 16, c.layers = 24, c.context = 2048;  // defaults of absent keys
  c.alibi = 8.f, c.tied = true;
  LLAVA_CHECK(o.read("vocab_size", c.vocab));
  LLAVA_CHECK(o.read("d_model", c.hidden));
  LLAVA_CHECK(o.read("n_heads", c.heads));
  LLAVA_CHECK(o.read("n_layers", c.layers));
  LLAVA_CHECK(o.read("max_seq_len", c.context));
  LLAVA_CHECK(o.read("layer_norm_epsilon", c.eps));
  LLAVA_CHECK(o.read("tie_word_embeddings", c.tied));
  if (c.heads < 1 || c.hidden % c.heads != 0)
    return o.wrong("n_heads", text_of("a positive divisor of d_model (", c.hidden, ")"));
  c.kv_heads = c.heads, c.head_dim = c.hidden / c.heads;
  int ratio = 4;
  LLAVA_CHECK(o.read("expansion_ratio", ratio));
  if (ratio < 1) return o.wrong("expansion_ratio", "at least 1");
  const std::int64_t ffn = std::int64_t{ratio} * c.hidden;
  c.ffn = static_cast<int>((std::min<std::int64_t>)(ffn, (std::numeric_limits<int>::max)()));  // a rule bounds it
  std::string norm = "low_precision_layernorm";
  LLAVA_CHECK(o.read("norm_type", norm));
  if (norm != "low_precision_layernorm" && norm != "layernorm")
    return o.unsupported("norm_type", norm, "low_precision_layernorm or layernorm");
  LLAVA_CHECK(try_confirm_flag(o, "no_bias", true));
  LLAVA_CHECK(try_confirm_null(o, "logit_scale"));
  LLAVA_TRY(attention, o.object("attn_config"));
  LLAVA_CHECK(try_read_mpt_attention(attention, c));
  d.text = c;
  d.decoder = "mpt", d.text_activation = "gelu";
  return {};
}

}  // namespace detail

LLAVA_END
