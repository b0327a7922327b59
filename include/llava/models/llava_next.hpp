// SPDX-License-Identifier: Apache-2.0
/// LLaVA-NeXT on stronger language models (Li et al. 2024, "LLaVA-NeXT: Stronger LLMs Supercharge Multimodal
/// Capabilities in the Wild"): LLaVA-1.6 on Llama 3 and Qwen1.5. LLaVA-NeXT-Interleave (Li et al. 2024) on the small
/// Qwen1.5, with SigLIP. The canvases are read from the folder.
#pragma once
#include <llava/config.hpp>
#include <llava/models/llava_1_6.hpp>
#include <llava/ops/activation.hpp>
#include <llava/text/of_checkpoint.hpp>

LLAVA_BEGIN

/// The model of lmms-lab/llama3-llava-next-8b and llava-hf/llama3-llava-next-8b-hf: Meta-Llama-3-8B-Instruct.
struct llava_next_llama_3_8b : llava_1_6_vicuna_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.vocab = 128256, c.kv_heads = 8, c.ffn = 14336, c.context = 8192, c.rope_theta = 5e5f;
  });
  using conversation = of_checkpoint<llava_llama_3>;
};

/// The model of lmms-lab/llava-next-72b and llava-hf/llava-next-72b-hf: Qwen1.5-72B-Chat.
struct llava_next_qwen_72b : llava_1_6_vicuna_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.vocab = 152064, c.hidden = 8192, c.layers = 80, c.heads = c.kv_heads = 64, c.ffn = 24576, c.context = 32768;
    c.eps = 1e-6f, c.rope_theta = 1e6f, c.qkv_bias = true;
  });
  static constexpr auto projection = with(llava_1_5_7b::projection, [](projector_config& c) { c.hidden = 8192; });
  using conversation = of_checkpoint<qwen_1_5>;
};

/// The model of lmms-lab/llava-next-110b and llava-hf/llava-next-110b-hf: Qwen1.5-110B-Chat.
struct llava_next_qwen_110b : llava_next_qwen_72b {
  static constexpr auto text = with(llava_next_qwen_72b::text, [](text_config& c) { c.kv_heads = 8, c.ffn = 49152; });
};

/// The model of lmms-lab/llava-next-interleave-qwen-7b: SigLIP so400m at 384 pixels, Qwen1.5-7B-Chat. llava::any opens
/// llava-hf/llava-interleave-qwen-7b-hf, which takes one square of an image.
struct llava_next_interleave_qwen_7b : llava_1_6_vicuna_7b {
  static constexpr auto vision = with(llava_1_5_7b::vision, [](vision_config& c) {
    c.image = 384, c.hidden = 1152, c.layers = 27, c.ffn = 4304, c.eps = 1e-6f;
    c.class_token = c.pre_norm = false, c.patch_bias = true;
  });
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.vocab = 151936, c.context = 32768, c.eps = 1e-6f, c.rope_theta = 1e6f, c.qkv_bias = true;
  });
  static constexpr auto projection =
      with(llava_1_5_7b::projection, [](projector_config& c) { c.vision_hidden = 1152; });
  using vision_activation = gelu_tanh;
  using conversation = of_checkpoint<qwen_1_5>;
};

/// The model of lmms-lab/llava-next-interleave-qwen-0.5b: Qwen1.5-0.5B-Chat, whose head is its embedding table.
struct llava_next_interleave_qwen_0_5b : llava_next_interleave_qwen_7b {
  static constexpr auto text = with(llava_next_interleave_qwen_7b::text, [](text_config& c) {
    c.hidden = 1024, c.layers = 24, c.heads = c.kv_heads = 16, c.head_dim = 64, c.ffn = 2816, c.tied = true;
  });
  static constexpr auto projection =
      with(llava_next_interleave_qwen_7b::projection, [](projector_config& c) { c.hidden = 1024; });
};

LLAVA_END
