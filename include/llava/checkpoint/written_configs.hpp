// SPDX-License-Identifier: Apache-2.0
/// The parts of config.json and preprocessor_config.json that every layout has, made from a model_description: the
/// inverse of text_config.hpp, rope_config.hpp, vision_config.hpp, image_processor.hpp and tiling.hpp. What they read
/// from these parts is the description again.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tiling.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN

namespace detail {

/// The scaling of the rotary embedding; null without one. The divisors of longrope are written for sequences of every
/// length, as a GGUF file means them.
inline json_value written_rope_scaling(const text_config& c) {
  json_value::object rope;
  const auto put_type = [&](const char* name) { set_member(rope, "type", name), set_member(rope, "rope_type", name); };
  switch (c.scaling) {
    case rope_scaling::none:
      return {};
    case rope_scaling::longrope: {
      json_value::array divisors;
      for (int i = 0; i < c.head_dim / 2; ++i) divisors.push_back(json_of(c.rope_short.of[i]));
      put_type("longrope");
      set_member(rope, "short_factor", json_value(divisors));
      set_member(rope, "long_factor", json_value(std::move(divisors)));
      set_member(rope, "attention_factor", c.rope_attention);
      set_member(rope, "original_max_position_embeddings", c.context);
      break;
    }
    case rope_scaling::linear:
      put_type("linear");
      break;
    case rope_scaling::dynamic:
      put_type("dynamic");
      break;
    case rope_scaling::llama3:
      put_type("llama3");
      set_member(rope, "low_freq_factor", c.rope_low_frequency);
      set_member(rope, "high_freq_factor", c.rope_high_frequency);
      break;
    case rope_scaling::yarn:
      put_type("yarn");
      set_member(rope, "beta_fast", c.rope_beta_fast);
      set_member(rope, "beta_slow", c.rope_beta_slow);
      set_member(rope, "truncate", c.rope_truncate);
      set_member(rope, "attention_factor", c.rope_attention);
      break;
  }
  set_member(rope, "factor", c.scaling == rope_scaling::longrope ? 1.f : c.rope_factor);
  if (c.scaling == rope_scaling::llama3 || c.scaling == rope_scaling::yarn)
    set_member(rope, "original_max_position_embeddings", c.rope_original_context);
  return json_value(std::move(rope));
}

/// Sets the numbers of a language model of the LLaMA family, with `vocab` rows of its tables.
inline void set_text_members(json_value::object& o, const model_description& d, int vocab) {
  const text_config& c = d.text;
  set_member(o, "vocab_size", vocab);
  set_member(o, "hidden_size", c.hidden);
  set_member(o, "intermediate_size", c.ffn);
  set_member(o, "num_hidden_layers", c.layers);
  set_member(o, "num_attention_heads", c.heads);
  set_member(o, "num_key_value_heads", c.kv_heads);
  if (c.head_dim * c.heads != c.hidden) set_member(o, "head_dim", c.head_dim);
  set_member(o, "hidden_act", d.text_activation);
  set_member(o, "max_position_embeddings", c.context);
  set_member(o, "rms_norm_eps", c.eps);
  set_member(o, "rope_theta", c.rope_theta);
  set_member(o, "rope_scaling", written_rope_scaling(c));
  set_member(o, "tie_word_embeddings", c.tied);
  if (d.text_family == "llama") {
    set_member(o, "attention_bias", c.qkv_bias);
    set_member(o, "mlp_bias", c.mlp_bias);
  } else {
    set_member(o, "sliding_window", c.window > 0 ? json_of(c.window) : json_value());
  }
  if (d.text_family == "qwen2") {
    set_member(o, "use_sliding_window", c.window > 0);
    set_member(o, "max_window_layers", c.window > 0 ? c.full_layers : c.layers);
  }
  if (d.bos >= 0) set_member(o, "bos_token_id", d.bos);
  if (d.eos.size() == 1) set_member(o, "eos_token_id", d.eos.front());
}

/// The numbers of a CLIP or SigLIP tower. `has_head`: SigLIP's head, which makes no features, is among its weights.
inline json_value::object written_vision_config(const model_description& d, bool has_head) {
  const vision_config& c = d.vision;
  json_value::object o;
  const bool siglip = is_siglip(c);
  set_member(o, "model_type", siglip ? "siglip_vision_model" : "clip_vision_model");
  if (siglip) set_member(o, "vision_use_head", has_head);
  set_member(o, "hidden_size", c.hidden);
  set_member(o, "intermediate_size", c.ffn);
  set_member(o, "num_hidden_layers", c.layers);
  set_member(o, "num_attention_heads", c.heads);
  set_member(o, "num_channels", 3);
  set_member(o, "image_size", c.image);
  set_member(o, "patch_size", c.patch);
  set_member(o, "hidden_act", d.vision_activation);
  set_member(o, "layer_norm_eps", c.eps);
  return o;
}

/// The canvases of any resolution, as pairs.
inline json_value written_canvases(const tiling_config& c, bool width_first) {
  json_value::array list;
  for (int i = 0; i < c.count; ++i) {
    const canvas_size s = c.canvases[i];
    list.push_back(json_list(width_first ? s.width : s.height, width_first ? s.height : s.width));
  }
  return json_value(std::move(list));
}

/// The settings of image processor `type`, which is CLIP's, one derived from it, or SigLIP's, which does not crop.
inline json_value::object written_image_processor(const image_config& c, std::string_view type) {
  json_value::object o, size, crop;
  json_value::array mean, std;
  for (const double x : c.mean) mean.push_back(json_of(x));
  for (const double x : c.std) std.push_back(json_of(x));
  set_member(o, "image_processor_type", type);
  set_member(o, "do_convert_rgb", true);
  set_member(o, "do_resize", c.resize > 0);
  if (c.shape == aspect::stretch) set_member(size, "height", c.resize), set_member(size, "width", c.resize);
  if (c.shape != aspect::stretch) set_member(size, "shortest_edge", c.resize);
  if (c.resize > 0) set_member(o, "size", json_value(std::move(size)));
  set_member(o, "resample", static_cast<int>(c.filter));
  if (type != "SiglipImageProcessor") {
    set_member(o, "do_center_crop", true);
    set_member(crop, "height", c.crop), set_member(crop, "width", c.crop);
    set_member(o, "crop_size", json_value(std::move(crop)));
  }
  set_member(o, "do_rescale", true);
  set_member(o, "rescale_factor", c.rescale);
  set_member(o, "do_normalize", c.normalise);
  set_member(o, "image_mean", json_value(std::move(mean)));
  set_member(o, "image_std", json_value(std::move(std)));
  return o;
}

}  // namespace detail

LLAVA_END
