// SPDX-License-Identifier: Apache-2.0
/// Reads the configuration of a vision tower as transformers' CLIPVisionConfig and SiglipVisionConfig define it, and
/// which of its layers are features: one, or several side by side.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

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

/// A SigLIP tower has no class token and no norm before its layers, but a bias of the patches.
inline bool is_siglip(const vision_config& v) { return !v.class_token && !v.pre_norm && v.patch_bias; }

/// A CLIP tower has both, and no bias.
inline bool is_clip(const vision_config& v) { return v.class_token && v.pre_norm && !v.patch_bias; }

inline constexpr std::string_view published_siglip = "google/siglip-so400m-patch14-384";

/// Sets the numbers of a published tower that may be among a model's weights; false for any other name.
inline bool set_published_tower(std::string_view name, model_description& d) {
  vision_config& c = d.vision;
  const bool is_336 = name == "openai/clip-vit-large-patch14-336";
  if (is_336 || name == "openai/clip-vit-large-patch14") {
    d.vision_activation = "quick_gelu";
    c.image = is_336 ? 336 : 224;
    return true;
  }
  if (name != published_siglip) return false;
  c.hidden = 1152, c.ffn = 4304, c.layers = 27, c.heads = 16, c.image = 384, c.patch = 14, c.eps = 1e-6f;
  c.class_token = false, c.pre_norm = false, c.patch_bias = true;
  d.vision_activation = "gelu_pytorch_tanh";
  return true;
}

/// Reads vision_feature_layer of transformers' layout: a layer, or a list of layers.
inline result<void> try_read_feature_layers(const json_object& root, vision_config& c) {
  const char* key = "vision_feature_layer";
  const json_value* v = root.find(key);
  if (!v || !v->is_array()) return root.read(key, c.select_layer);
  const std::vector<json_value>& layers = v->items();
  const error wrong = root.wrong(key, text_of("a layer, or a list of 1 to ", 1 + layer_list::most, " layers"));
  if (layers.empty() || layers.size() > std::size_t{1 + layer_list::most}) return wrong;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto layer = layers[i].integer();
    if (!layer || *layer < INT32_MIN || *layer > INT32_MAX) return wrong;
    (i == 0 ? c.select_layer : c.more_layers.of[i - 1]) = static_cast<int>(*layer);
  }
  c.more_layers.count = static_cast<int>(layers.size()) - 1;
  return {};
}

/// Reads mm_vision_select_layer and mm_vision_select_feature. Two features of LLaVA-NeXT are of several layers:
/// slicefour_… of four, a quarter of the hidden states apart, the first mm_vision_select_layer behind a quarter;
/// slice_m25811_f6_… of −2, −5, −8, −11 and 6.
inline result<void> try_read_original_selection(const json_object& root, vision_config& c) {
  const char* key = "mm_vision_select_feature";
  std::string select = "patch";
  LLAVA_CHECK(root.read("mm_vision_select_layer", c.select_layer));
  LLAVA_CHECK(root.read(key, select));
  constexpr std::string_view four = "slicefour_", five = "slice_m25811_f6_";
  std::string_view which = select;
  const bool is_four = which.starts_with(four), is_five = which.starts_with(five);
  which.remove_prefix(is_four ? four.size() : is_five ? five.size() : 0);
  if (which != "patch" && which != "cls_patch")
    return root.unsupported(key, select, "patch or cls_patch, alone or behind slicefour_ or slice_m25811_f6_");
  c.select = which == "patch" ? feature_select::patch : feature_select::cls_patch;
  if (!c.class_token) {
    c.select_layer = -2;  // LLaVA-NeXT's program ignores both keys with SigLIP
  } else if (is_five) {
    c.select_layer = -2, c.more_layers = {4, {-5, -8, -11, 6}};
  } else if (is_four) {
    const std::int64_t states = std::int64_t{c.layers} + 1, step = states / 4, first = step + c.select_layer,
                       last = first + 3 * step;
    if (step < 1 || first < -states || last >= states || last + step < states)
      return root.unsupported(key, text_of(select, " of a tower with ", c.layers, " layers"),
                              "layers and a mm_vision_select_layer that make four slices");
    c.select_layer = static_cast<int>(first), c.more_layers.count = 3;
    for (int i = 0; i < 3; ++i) c.more_layers.of[i] = static_cast<int>(first + (i + 1) * step);
  }
  return {};
}

/// Reads the scales of S2, "336,672,1008" in any order. LLaVA-NeXT's program ignores them with SigLIP.
inline result<void> try_read_scales(const json_object& root, vision_config& c) {
  const char* key = "s2_scales";
  bool s2 = false;
  std::string text = "336,672,1008";
  LLAVA_CHECK(root.read("s2", s2));
  LLAVA_CHECK(root.read(key, text));
  if (!s2 || !c.class_token) return {};
  if (c.select == feature_select::cls_patch)
    return root.unsupported("mm_vision_select_feature", "cls_patch", "patch, with s2");
  const char *at = text.data(), *last = text.data() + text.size();
  for (bool more = true; more; ++c.scales.count) {
    const error wrong = root.wrong(key, text_of("1 to ", scale_list::most, " sides in pixels, separated by commas"));
    if (c.scales.count == scale_list::most) return wrong;
    while (at != last && *at == ' ') ++at;
    auto [end, failure] = std::from_chars(at, last, c.scales.of[c.scales.count]);
    while (end != last && *end == ' ') ++end;
    more = failure == std::errc() && end != last && *end == ',';
    if (failure != std::errc() || (end != last && !more)) return wrong;
    at = end + (more ? 1 : 0);
  }
  std::sort(c.scales.of, c.scales.of + c.scales.count);
  return {};
}

}  // namespace detail

LLAVA_END
