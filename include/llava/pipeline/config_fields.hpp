// SPDX-License-Identifier: Apache-2.0
/// The fields of a configuration, by name, to compare a fixed model with the folder that it is opened from.
#pragma once
#include <llava/base/macros.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

/// @name Fields
/// Calls visit(name, pointer to member) for every field that a fixed model states and its files must match. The
/// vocabulary size and the context length are not among them: uploads of one model differ in padding, so both come from
/// the files.
/// @{

/// For the vision tower.
template <class Visit>
constexpr void each_field(const vision_config*, Visit&& visit) {
  using c = vision_config;
  visit("vision.image", &c::image), visit("vision.patch", &c::patch), visit("vision.hidden", &c::hidden);
  visit("vision.heads", &c::heads), visit("vision.layers", &c::layers), visit("vision.ffn", &c::ffn);
  visit("vision.eps", &c::eps), visit("vision.class_token", &c::class_token), visit("vision.pre_norm", &c::pre_norm);
  visit("vision.patch_bias", &c::patch_bias);
  visit("vision.select_layer", &c::select_layer), visit("vision.more_layers", &c::more_layers);
  visit("vision.select", &c::select), visit("vision.scales", &c::scales);
}
/// For the language model.
template <class Visit>
constexpr void each_field(const text_config*, Visit&& visit) {
  using c = text_config;
  visit("text.hidden", &c::hidden), visit("text.layers", &c::layers), visit("text.heads", &c::heads);
  visit("text.kv_heads", &c::kv_heads), visit("text.head_dim", &c::head_dim), visit("text.ffn", &c::ffn);
  visit("text.eps", &c::eps), visit("text.rope_theta", &c::rope_theta), visit("text.scaling", &c::scaling);
  visit("text.rope_factor", &c::rope_factor), visit("text.rope_low_frequency", &c::rope_low_frequency);
  visit("text.rope_high_frequency", &c::rope_high_frequency);
  visit("text.rope_original_context", &c::rope_original_context);
  visit("text.rope_beta_fast", &c::rope_beta_fast), visit("text.rope_beta_slow", &c::rope_beta_slow);
  visit("text.rope_truncate", &c::rope_truncate), visit("text.rope_attention", &c::rope_attention);
  visit("text.rope_short", &c::rope_short), visit("text.window", &c::window);
  visit("text.full_layers", &c::full_layers), visit("text.alibi", &c::alibi);
  visit("text.tied", &c::tied), visit("text.qkv_bias", &c::qkv_bias), visit("text.o_bias", &c::o_bias);
  visit("text.mlp_bias", &c::mlp_bias);
}
/// For the projector.
template <class Visit>
constexpr void each_field(const projector_config*, Visit&& visit) {
  using c = projector_config;
  visit("projector.vision_hidden", &c::vision_hidden), visit("projector.hidden", &c::hidden);
  visit("projector.depth", &c::depth), visit("projector.blocks", &c::blocks), visit("projector.bias", &c::bias);
}
/// @}

LLAVA_END
