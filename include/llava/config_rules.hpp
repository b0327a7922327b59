// SPDX-License-Identifier: Apache-2.0
/// The rules of a model's configuration. `first_broken_rule(config)` is the sentence of a static_assert for a fixed
/// configuration and of an error for a loaded one.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace rules {
constexpr bool are_rope_factors(const rope_factors& f, int count) {
  bool all = true;
  for (int i = 0; i < count && i < 256; ++i) all = all && f.of[i] >= 1e-6f && f.of[i] <= 1e6f;
  return all;
}

/// Whether every selected layer has a hidden state. vision_layers holds.
constexpr bool layers_hold(const vision_config& c) {
  bool all = c.more_layers.count >= 0 && c.more_layers.count <= layer_list::most;
  for (int i = 0; all && i < c.selected(); ++i) {
    const int layer = i == 0 ? c.select_layer : c.more_layers.of[i - 1];
    all = layer >= -1 - c.layers && layer <= c.layers;
  }
  return all;
}

/// Whether the scales ascend from the tower's side by whole multiples of it, up to 8.
constexpr bool scales_hold(const vision_config& c) {
  if (c.scales.count < 0 || c.scales.count > scale_list::most) return false;
  bool all = c.scales.count == 0 || c.scales.of[0] == c.image;
  for (int i = 1; all && i < c.scales.count; ++i)
    all = c.scales.of[i] > c.scales.of[i - 1] && c.scales.of[i] % c.image == 0 && c.scales.of[i] / c.image <= 8;
  return all && (c.scales.count == 0 || c.input() <= 16384);
}

/// Whether every canvas is made of whole tiles. image_crop and image_canvases hold.
constexpr bool tiles_hold(const image_config& c) {
  for (int i = 0; i < c.tiling.count; ++i) {
    const auto [width, height] = c.tiling.canvases[i];
    if (width < c.crop || height < c.crop || width > 16384 || height > 16384) return false;
    if (width % c.crop != 0 || height % c.crop != 0) return false;
    if ((width / c.crop) * (height / c.crop) > tiling_config::most_tiles) return false;
  }
  return true;
}

/// Whether the one canvas of an image that is padded or cut off can be merged. LLaVA-NeXT assumes 2 × 2 tiles then.
constexpr bool fit_holds(const image_config& c) {
  const tiling_config& t = c.tiling;
  if (t.count == 0 || t.fit == canvas_fit::contain) return true;
  const auto [width, height] = t.canvases[0];
  return t.count == 1 && width == height &&
         (t.merge == tile_merge::flat || (t.fit == canvas_fit::pad && width == 2 * c.crop));
}

LLAVA_RULE(vision_image, vision_config, "llava: vision.image must be between 1 and 16384 pixels",
           c.image > 0 && c.image <= 16384);
LLAVA_RULE(vision_patch, vision_config, "llava: vision.patch must be between 1 and vision.image pixels",
           c.patch > 0 && c.patch <= c.image);
LLAVA_RULE(vision_hidden, vision_config, "llava: vision.hidden must be between 1 and 65536",
           c.hidden > 0 && c.hidden <= 65536);
LLAVA_RULE(vision_heads, vision_config,
           "llava: vision.hidden must be a multiple of vision.heads, by a factor of at most 512",
           c.heads > 0 && c.hidden % c.heads == 0 && c.hidden / c.heads <= 512);
LLAVA_RULE(vision_layers, vision_config, "llava: vision.layers must be between 1 and 1024",
           c.layers > 0 && c.layers <= 1024);
LLAVA_RULE(vision_ffn, vision_config, "llava: vision.ffn must be between 1 and 1048576", c.ffn > 0 && c.ffn <= 1048576);
LLAVA_RULE(vision_eps, vision_config, "llava: vision.eps must lie between 0 and 1", c.eps > 0.f && c.eps < 1.f);
LLAVA_RULE(vision_select_layer, vision_config,
           "llava: vision.select_layer must index a hidden state of the tower, and so must at most 15 more_layers",
           layers_hold(c));
LLAVA_RULE(vision_scales, vision_config,
           "llava: vision.scales must be at most 4 sides that ascend from vision.image, in multiples of it up to 8",
           scales_hold(c));

