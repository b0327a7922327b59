// SPDX-License-Identifier: Apache-2.0
/// any: the model whose configuration and choices are read from config.json. The lists name the possible choices; a
/// type added to a list is found by its `name`.
#pragma once
#include <llava/base/one_of.hpp>
#include <llava/llm/any_decoder.hpp>
#include <llava/llm/llama_decoder.hpp>
#include <llava/llm/mpt_decoder.hpp>
#include <llava/ops/activation.hpp>
#include <llava/projector/any_projector.hpp>
#include <llava/projector/linear.hpp>
#include <llava/projector/mlp_gelu.hpp>
#include <llava/projector/mlp_res_gelu.hpp>
#include <llava/projector/pooler.hpp>
#include <llava/text/of_checkpoint.hpp>
#include <llava/vision/s2.hpp>

LLAVA_BEGIN

/// A model type for pipeline and open that leaves every choice to config.json.
struct any {
  using tower = s2_tower;
  using projector = any_projector<mlp_gelu, linear_projector, identity_projector, mlp_res_gelu, pooler>;
  using decoder = any_decoder<llama_decoder, mpt_decoder>;
  using vision_activation = one_of<quick_gelu, gelu_tanh, gelu>;
  using text_activation = one_of<silu, gelu>;
  using conversation = of_checkpoint<>;
};

LLAVA_END
