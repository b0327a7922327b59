// SPDX-License-Identifier: Apache-2.0
/// Describes the vision tower and the projector of an mmproj, the second GGUF file of a LLaVA model: the keys `clip.…`,
/// and what only its tensors show. Older converters wrote the layers that run and no others, newer ones state them.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/image_processor.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tiling.hpp>
#include <llava/checkpoint/vision_config.hpp>

LLAVA_BEGIN

namespace detail {

/// Reads which layers run. `v.layers` is the number of layers in the file. The outputs of several layers stand side by
/// side, in ascending order of the layers.
inline result<void> try_read_feature_layer(const gguf_file& file, vision_config& v) {
  const std::string_view key = "clip.vision.feature_layer";
  const gguf_value* list = file.keys().find(key);
  const int stored = v.layers, most = 1 + layer_list::most;
  int run = stored;  // the last layer of CLIP is not in older files
  if (file.find("v.post_ln.weight")) run = stored - 1;
  if (list && (list->size() < 1 || list->size() > static_cast<std::size_t>(most)))
    return file.keys().unsupported(key, text_of(list->size(), " layers"), text_of("1 to ", most, " layers"));
  std::vector<int> states{run};
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    const auto state = list->integer(i);
    if (!state || *state < 0 || *state > stored || (i > 0 && *state <= states.back()))
      return file.keys().wrong(key, text_of("0 to ", stored, ", the layers in this file, in ascending order"));
    if (i == 0) states.clear();
    states.push_back(static_cast<int>(*state));
  }
  // The description of the original model where the file allows it: all layers, and the last but one selected.
  v.layers = (std::max)(stored, states.back() + 1);
  v.select_layer = states.size() == 1 && v.layers == states[0] + 1 ? -2 : states[0];
  for (std::size_t i = 1; i < states.size(); ++i) v.more_layers.of[v.more_layers.count++] = states[i];
  return {};
}

/// Reads three numbers, one a channel. A number that is `to` in f32 stays as it is.
inline result<void> try_read_channels(const gguf_keys& keys, std::string_view key, double (&to)[3]) {
  const gguf_value* v = keys.find(key);
  if (!v) return keys.missing(key);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto number = v->size() == 3 ? v->number(i) : std::nullopt;
    if (!number || !(*number >= -1e6 && *number <= 1e6)) return keys.wrong(key, "three numbers");
    if (static_cast<double>(static_cast<float>(to[i])) != *number) to[i] = *number;
  }
  return {};
}

/// Reads how an image is cut into squares and how their tokens are merged. A file with canvases is of any resolution.
inline result<void> try_read_any_resolution(const gguf_keys& keys, image_config& c) {
  const char *canvases = "clip.vision.image_grid_pinpoints", *merge_key = "clip.vision.mm_patch_merge_type";
  std::string merge = "flat", shape;
  LLAVA_CHECK(keys.read(merge_key, merge));
  LLAVA_CHECK(keys.read("clip.vision.image_aspect_ratio", shape));
  const gguf_value* pairs = keys.find(canvases);
  if (!pairs) {
    if (shape.starts_with("anyres")) return keys.missing(canvases);
    if (merge != "flat") return keys.unsupported(merge_key, text_of(merge, " without canvases"), "flat");
    return {};
  }
  const error wrong = keys.wrong(canvases, text_of("1 to ", tiling_config::most_canvases,
                                                   " pairs of a width and a height in pixels, one after another"));
  const std::size_t count = pairs->size() / 2;
  if (pairs->size() % 2 != 0 || count < 1 || count > std::size_t{tiling_config::most_canvases}) return wrong;
  for (std::size_t i = 0; i < count; ++i) {
    const auto width = pairs->integer(2 * i), height = pairs->integer(2 * i + 1);
    if (!width || !height || *width < 1 || *height < 1 || *width > INT32_MAX || *height > INT32_MAX) return wrong;
    c.tiling.canvases[c.tiling.count++] = {static_cast<int>(*width), static_cast<int>(*height)};
  }
  c.filter = resampling::bicubic;
  return try_read_merge(keys, merge_key, merge, c.tiling);
}

