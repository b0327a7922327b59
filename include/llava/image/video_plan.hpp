// SPDX-License-Identifier: Apache-2.0
/// video_plan: how the frames of a video become image tokens. Each frame is one square, whose map of g × g rows is
/// pooled; newlines stand where video_config says. Pooling is one gather a frame, as the merge of an image's tiles is:
/// of mean or largest values of blocks, or interpolated. Source: LLaVA-NeXT (llava_arch.py), transformers'
/// LlavaNextVideo, which pools features in place of image tokens.
#pragma once
#include <llava/base/error.hpp>
#include <llava/config.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>

LLAVA_BEGIN

/// How the frames of a video become image tokens.
struct video_plan {
  int frames = 0;
  image_plan frame;              ///< of each frame: rows of [the frame's map; newline]
  bool ends_in_newline = false;  ///< one newline follows the last frame
  int tokens = 0;                ///< of the video; before a projector, if it takes pooled features
};

/// Plans a video. `rows`: of the map of one frame, g · g. Errors: no frame or too many; a map that is no square grid or
/// smaller than one block; too many tokens.
LLAVA_INLINE result<video_plan> try_plan_video(const video_config& c, int rows, int frames);

/// The preprocessing of frames: that of the tower's processor for images of one square, without LLaVA's padding.
constexpr image_config config_of_frames(image_config c) {
  if (c.tiling.fit == canvas_fit::cover) c.filter = resampling::bicubic;  // lanczos is that of crop_split
  c.tiling = {};
  if (c.shape == aspect::pad) c.shape = aspect::crop;
  return c;
}

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/image/video_plan_inl.hpp>
#endif
