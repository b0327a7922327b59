// SPDX-License-Identifier: Apache-2.0
/// Reads how a config.json scales the rotary embedding, in the forms of transformers 4 (rope_theta, rope_scaling) and 5
/// (rope_parameters). Absent keys have transformers' defaults.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>

#include <llava/checkpoint/json.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {

/// The scaling of this name; none for any other.
inline rope_scaling rope_scaling_of(std::string_view type) {
  if (type == "linear") return rope_scaling::linear;
  if (type == "llama3") return rope_scaling::llama3;
  if (type == "dynamic") return rope_scaling::dynamic;
  if (type == "yarn") return rope_scaling::yarn;
  return type == "longrope" ? rope_scaling::longrope : rope_scaling::none;
}

/// Reads "short_factor": a number for each of the head_dim / 2 frequencies.
inline result<void> try_read_rope_factors(const json_object& rope, const text_config& c, rope_factors& to) {
  const json_value* list = rope.find("short_factor");
  const int count = c.head_dim / 2;
  const std::string expected = text_of("a list of head_dim / 2 (", count, ") positive numbers");
  if (!list || !list->is_array() || count > 256 || static_cast<int>(list->items().size()) != count)
    return rope.wrong("short_factor", expected);
  for (int i = 0; i < count; ++i) {
    const auto number = list->items()[static_cast<std::size_t>(i)].number();
    if (!number || !(*number > 0 && *number <= 1e6)) return rope.wrong("short_factor", expected);
    to.of[i] = static_cast<float>(*number);
  }
  return {};
}

/// Reads the factor of yarn's cosines and sines, or computes it from `factor`.
inline result<void> try_read_yarn(const json_object& rope, text_config& c) {
  float scale = 0.f, scale_all = 0.f;
  LLAVA_CHECK(rope.read("mscale", scale));
  LLAVA_CHECK(rope.read("mscale_all_dim", scale_all));
  const auto factor_of = [&](float s) { return c.rope_factor <= 1.f ? 1.f : 0.1f * s * std::log(c.rope_factor) + 1.f; };
  c.rope_attention = scale != 0.f && scale_all != 0.f ? factor_of(scale) / factor_of(scale_all) : factor_of(1.f);
  LLAVA_CHECK(rope.read("attention_factor", c.rope_attention));
  LLAVA_CHECK(rope.read("beta_fast", c.rope_beta_fast));
  LLAVA_CHECK(rope.read("beta_slow", c.rope_beta_slow));
  return rope.read("truncate", c.rope_truncate);
}

/// Reads the divisors of longrope, and the factor of its cosines and sines. The context ends where transformers would
/// change to the divisors for long sequences.
inline result<void> try_read_longrope(const json_object& rope, text_config& c) {
  LLAVA_CHECK(try_read_rope_factors(rope, c, c.rope_short));
  if (c.rope_original_context < 2) return rope.wrong("original_max_position_embeddings", "at least 2");
  const auto original = static_cast<float>(c.rope_original_context);
  float factor = static_cast<float>(c.context) / original;
  LLAVA_CHECK(rope.read("factor", factor));
  c.rope_attention = factor <= 1.f ? 1.f : std::sqrt(1.f + std::log(factor) / std::log(original));
  LLAVA_CHECK(rope.read("attention_factor", c.rope_attention));
  c.context = (std::min)(c.context, c.rope_original_context);
  return {};
}

/// Reads the numbers of a scaling; `o` is the configuration that holds it.
inline result<void> try_read_scaling(const json_object& o, const json_object& rope, text_config& c) {
  if (c.scaling != rope_scaling::linear && c.scaling != rope_scaling::dynamic) {
    c.rope_original_context = c.context;
    LLAVA_CHECK(rope.read("original_max_position_embeddings", c.rope_original_context));
    LLAVA_CHECK(o.read("original_max_position_embeddings", c.rope_original_context));
    if (c.rope_original_context < 1) return rope.wrong("original_max_position_embeddings", "at least 1");
  }
  if (c.scaling == rope_scaling::longrope) return try_read_longrope(rope, c);
  if (c.scaling == rope_scaling::yarn)
    c.rope_factor = static_cast<float>(c.context) / static_cast<float>(c.rope_original_context);
  else if (!rope.has("factor"))
    return rope.wrong("factor", "a number of at least 1");
  LLAVA_CHECK(rope.read("factor", c.rope_factor));
  if (c.scaling == rope_scaling::yarn) return try_read_yarn(rope, c);
  LLAVA_CHECK(rope.read("low_freq_factor", c.rope_low_frequency));
  return rope.read("high_freq_factor", c.rope_high_frequency);
}

/// `o`: the language model's configuration, whose context and head_dim are in `c`.
inline result<void> try_read_rope(const json_object& o, text_config& c) {
  LLAVA_CHECK(o.read("rope_theta", c.rope_theta));
  const int context = c.context;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    LLAVA_TRY(rope, o.object(key));
    if (rope.has("full_attention") || rope.has("sliding_attention"))
      return o.unsupported(key, "one for each kind of layer", "one for all layers");
    std::string type = "default";
    LLAVA_CHECK(rope.read("type", type));
    LLAVA_CHECK(rope.read("rope_type", type));
    LLAVA_CHECK(rope.read("rope_theta", c.rope_theta));
    if (type == "default") continue;
    c.scaling = rope_scaling_of(type);
    c.context = context;
    if (c.scaling == rope_scaling::none)
      return rope.unsupported("rope_type", type, "default, linear, dynamic, yarn, longrope or llama3");
    LLAVA_CHECK(try_read_scaling(o, rope, c));
  }
  return {};
}

}  // namespace detail

LLAVA_END
