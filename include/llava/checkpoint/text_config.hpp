// SPDX-License-Identifier: Apache-2.0
/// Reads the numbers of a language model as transformers' LlamaConfig, MistralConfig and Qwen2Config define them, in the
/// forms of versions 4 (rope_theta, rope_scaling) and 5 (rope_parameters).
#pragma once
#include <string>

#include <llava/checkpoint/json.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {

/// The defaults of a model type; false when it is not of the family.
inline bool text_defaults(std::string_view type, text_config& c) {
  c = {};
  c.eps = 1e-6f;
  c.head_dim = 0;
  if (type == "llama" || type == "llava" || type == "llava_llama") {
    c.context = 2048;
  } else if (type == "mistral" || type == "llava_mistral") {
    c.ffn = 14336, c.kv_heads = 8, c.context = 131072, c.window = 4096;
  } else if (type == "qwen2" || type == "llava_qwen") {
    c.vocab = 151936, c.ffn = 22016, c.context = 32768, c.window = 4096, c.qkv_bias = true;
  } else {
    return false;
  }
  return true;
}

inline result<void> try_read_rope(const json_object& o, text_config& c) {
  LLAVA_CHECK(o.read("rope_theta", c.rope_theta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    LLAVA_TRY(rope, o.object(key));
    std::string type = "default";
    LLAVA_CHECK(rope.read("type", type));
    LLAVA_CHECK(rope.read("rope_type", type));
    LLAVA_CHECK(rope.read("rope_theta", c.rope_theta));
    if (type == "default") continue;
    if (type == "linear")
      c.scaling = rope_scaling::linear;
    else if (type == "llama3")
      c.scaling = rope_scaling::llama3;
    else
      return rope.unsupported("rope_type", type, "default, linear, llama3");
    LLAVA_CHECK(rope.read("factor", c.rope_factor));
    LLAVA_CHECK(rope.read("low_freq_factor", c.rope_low_frequency));
    LLAVA_CHECK(rope.read("high_freq_factor", c.rope_high_frequency));
    LLAVA_CHECK(rope.read("original_max_position_embeddings", c.rope_original_context));
  }
  return {};
}

inline result<text_config> try_read_text_config(const json_object& o, std::string_view default_type) {
  std::string type(default_type);
  LLAVA_CHECK(o.read("model_type", type));
  text_config c;
  if (!text_defaults(type, c)) return o.unsupported("model_type", type, "llama, mistral, qwen2 and LLaVA on these");
  LLAVA_CHECK(o.read("vocab_size", c.vocab));
  LLAVA_CHECK(o.read("hidden_size", c.hidden));
  LLAVA_CHECK(o.read("num_hidden_layers", c.layers));
  LLAVA_CHECK(o.read("num_attention_heads", c.heads));
  if (type != "mistral" && type != "llava_mistral") c.kv_heads = c.heads;
  LLAVA_CHECK(o.read("num_key_value_heads", c.kv_heads));
  LLAVA_CHECK(o.read("head_dim", c.head_dim));
  if (c.head_dim == 0 && c.heads > 0) c.head_dim = c.hidden / c.heads;
  LLAVA_CHECK(o.read("intermediate_size", c.ffn));
  LLAVA_CHECK(o.read("max_position_embeddings", c.context));
  LLAVA_CHECK(o.read("rms_norm_eps", c.eps));
  LLAVA_CHECK(try_read_rope(o, c));
  LLAVA_CHECK(o.read("tie_word_embeddings", c.tied));
  if (c.qkv_bias) {  // Qwen2
    bool windowed = false;
    LLAVA_CHECK(o.read("use_sliding_window", windowed));
    LLAVA_CHECK(o.read("sliding_window", c.window));
    int full_layers = 28;
    LLAVA_CHECK(o.read("max_window_layers", full_layers));
    if (!windowed || full_layers >= c.layers)
      c.window = 0;
    else if (full_layers > 0)
      return o.unsupported("max_window_layers", std::to_string(full_layers), "a window in all layers or in none");
  } else {
    bool bias = false;
    LLAVA_CHECK(o.read("attention_bias", bias));
    c.qkv_bias = c.o_bias = bias;
    LLAVA_CHECK(o.read("mlp_bias", c.mlp_bias));
    if (c.window > 0 || o.has("sliding_window")) {
      const bool absent_by_null = !o.has("sliding_window") && o.states("sliding_window");
      if (absent_by_null) c.window = 0;
      LLAVA_CHECK(o.read("sliding_window", c.window));
    }
  }
  std::string activation = "silu";
  LLAVA_CHECK(o.read("hidden_act", activation));
  if (activation != "silu") return o.unsupported("hidden_act", activation, "silu");
  return c;
}

}  // namespace detail

LLAVA_END
