// SPDX-License-Identifier: Apache-2.0
/// LLaVA-1.5 (Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning"): CLIP ViT-L/14 at 336 pixels, a
/// two-layer projector, Vicuna v1.5.
#pragma once
#include <llava/config.hpp>
#include <llava/llm/llama_decoder.hpp>
#include <llava/ops/activation.hpp>
#include <llava/projector/mlp_gelu.hpp>
#include <llava/text/of_checkpoint.hpp>
#include <llava/vision/vit.hpp>

LLAVA_BEGIN

/// The model of liuhaotian/llava-v1.5-7b and llava-hf/llava-1.5-7b-hf.
struct llava_1_5_7b {
  static constexpr vision_config vision{};
  static constexpr text_config text{};
  static constexpr projector_config projection{};
  using tower = clip_tower;
  using projector = mlp_gelu;
  using decoder = llama_decoder;
  using vision_activation = quick_gelu;
  using text_activation = silu;
  using conversation = of_checkpoint<vicuna_v1>;
};

/// The model of liuhaotian/llava-v1.5-13b and llava-hf/llava-1.5-13b-hf.
struct llava_1_5_13b : llava_1_5_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.hidden = 5120;
    c.layers = 40;
    c.heads = c.kv_heads = 40;
    c.ffn = 13824;
  });
  static constexpr auto projection = with(llava_1_5_7b::projection, [](projector_config& c) { c.hidden = 5120; });
};

LLAVA_END
