// SPDX-License-Identifier: Apache-2.0
/// Reads the configuration of a language model as transformers' LlamaConfig, MistralConfig and Qwen2Config define it,
/// and MptConfig (mpt_config.hpp).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/mpt_config.hpp>
#include <llava/checkpoint/rope_config.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {

/// The family of a model type's language model; empty when it is not supported.
inline std::string_view text_kind(std::string_view type) {
  if (type == "llama" || type == "llava" || type == "llava_llama") return "llama";
  if (type == "mistral" || type == "llava_mistral") return "mistral";
  if (type == "mpt" || type == "llava_mpt") return "mpt";
  return type == "qwen2" || type == "llava_qwen" ? "qwen2" : "";
}

/// The family of an original folder's language model. Uploads of LLaVA-NeXT may have the model_type "llava" whatever
/// they were trained from; the class under "architectures" tells.
inline std::string_view text_kind(const json_object& o, std::string_view type) {
  const json_value* classes = type == "llava" ? o.find("architectures") : nullptr;
  if (classes && !classes->items().empty()) {
    const std::string* name = classes->items()[0].text();
    if (name && name->find("LlavaQwenFor") != std::string::npos) return "qwen2";
    if (name && name->find("LlavaMistralFor") != std::string::npos) return "mistral";
  }
  return text_kind(type);
}

/// The defaults of absent keys.
inline text_config text_defaults(std::string_view kind) {
  text_config c;
  c.eps = 1e-6f;
  c.head_dim = 0;
  if (kind == "llama") c.context = 2048;
  if (kind == "mistral") c.ffn = 14336, c.kv_heads = 8, c.context = 131072;
  if (kind == "qwen2") c.vocab = 151936, c.ffn = 22016, c.context = 32768, c.qkv_bias = true;
  return c;
}

/// Reads Qwen2's layer_types: layers of "full_attention", followed by layers of "sliding_attention".
inline result<void> try_read_layer_types(const json_object& o, text_config& c) {
  const json_value* types = o.find("layer_types");
  if (!types) return {};
  if (!types->is_array() || types->items().size() != static_cast<std::size_t>((std::max)(c.layers, 0)))
    return o.wrong("layer_types", text_of("a list of num_hidden_layers (", c.layers, ") strings"));
  c.full_layers = c.layers;
  for (std::size_t i = types->items().size(); i-- > 0;) {
    const std::string* type = types->items()[i].text();
    const bool full = type && *type == "full_attention";
    if (!full && (!type || *type != "sliding_attention"))
      return o.wrong("layer_types", "a list of \"full_attention\" and \"sliding_attention\"");
    if (full) continue;
    if (static_cast<int>(i) != c.full_layers - 1)
      return o.unsupported("layer_types", "mixed", "layers of full_attention, followed by layers of sliding_attention");
    c.full_layers = static_cast<int>(i);
  }
  return {};
}

/// Reads the sliding window: Mistral has one in all layers, Qwen2 in the last ones. LLaMA ignores the keys.
inline result<void> try_read_window(const json_object& o, std::string_view kind, text_config& c) {
  if (kind == "llama") return {};
  bool windowed = kind == "mistral";
  if (kind == "qwen2") LLAVA_CHECK(o.read("use_sliding_window", windowed));
  int window = 4096;
  LLAVA_CHECK(o.read("sliding_window", window));
  if (o.contains("sliding_window") && !o.has("sliding_window")) windowed = false;
  if (windowed && window < 1) return o.wrong("sliding_window", "null, or at least 1");
  if (kind == "qwen2") {
    c.full_layers = windowed ? 28 : c.layers;
    if (windowed) LLAVA_CHECK(o.read("max_window_layers", c.full_layers));
    c.full_layers = std::clamp(c.full_layers, 0, (std::max)(c.layers, 0));
    LLAVA_CHECK(try_read_layer_types(o, c));
    if (!windowed && c.full_layers < c.layers)
      return o.unsupported("layer_types", "sliding_attention without use_sliding_window and sliding_window",
                           "full_attention");
    if (c.full_layers == c.layers) windowed = false;
  }
  if (windowed)
    c.window = window;
  else
    c.full_layers = 0;
  return {};
}

inline result<void> try_read_text_config(const json_object& o, std::string_view default_type, model_description& d) {
  std::string type(default_type);
  LLAVA_CHECK(o.read("model_type", type));
  const std::string_view kind = text_kind(o, type);
  if (kind.empty()) return o.unsupported("model_type", type, "llama, mistral, qwen2, mpt or LLaVA on one of these");
  d.text_family = kind;
  if (kind == "mpt") return try_read_mpt_config(o, d);
  text_config c = text_defaults(kind);
  LLAVA_CHECK(o.read("vocab_size", c.vocab));
  LLAVA_CHECK(o.read("hidden_size", c.hidden));
  LLAVA_CHECK(o.read("num_hidden_layers", c.layers));
  LLAVA_CHECK(o.read("num_attention_heads", c.heads));
  const bool ungrouped = o.contains("num_key_value_heads") && !o.has("num_key_value_heads");
  if (kind != "mistral" || ungrouped) c.kv_heads = c.heads;
  LLAVA_CHECK(o.read("num_key_value_heads", c.kv_heads));
  LLAVA_CHECK(o.read("head_dim", c.head_dim));
  if (c.head_dim == 0 && c.heads > 0) c.head_dim = c.hidden / c.heads;
  LLAVA_CHECK(o.read("intermediate_size", c.ffn));
  LLAVA_CHECK(o.read("max_position_embeddings", c.context));
  LLAVA_CHECK(o.read("rms_norm_eps", c.eps));
  LLAVA_CHECK(try_read_rope(o, c));
  LLAVA_CHECK(o.read("tie_word_embeddings", c.tied));
  LLAVA_CHECK(try_read_window(o, kind, c));
  if (kind == "llama") {
    bool bias = false;
    LLAVA_CHECK(o.read("attention_bias", bias));
    c.qkv_bias = c.o_bias = bias;
    LLAVA_CHECK(o.read("mlp_bias", c.mlp_bias));
  }
  d.text = c;
  d.text_activation = "silu";
  return o.read("hidden_act", d.text_activation);
}

}  // namespace detail

LLAVA_END
