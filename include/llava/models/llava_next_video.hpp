// SPDX-License-Identifier: Apache-2.0
/// LLaVA-NeXT-Video (Zhang et al. 2024, "LLaVA-NeXT: A Strong Zero-shot Video Understanding Model"): LLaVA-1.6 trained
/// with videos. Images are as in LLaVA-1.6. How a video becomes image tokens is read from the folder (video_config).
#pragma once
#include <llava/config.hpp>
#include <llava/models/llava_1_6.hpp>
#include <llava/models/llava_next.hpp>
#include <llava/text/of_checkpoint.hpp>

LLAVA_BEGIN

/// The model of lmms-lab/LLaVA-NeXT-Video-7B and LLaVA-NeXT-Video-7B-DPO: Vicuna-7B v1.5.
struct llava_next_video_7b : llava_1_6_vicuna_7b {
  using conversation = of_checkpoint<vicuna_v1>;
};

/// The model of llava-hf/LLaVA-NeXT-Video-7B-hf and LLaVA-NeXT-Video-7B-DPO-hf, which state a scaling of the rotary
/// embedding for long videos.
struct llava_next_video_7b_hf : llava_next_video_7b {
  static constexpr auto text =
      with(llava_1_5_7b::text, [](text_config& c) { c.scaling = rope_scaling::linear, c.rope_factor = 2.5f; });
};

/// The model of lmms-lab/LLaVA-NeXT-Video-34B, LLaVA-NeXT-Video-34B-DPO and their twins of llava-hf:
/// Nous-Hermes-2-Yi-34B.
struct llava_next_video_34b : llava_1_6_34b {
  using conversation = of_checkpoint<mistral_direct>;
};

/// The model of lmms-lab/LLaVA-NeXT-Video-32B-Qwen: SigLIP so400m at 384 pixels, Qwen1.5-32B-Chat.
struct llava_next_video_qwen_32b : llava_next_interleave_qwen_7b {
  static constexpr auto text = with(llava_next_interleave_qwen_7b::text, [](text_config& c) {
    c.vocab = 152064, c.hidden = 5120, c.layers = 64, c.heads = 40, c.kv_heads = 8, c.ffn = 27392;
  });
  static constexpr auto projection =
      with(llava_next_interleave_qwen_7b::projection, [](projector_config& c) { c.hidden = 5120; });
};

LLAVA_END
