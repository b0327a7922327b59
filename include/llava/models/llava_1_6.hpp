// SPDX-License-Identifier: Apache-2.0
/// LLaVA-1.6, also called LLaVA-NeXT (Liu et al. 2024, "LLaVA-NeXT: Improved reasoning, OCR, and world knowledge"):
/// CLIP ViT-L/14 at 336 pixels on tiles of any resolution, a two-layer projector, and language models of 7 to 34
/// billion parameters. The canvases are read from the folder: LLaVA and transformers list them differently.
#pragma once
#include <llava/config.hpp>
#include <llava/models/llava_1_5.hpp>
#include <llava/text/of_checkpoint.hpp>

LLAVA_BEGIN

/// The model of liuhaotian/llava-v1.6-vicuna-7b and llava-hf/llava-v1.6-vicuna-7b-hf.
struct llava_1_6_vicuna_7b : llava_1_5_7b {
  static constexpr tile_merge merge = tile_merge::unpad;
  using conversation = of_checkpoint<llava_v1>;
};

/// The model of liuhaotian/llava-v1.6-vicuna-13b and llava-hf/llava-v1.6-vicuna-13b-hf.
struct llava_1_6_vicuna_13b : llava_1_5_13b {
  static constexpr tile_merge merge = tile_merge::unpad;
  using conversation = of_checkpoint<llava_v1>;
};

/// The model of liuhaotian/llava-v1.6-mistral-7b and llava-hf/llava-v1.6-mistral-7b-hf: Mistral-7B-Instruct-v0.2.
struct llava_1_6_mistral_7b : llava_1_6_vicuna_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.kv_heads = 8;
    c.ffn = 14336;
    c.context = 32768;
    c.rope_theta = 1e6f;
  });
  using conversation = of_checkpoint<mistral_instruct>;
};

/// The model of liuhaotian/llava-v1.6-34b and llava-hf/llava-v1.6-34b-hf: Nous-Hermes-2-Yi-34B.
struct llava_1_6_34b : llava_1_6_vicuna_7b {
  static constexpr auto text = with(llava_1_5_7b::text, [](text_config& c) {
    c.vocab = 64000;
    c.hidden = 7168;
    c.layers = 60;
    c.heads = 56;
    c.kv_heads = 8;
    c.ffn = 20480;
    c.rope_theta = 5e6f;
  });
  static constexpr auto projection = with(llava_1_5_7b::projection, [](projector_config& c) { c.hidden = 7168; });
  using conversation = of_checkpoint<chatml_direct>;
};

LLAVA_END
