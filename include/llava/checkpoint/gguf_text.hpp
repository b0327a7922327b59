// SPDX-License-Identifier: Apache-2.0
/// Describes the language model of a GGUF file: the keys of its architecture A, `A.embedding_length` and others, and
/// what only its tensors show. Absent keys have llama.cpp's defaults. Supported: `llama` (also Mistral, Vicuna, Yi,
/// Llama 3) and `qwen2`.
#pragma once
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/config_rules.hpp>

LLAVA_BEGIN

namespace detail {

/// The architecture of a language model that this library opens.
inline result<std::string> try_text_architecture(const gguf_keys& keys) {
  std::string name;
  LLAVA_CHECK(keys.require("general.architecture", name));
  if (name == "clip")
    return fail(errc::invalid_argument,
                text_of("llava: ", keys.file(), " holds a vision tower and projector (mmproj); open the file of its ",
                        "language model, and name this one as mmproj (--mmproj)"));
  if (name != "llama" && name != "qwen2") return keys.unsupported("general.architecture", name, "llama or qwen2");
  return name;
}

/// The factor of yarn's cosines and sines that no file states.
inline float usual_yarn_attention(float factor) { return factor <= 1.f ? 1.f : 0.1f * std::log(factor) + 1.f; }

/// Reads yarn's numbers. attn_factor multiplies the usual factor of the cosines and sines.
inline result<void> try_read_gguf_yarn(const gguf_keys& keys, const std::string& prefix, text_config& c) {
  float times = 1.f;
  c.scaling = rope_scaling::yarn;
  c.rope_original_context = c.context;
  LLAVA_CHECK(keys.require(prefix + "rope.scaling.factor", c.rope_factor));
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.original_context_length", c.rope_original_context));
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.attn_factor", times));
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.yarn_beta_fast", c.rope_beta_fast));
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.yarn_beta_slow", c.rope_beta_slow));
  for (const char* other : {"yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier"})
    if (const std::string key = text_of(prefix, "rope.scaling.", other); keys.find(key))
      return keys.unsupported(key, "there", "no such key");
  c.rope_attention = usual_yarn_attention(c.rope_factor) * times;
  return {};
}

/// Reads the scaling of the rotary embedding.
inline result<void> try_read_gguf_rope(const gguf_keys& keys, const std::string& prefix, text_config& c) {
  c.rope_theta = 10000.f;
  LLAVA_CHECK(keys.read(prefix + "rope.freq_base", c.rope_theta));
  int rotated = c.head_dim;
  LLAVA_CHECK(keys.read(prefix + "rope.dimension_count", rotated));
  if (rotated != c.head_dim)
    return keys.unsupported(prefix + "rope.dimension_count", std::to_string(rotated),
                            text_of(c.head_dim, ", the size of a head"));
  std::string type = "linear";
  float factor = 0.f;
  LLAVA_CHECK(keys.read(prefix + "rope.scale_linear", factor));  // in older files
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.factor", factor));
  LLAVA_CHECK(keys.read(prefix + "rope.scaling.type", type));
  if (type == "none" || (type == "linear" && (factor == 0.f || factor == 1.f))) return {};
  if (type == "yarn") return try_read_gguf_yarn(keys, prefix, c);
  if (type != "linear") return keys.unsupported(prefix + "rope.scaling.type", type, "none, linear or yarn");
  c.scaling = rope_scaling::linear;
  c.rope_factor = factor;
  return {};
}

/// Reads rope_freqs.weight, which files of Llama 3.1 have instead of keys: divisors of the rotary frequencies. longrope
/// is the scaling that divides each by a number of its own. The numbers of llama3 cannot be recovered for every file.
inline result<void> try_read_rope_divisors(const gguf_file& file, text_config& c) {
  const stored_tensor* t = file.find("rope_freqs.weight");
  if (!t) return {};
  if (c.scaling == rope_scaling::yarn)
    return fail(errc::unsupported,
                text_of("llava: ", t->file, " has rope_freqs.weight and yarn, expected one of them"));
  const auto count = static_cast<std::size_t>(c.head_dim / 2);
  if (t->type != dtype::float32 || t->dims != std::vector<std::size_t>{count} || count > std::size(c.rope_short.of))
    return fail(errc::mismatch, text_of("llava: ", t->file, ": tensor rope_freqs.weight: expected ", count, " f32, ",
                                        "half the size of a head"));
  t->with_rows(1, [&](const row_source& rows) { rows.read(0, static_cast<std::int64_t>(count), c.rope_short.of); });
  for (std::size_t i = 0; i < count; ++i) {
    float& divisor = c.rope_short.of[i];
    if (!(divisor > 0.f && divisor <= 1e6f))
      return fail(errc::invalid_format,
                  text_of("llava: ", t->file, ": tensor rope_freqs.weight: expected positive numbers up to 1e6"));
    if (c.scaling == rope_scaling::linear) divisor *= c.rope_factor;
  }
  c.scaling = rope_scaling::longrope;
  return {};
}

/// Sets d.text and what belongs to it.
inline result<void> try_describe_text(const gguf_file& file, const std::string& architecture, model_description& d) {
  const gguf_keys& keys = file.keys();
  const std::string prefix = architecture + ".";
  text_config c;
  LLAVA_CHECK(keys.require(prefix + "context_length", c.context));
  LLAVA_CHECK(keys.require(prefix + "embedding_length", c.hidden));
  LLAVA_CHECK(keys.require(prefix + "block_count", c.layers));
  LLAVA_CHECK(keys.require(prefix + "feed_forward_length", c.ffn));
  LLAVA_CHECK(keys.require(prefix + "attention.head_count", c.heads));
  LLAVA_CHECK(keys.require(prefix + "attention.layer_norm_rms_epsilon", c.eps));
  c.kv_heads = c.heads;
  LLAVA_CHECK(keys.read(prefix + "attention.head_count_kv", c.kv_heads));
  c.head_dim = c.heads > 0 ? c.hidden / c.heads : 0;
  LLAVA_CHECK(keys.read(prefix + "attention.key_length", c.head_dim));
  int value_length = c.head_dim, experts = 0;
  LLAVA_CHECK(keys.read(prefix + "attention.value_length", value_length));
  if (value_length != c.head_dim)
    return keys.unsupported(prefix + "attention.value_length", std::to_string(value_length),
                            text_of(c.head_dim, ", the length of a key"));
  LLAVA_CHECK(keys.read(prefix + "expert_count", experts));
  if (experts != 0)
    return keys.unsupported(prefix + "expert_count", std::to_string(experts),
                            "0; mixtures of experts are not supported");
  LLAVA_CHECK(try_read_gguf_rope(keys, prefix, c));

  const stored_tensor* table = file.find("token_embd.weight");
  if (!table || table->dims.size() != 2 || table->dims[0] > INT32_MAX)
    return fail(errc::invalid_format, text_of("llava: ", keys.file(), " has no matrix token_embd.weight"));
  c.vocab = static_cast<int>(table->dims[0]);
  c.tied = !file.find("output.weight");
  c.qkv_bias = file.find("blk.0.attn_q.bias") || file.find("blk.0.attn_qkv.bias");
  c.o_bias = file.find("blk.0.attn_output.bias");
  c.mlp_bias = file.find("blk.0.ffn_up.bias");
  if (const std::string_view broken = first_broken_rule(c); !broken.empty())
    return fail(errc::invalid_format, text_of(broken, " (", keys.file(), ")"));
  LLAVA_CHECK(try_read_rope_divisors(file, c));
  d.text = c;
  d.text_family = architecture;
  d.text_activation = "silu";
  return {};
}

}  // namespace detail

LLAVA_END
