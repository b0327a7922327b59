// SPDX-License-Identifier: Apache-2.0
/// LLaVA-1.5 with S2 (Shi et al. 2024): CLIP ViT-L/14 sees an image at 336, 672 and 1008 pixels.
#pragma once
#include <llava/config.hpp>
#include <llava/models/llava_1_5.hpp>
#include <llava/text/of_checkpoint.hpp>
#include <llava/vision/s2.hpp>

LLAVA_BEGIN

/// The model of bfshi/llava-v1.5-7b-s2-lora with its base.
struct llava_1_5_s2_7b : llava_1_5_7b {
  static constexpr auto vision = with(llava_1_5_7b::vision, [](vision_config& c) { c.scales = {3, {336, 672, 1008}}; });
  static constexpr auto projection =
      with(llava_1_5_7b::projection, [](projector_config& c) { c.vision_hidden = 3 * 1024; });
  using tower = s2_tower;
  using conversation = of_checkpoint<llava_v1>;
};

/// The model of bfshi/llava-v1.5-13b-s2-lora with its base.
struct llava_1_5_s2_13b : llava_1_5_13b {
  static constexpr auto vision = llava_1_5_s2_7b::vision;
  static constexpr auto projection =
      with(llava_1_5_13b::projection, [](projector_config& c) { c.vision_hidden = 3 * 1024; });
  using tower = s2_tower;
  using conversation = of_checkpoint<llava_v1>;
};

LLAVA_END