/// Reads the projector: mm.0, mm.2, … are an MLP, mm.0 alone or mm is linear.
inline result<void> try_read_projector(const gguf_file& file, model_description& d) {
  std::string type = "mlp";
  LLAVA_CHECK(file.keys().read("clip.projector_type", type));
  if (type != "mlp") return file.keys().unsupported("clip.projector_type", type, "mlp");
  int depth = 0;
  while (file.find(text_of("mm.", 2 * depth, ".weight"))) ++depth;
  const bool is_one = file.find("mm.weight") != nullptr;
  if ((depth > 0) == is_one)
    return fail(errc::invalid_format, text_of("llava: ", file.keys().file(), " has no projector mm.0.weight"));
  d.projector.depth = is_one ? 1 : depth;
  d.projector_type = d.projector.depth == 1 ? "linear" : "mlp_gelu";
  d.projector.bias = file.find(is_one ? "mm.bias" : "mm.0.bias") != nullptr;
  d.projector.vision_hidden = d.vision.feature_width();
  d.projector.hidden = d.text.hidden;
  return {};
}

/// Reads how an image comes into a square: padded, or cut (CLIP) or stretched (SigLIP), which LLaVA calls "square".
inline result<void> try_read_shape(const gguf_keys& keys, bool siglip, image_config& c) {
  std::string shape;
  LLAVA_CHECK(keys.read("clip.vision.image_aspect_ratio", shape));
  if (shape == "pad" || (!siglip && shape != "square")) c.shape = aspect::pad;
  return {};
}

/// Sets d.vision, d.image and d.projector; d.text and d.prompt are known.
inline result<void> try_describe_vision(const gguf_file& file, model_description& d) {
  const gguf_keys& keys = file.keys();
  vision_config v;
  bool has_vision = false, gelu = false, silu = false;
  LLAVA_CHECK(keys.require("clip.has_vision_encoder", has_vision));
  if (!has_vision) return keys.unsupported("clip.has_vision_encoder", "false", "true");
  LLAVA_CHECK(keys.require("clip.vision.image_size", v.image));
  LLAVA_CHECK(keys.require("clip.vision.patch_size", v.patch));
  LLAVA_CHECK(keys.require("clip.vision.embedding_length", v.hidden));
  LLAVA_CHECK(keys.require("clip.vision.feed_forward_length", v.ffn));
  LLAVA_CHECK(keys.require("clip.vision.attention.head_count", v.heads));
  LLAVA_CHECK(keys.require("clip.vision.block_count", v.layers));
  LLAVA_CHECK(keys.require("clip.vision.attention.layer_norm_epsilon", v.eps));
  if (v.layers < 1 || v.layers > 512) return keys.wrong("clip.vision.block_count", "1 to 512");
  v.class_token = file.find("v.class_embd") != nullptr;
  v.pre_norm = file.find("v.pre_ln.weight") != nullptr;
  v.patch_bias = file.find("v.patch_embd.bias") != nullptr;
  v.select = feature_select::patch;
  LLAVA_CHECK(try_read_feature_layer(file, v));
  LLAVA_CHECK(keys.read("clip.use_gelu", gelu));
  LLAVA_CHECK(keys.read("clip.use_silu", silu));
  if (silu && !is_siglip(v)) return keys.unsupported("clip.use_silu", "true", "false");
  d.vision_activation = is_siglip(v) ? "gelu_pytorch_tanh" : gelu ? "gelu" : "quick_gelu";
  d.vision = v;
  d.has_vision = true;
  default_preprocessing(is_siglip(v), v.image, d.image);
  LLAVA_CHECK(try_read_shape(keys, is_siglip(v), d.image));
  const bool by_processor = d.prompt == prompt_rule::processor;
  if (!by_processor) d.image.pillow = 12;  // as for original folders
  LLAVA_CHECK(try_read_channels(keys, "clip.vision.image_mean", d.image.mean));
  LLAVA_CHECK(try_read_channels(keys, "clip.vision.image_std", d.image.std));
  LLAVA_CHECK(try_read_any_resolution(keys, d.image));
  if (by_processor && d.image.tiling.count > 0) d.image.tiling.rounds_to_zero = false;
  return try_read_projector(file, d);
}

}  // namespace detail

LLAVA_END
