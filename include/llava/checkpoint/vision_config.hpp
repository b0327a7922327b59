// SPDX-License-Identifier: Apache-2.0
/// Reads the numbers of a vision tower (transformers' CLIPVisionConfig and SiglipVisionConfig) and of its preprocessing
/// (preprocessor_config.json, or image_processor inside processor_config.json).
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

/// `o` is a vision config, by itself or inside another.
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
    return o.unsupported("model_type", type, "clip_vision_model, siglip_vision_model");
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

/// A size: 336, {"shortest_edge": 336} or {"height": 336, "width": 336}. `both` says which of the last two it was.
inline result<void> try_read_size(const json_object& o, const char* key, int& size, bool& both) {
  const json_value* v = o.find(key);
  if (!v) return {};
  if (v->whole()) return o.read(key, size);
  LLAVA_TRY(edges, o.object(key));
  if (edges.has("shortest_edge")) return edges.read("shortest_edge", size);
  int width = 0;
  LLAVA_CHECK(edges.read("height", size));
  LLAVA_CHECK(edges.read("width", width));
  if (width != size) return o.unsupported(key, text_of(width, " x ", size), "a square");
  both = true;
  return {};
}

inline result<void> try_read_image_config(const json_object& o, image_config& c) {
  bool resize_both = false, crop_both = false, crops = true, pads = false, works = true;
  LLAVA_CHECK(try_read_size(o, "size", c.resize, resize_both));
  c.crop = c.resize;
  LLAVA_CHECK(try_read_size(o, "crop_size", c.crop, crop_both));
  std::string type;
  LLAVA_CHECK(o.read("image_processor_type", type));
  if (type.rfind("Siglip", 0) == 0) crops = false;
  LLAVA_CHECK(o.read("do_center_crop", crops));
  LLAVA_CHECK(o.read("do_pad", pads));
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) {
    LLAVA_CHECK(o.read(key, works));
    if (!works) return o.unsupported(key, "false", "true");
  }
  c.shape = pads ? aspect::pad : resize_both && !crops ? aspect::stretch : aspect::crop;
  if (c.shape == aspect::crop && !crops)
    return o.unsupported("do_center_crop", "false", "true, or a size of both sides");
  int filter = 3;
  LLAVA_CHECK(o.read("resample", filter));
  if (filter != 3) return o.unsupported("resample", std::to_string(filter), "3 (bicubic)");
  LLAVA_CHECK(o.read("rescale_factor", c.rescale));
  for (const auto& [key, to] : {std::pair<const char*, float*>{"image_mean", c.mean}, {"image_std", c.std}}) {
    const json_value* v = o.find(key);
    if (!v) continue;
    if (v->items().size() != 3) return o.wrong(key, "three numbers");
    for (std::size_t i = 0; i < 3; ++i) {
      const auto number = v->items()[i].number();
      if (!number || !(*number >= -1e6 && *number <= 1e6)) return o.wrong(key, "three numbers");
      to[i] = static_cast<float>(*number);
    }
  }
  return {};
}

/// What a folder says about preprocessing; nothing when it says nothing.
inline result<void> try_read_preprocessing(const std::string& folder, image_config& c) {
  if (file_exists(folder + "/preprocessor_config.json")) {
    LLAVA_TRY(json, json_document::try_read(folder + "/preprocessor_config.json"));
    return try_read_image_config(json.root(), c);
  }
  if (file_exists(folder + "/processor_config.json")) {
    LLAVA_TRY(json, json_document::try_read(folder + "/processor_config.json"));
    if (!json.root().has("image_processor")) return {};
    LLAVA_TRY(inner, json.root().object("image_processor"));
    return try_read_image_config(inner, c);
  }
  return {};
}

}  // namespace detail

LLAVA_END
