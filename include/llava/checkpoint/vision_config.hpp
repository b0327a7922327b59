// SPDX-License-Identifier: Apache-2.0
/// Reads the configuration of a vision tower as transformers' CLIPVisionConfig and SiglipVisionConfig define it.
#pragma once
#include <string>

#include <sys/stat.h>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

inline bool file_exists(const std::string& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) == 0;
}

/// `o`: a vision configuration, by itself or inside another configuration.
inline result<void> try_read_vision_config(const json_object& o, model_description& d) {
  std::string type = "clip_vision_model";
  LLAVA_CHECK(o.read("model_type", type));
  vision_config& c = d.vision;
  c.hidden = 768, c.ffn = 3072, c.layers = 12, c.heads = 12, c.image = 224, c.patch = 32;
  d.vision_activation = "quick_gelu";
  if (type == "siglip_vision_model") {
    c.patch = 16, c.eps = 1e-6f, c.class_token = false, c.pre_norm = false, c.patch_bias = true;
    d.vision_activation = "gelu_pytorch_tanh";
  } else if (type != "clip_vision_model") {
    return o.unsupported("model_type", type, "clip_vision_model or siglip_vision_model");
  }
  LLAVA_CHECK(o.read("hidden_size", c.hidden));
  LLAVA_CHECK(o.read("intermediate_size", c.ffn));
  LLAVA_CHECK(o.read("num_hidden_layers", c.layers));
  LLAVA_CHECK(o.read("num_attention_heads", c.heads));
  LLAVA_CHECK(o.read("image_size", c.image));
  LLAVA_CHECK(o.read("patch_size", c.patch));
  LLAVA_CHECK(o.read("layer_norm_eps", c.eps));
  LLAVA_CHECK(o.read("hidden_act", d.vision_activation));
  int channels = 3;
  LLAVA_CHECK(o.read("num_channels", channels));
  if (channels != 3) return o.unsupported("num_channels", std::to_string(channels), "3");
  return {};
}

}  // namespace detail

LLAVA_END
