// SPDX-License-Identifier: Apache-2.0
/// Models that others trained in LLaVA's architecture: LLaVA-RLHF (Sun et al. 2023), LLaVA-Med v1.5 (Li et al. 2023),
/// BakLLaVA.
#pragma once
#include <llava/config.hpp>
#include <llava/models/llava_1_5.hpp>
#include <llava/projector/linear.hpp>
#include <llava/text/of_checkpoint.hpp>

LLAVA_BEGIN

/// The folder `sft_model` of LLaVA-RLHF-7b-v1.5-224. Its other folder holds an adapter for it.
struct llava_rlhf_7b : llava_1_5_7b {
  static constexpr auto vision = with(llava_1_5_7b::vision, [](vision_config& c) { c.image = 224; });
  static constexpr auto projection = with(llava_1_5_7b::projection, [](projector_config& c) { c.depth = 1; });
  using projector = linear_projector;
  using conversation = of_checkpoint<llava_v1>;
};
/// The folder `sft_model` of LLaVA-RLHF-13b-v1.5-336.
struct llava_rlhf_13b : llava_1_5_13b {
  static constexpr auto projection = with(llava_1_5_13b::projection, [](projector_config& c) { c.depth = 1; });
  using projector = linear_projector;
  using conversation = of_checkpoint<llava_v1>;
};

/// llava-med-v1.5-mistral-7b, on Mistral-7B-Instruct-v0.2.
struct llava_med_1_5_7b : llava_1_5_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.kv_heads = 8, c.ffn = 14336, c.context = 32768, c.rope_theta = 1e6f;
  });
  using conversation = of_checkpoint<mistral_instruct>;
};

/// BakLLaVA-1, on Mistral-7B v0.1, which has a sliding window.
struct bakllava_7b : llava_1_5_7b {
  static constexpr auto text = with(
      llava_1_5_7b::text, [](text_config& c) { c.kv_heads = 8, c.ffn = 14336, c.context = 32768, c.window = 4096; });
  using conversation = of_checkpoint<llava_v1>;
};

LLAVA_END