LLAVA_RULE(text_vocab, text_config, "llava: text.vocab must be between 1 and 16777216",
           c.vocab > 0 && c.vocab <= 16777216);
LLAVA_RULE(text_hidden, text_config, "llava: text.hidden must be between 1 and 131072",
           c.hidden > 0 && c.hidden <= 131072);
LLAVA_RULE(text_layers, text_config, "llava: text.layers must be between 1 and 1024", c.layers > 0 && c.layers <= 1024);
LLAVA_RULE(text_heads, text_config, "llava: text.heads must be between 1 and 4096", c.heads > 0 && c.heads <= 4096);
LLAVA_RULE(text_kv_heads, text_config,
           "llava: text.heads must be a multiple of text.kv_heads (grouped-query attention)",
           c.kv_heads > 0 && c.heads % c.kv_heads == 0);
LLAVA_RULE(text_head_dim, text_config,
           "llava: text.head_dim must be even and at most 512 (rotary embedding turns pairs)",
           c.head_dim > 0 && c.head_dim % 2 == 0 && c.head_dim <= 512);
LLAVA_RULE(text_ffn, text_config, "llava: text.ffn must be between 1 and 1048576", c.ffn > 0 && c.ffn <= 1048576);
LLAVA_RULE(text_context, text_config, "llava: text.context must be between 1 and 16777216",
           c.context > 0 && c.context <= 16777216);
LLAVA_RULE(text_eps, text_config, "llava: text.eps must lie between 0 and 1", c.eps > 0.f && c.eps < 1.f);
LLAVA_RULE(text_rope_theta, text_config, "llava: text.rope_theta must be between 1 and 1e30",
           c.rope_theta >= 1.f && c.rope_theta <= 1e30f);
LLAVA_RULE(text_rope_factor, text_config, "llava: text.rope_factor must be between 1 and 1e6",
           c.rope_factor >= 1.f && c.rope_factor <= 1e6f);
LLAVA_RULE(text_rope_frequencies, text_config,
           "llava: text.rope_high_frequency must exceed text.rope_low_frequency (llama3 scaling)",
           c.scaling != rope_scaling::llama3 || (c.rope_high_frequency > c.rope_low_frequency &&
                                                 c.rope_low_frequency > 0.f && c.rope_original_context > 0));
LLAVA_RULE(text_rope_yarn, text_config,
           "llava: text.rope_theta must exceed 1, and text.rope_original_context, text.rope_beta_fast and "
           "text.rope_beta_slow must be positive (yarn scaling)",
           c.scaling != rope_scaling::yarn ||
               (c.rope_theta > 1.f && c.rope_original_context > 0 && c.rope_beta_fast > 0.f && c.rope_beta_slow > 0.f));
LLAVA_RULE(text_rope_attention, text_config, "llava: text.rope_attention must be between 0.01 and 100",
           c.rope_attention >= 0.01f && c.rope_attention <= 100.f);
LLAVA_RULE(text_rope_short, text_config,
           "llava: text.rope_short must have head_dim / 2 numbers between 1e-6 and 1e6 (longrope scaling)",
           c.scaling != rope_scaling::longrope || are_rope_factors(c.rope_short, c.head_dim / 2));
LLAVA_RULE(text_window, text_config, "llava: text.window and text.full_layers must not be negative",
           c.window >= 0 && c.full_layers >= 0);
LLAVA_RULE(text_alibi, text_config, "llava: text.alibi must be between 0 (no ALiBi) and 64",
           c.alibi >= 0.f && c.alibi <= 64.f);

LLAVA_RULE(image_resize, image_config, "llava: image.resize must be between 0 (no resize) and 16384 pixels",
           c.resize >= 0 && c.resize <= 16384);
LLAVA_RULE(image_crop, image_config, "llava: image.crop must be between 1 and 16384 pixels",
           c.crop > 0 && c.crop <= 16384);
LLAVA_RULE(image_std, image_config, "llava: image.std must be positive", c.std[0] > 0 && c.std[1] > 0 && c.std[2] > 0);
LLAVA_RULE(image_filter, image_config, "llava: image.filter must be lanczos, bilinear or bicubic",
           c.filter == resampling::lanczos || c.filter == resampling::bilinear || c.filter == resampling::bicubic);
