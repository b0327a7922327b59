// SPDX-License-Identifier: Apache-2.0
/// Reads how a model makes image tokens of a video: the keys mm_spatial_pool_… of LLaVA-NeXT's config.json, and
/// spatial_pool_… of transformers' LlavaNextVideoConfig. A model of LLaVA-NeXT takes videos if it states the mode.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

/// Finds the value that a key names.
template <class T>
result<void> try_read_named(const json_object& o, const char* key, std::string_view usual,
                            std::initializer_list<std::pair<std::string_view, T>> values, T& to) {
  std::string name(usual), known;
  LLAVA_CHECK(o.read(key, name));
  for (const auto& [one, value] : values) {
    if (one == name) {
      to = value;
      return {};
    }
    (known += known.empty() ? "" : ", ") += one;
  }
  return o.unsupported(key, name, text_of("one of ", known));
}

/// Reads the keys of LLaVA-NeXT. Its program pools with a stride of 2, whatever mm_spatial_pool_stride is. A merge
/// without `unpad` has no newline. d.image is known.
inline result<void> try_read_original_video(const json_object& root, model_description& d) {
  if (!root.has("mm_spatial_pool_mode")) return {};
  video_config& c = d.video;
  LLAVA_CHECK(try_read_named(root, "mm_spatial_pool_mode", "",
                             {std::pair<std::string_view, spatial_pool>{"average", spatial_pool::average},
                              {"max", spatial_pool::max},
                              {"bilinear", spatial_pool::bilinear}},
                             c.pool_mode));
  using where = newline_position;
  LLAVA_CHECK(try_read_named(root, "mm_newline_position", "one_token",
                             {std::pair<std::string_view, where>{"one_token", where::one_token},
                              {"grid", where::grid},
                              {"frame", where::frame},
                              {"no_token", where::no_token}},
                             c.newline));
  const tiling_config& t = d.image.tiling;
  if (t.merge != tile_merge::flat && !t.has_newline() && (c.newline == where::grid || c.newline == where::frame))
    return root.unsupported("mm_newline_position", c.newline == where::grid ? "grid" : "frame",
                            "one_token or no_token, because mm_patch_merge_type has no newline (unpad)");
  if (!t.has_newline()) c.newline = where::no_token;
  bool faster = false;
  LLAVA_CHECK(root.read("add_faster_video", faster));
  if (faster) return root.unsupported("add_faster_video", "true", "false");
  LLAVA_CHECK(root.read("force_sample", c.force_sample));
  LLAVA_CHECK(root.read("add_time_instruction", c.time_instruction));
  d.has_video = true;
  return {};
}

/// Reads the keys of transformers' llava_next_video.
inline result<void> try_read_llava_next_video(const json_object& root, model_description& d) {
  LLAVA_CHECK(try_read_named(
      root, "spatial_pool_mode", "average",
      {std::pair<std::string_view, spatial_pool>{"average", spatial_pool::average}, {"max", spatial_pool::max}},
      d.video.pool_mode));
  LLAVA_CHECK(root.read("spatial_pool_stride", d.video.pool_stride));
  d.video.newline = newline_position::no_token;
  d.video.pools_features = true;
  d.video_token = 32000;
  LLAVA_CHECK(root.read("video_token_index", d.video_token));
  LLAVA_CHECK(root.read("video_token_id", d.video_token));
  d.has_video = true;
  return {};
}

}  // namespace detail

LLAVA_END
