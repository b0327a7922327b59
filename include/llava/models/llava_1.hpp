// SPDX-License-Identifier: Apache-2.0
/// The first LLaVA (Liu et al. 2023, "Visual Instruction Tuning"): CLIP ViT-L/14, one linear layer as projector, and
/// LLaMA, Vicuna, Llama 2 or MPT. The numbers are those of the language models that they were trained from. Names of
/// the uploads: published.hpp.
#pragma once
#include <llava/config.hpp>
#include <llava/llm/llama_decoder.hpp>
#include <llava/llm/mpt_decoder.hpp>
#include <llava/models/llava_1_5.hpp>
#include <llava/ops/activation.hpp>
#include <llava/projector/linear.hpp>
#include <llava/text/of_checkpoint.hpp>

LLAVA_BEGIN

/// LLaVA v1 on a LLaMA or Vicuna of 7B: 224 pixels, 256 image tokens. Its deltas are called v1-1.
struct llava_1_7b : llava_1_5_7b {
  static constexpr auto vision = with(llava_1_5_7b::vision, [](vision_config& c) { c.image = 224; });
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) { c.context = 2048, c.eps = 1e-6f; });
  static constexpr auto projection = with(llava_1_5_7b::projection, [](projector_config& c) { c.depth = 1; });
  using projector = linear_projector;
  using conversation = of_checkpoint<llava_v1>;
};

/// LLaVA v1 on a LLaMA or Vicuna of 13B.
struct llava_1_13b : llava_1_7b {
  static constexpr auto text = with(llava_1_5_13b::text, [](text_config& c) { c.context = 2048, c.eps = 1e-6f; });
  static constexpr auto projection = with(llava_1_5_13b::projection, [](projector_config& c) { c.depth = 1; });
};

/// LLaVA v1 at 336 pixels on Vicuna-13B v1.3: llava-v1-0719-336px-lora-merge-vicuna-13b-v1.3.
struct llava_1_336_13b : llava_1_13b {
  static constexpr auto vision = llava_1_5_13b::vision;
};

/// LLaVA v1 at 336 pixels on Vicuna-7B v1.3, of which only the projector is published.
struct llava_1_336_7b : llava_1_7b {
  static constexpr auto vision = llava_1_5_7b::vision;
};

/// LLaVA v0, the first upload of 7B; v1 with another template.
struct llava_0_7b : llava_1_7b {
  using conversation = of_checkpoint<llava_v0>;
};
/// LLaVA v0, the first upload of 13B.
struct llava_0_13b : llava_1_13b {
  using conversation = of_checkpoint<llava_v0>;
};

/// LLaVA on Llama-2-7B-chat.
struct llava_llama_2_7b : llava_1_7b {
  static constexpr auto text = llava_1_5_7b::text;
  using conversation = of_checkpoint<llava_llama_2>;
};
/// LLaVA on Llama-2-13B-chat: llava-llama-2-13b-chat-lightning-preview.
struct llava_llama_2_13b : llava_1_13b {
  static constexpr auto text = llava_1_5_13b::text;
  using conversation = of_checkpoint<llava_llama_2>;
};

/// LLaVA on Llama-2-chat at 336 pixels, of which only the projectors are published.
struct llava_llama_2_336_7b : llava_llama_2_7b {
  static constexpr auto vision = llava_1_5_7b::vision;
};
/// The same on Llama-2-13B-chat.
struct llava_llama_2_336_13b : llava_llama_2_13b {
  static constexpr auto vision = llava_1_5_13b::vision;
};

/// LLaVA on MPT-7B-chat: LLaVA-Lightning-MPT-7B-preview. MPT has no head of its own: MosaicML's program multiplies
/// with the embedding table.
struct llava_mpt_7b : llava_1_7b {
  static constexpr auto text = with(text_config{}, [](text_config& c) {
    c.vocab = 50282, c.context = 2048, c.ffn = 16384, c.alibi = 8.f, c.tied = true;
  });
  using decoder = mpt_decoder;
  using text_activation = gelu;
  using conversation = of_checkpoint<mpt>;
};

LLAVA_END