LLAVA_RULE(image_canvases, image_config, "llava: image.tiling.count must be between 0 (one square) and 64 canvases",
           c.tiling.count >= 0 && c.tiling.count <= tiling_config::most_canvases);
LLAVA_RULE(image_tiles, image_config,
           "llava: the sides of a canvas of image.tiling must be multiples of image.crop, at most 16384 pixels, and "
           "hold at most 256 tiles",
           tiles_hold(c));
LLAVA_RULE(image_shrinks_to, image_config, "llava: image.tiling.shrinks_to must be between 0 (never) and 256 squares",
           c.tiling.shrinks_to >= 0 && c.tiling.shrinks_to <= 256);
LLAVA_RULE(image_fit, image_config,
           "llava: image.tiling must have one canvas, a square, if its fit is pad or cover; its merge must be flat, "
           "unless its fit is pad and the canvas has 2 x 2 tiles",
           fit_holds(c));
LLAVA_RULE(image_tiled_size, image_config, "llava: image.resize must equal image.crop for any resolution",
           c.tiling.count == 0 || c.resize == c.crop);

LLAVA_RULE(video_stride, video_config, "llava: video.pool_stride must be between 1 and 1024",
           c.pool_stride > 0 && c.pool_stride <= 1024);

LLAVA_RULE(projector_widths, projector_config, "llava: the projector's widths must be between 1 and 131072",
           c.vision_hidden > 0 && c.vision_hidden <= 131072 && c.hidden > 0 && c.hidden <= 131072);
LLAVA_RULE(projector_depth, projector_config, "llava: projector.depth must be between 1 and 16 (mlpNx_gelu)",
           c.depth >= 1 && c.depth <= 16);
LLAVA_RULE(projector_blocks, projector_config, "llava: projector.blocks must be between 0 and 16 (mlpNx_resMx_gelu)",
           c.blocks >= 0 && c.blocks <= 16);

/// Rules, in the order in which they are checked.
template <class... Rules>
struct list {
  /// Returns the sentence of the first rule that c breaks, or an empty text.
  template <class Config>
  static constexpr std::string_view first_broken(const Config& c) {
    std::string_view sentence;
    static_cast<void>(((Rules::holds(c) ? true : (sentence = Rules::sentence, false)) && ...));
    return sentence;
  }
};
using of_vision = list<vision_image, vision_patch, vision_hidden, vision_heads, vision_layers, vision_ffn, vision_eps,
                       vision_select_layer, vision_scales>;
using of_text = list<text_vocab, text_hidden, text_layers, text_heads, text_kv_heads, text_head_dim, text_ffn,
                     text_context, text_eps, text_rope_theta, text_rope_factor, text_rope_frequencies, text_rope_yarn,
                     text_rope_attention, text_rope_short, text_window, text_alibi>;
using of_image = list<image_resize, image_crop, image_std, image_filter, image_canvases, image_tiles, image_shrinks_to,
                      image_fit, image_tiled_size>;
using of_video = list<video_stride>;
using of_projector = list<projector_widths, projector_depth, projector_blocks>;

/// Fails one static_assert, for the first rule that *C breaks.
template <auto* C, class First, class... Rest>
constexpr bool require(list<First, Rest...>) {
  if constexpr (!First::holds(*C))
    return First::template require<C>();
  else if constexpr (sizeof...(Rest) > 0)
    return require<C>(list<Rest...>{});
  else
    return true;
}
}  // namespace rules

/// @name Rules
/// Each returns the sentence of the first rule that `config` breaks, or an empty text.
/// @{

/// For the vision tower.
constexpr std::string_view first_broken_rule(const vision_config& c) { return rules::of_vision::first_broken(c); }
/// For the language model.
constexpr std::string_view first_broken_rule(const text_config& c) { return rules::of_text::first_broken(c); }
/// For preprocessing.
constexpr std::string_view first_broken_rule(const image_config& c) { return rules::of_image::first_broken(c); }
/// For video.
constexpr std::string_view first_broken_rule(const video_config& c) { return rules::of_video::first_broken(c); }
/// For the projector.
constexpr std::string_view first_broken_rule(const projector_config& c) { return rules::of_projector::first_broken(c); }
/// @}

LLAVA_END
