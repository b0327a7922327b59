// SPDX-License-Identifier: Apache-2.0
/// The keys of GGUF files, made from a model_description: the inverse of gguf_text.hpp and gguf_vision.hpp, and what
/// such files cannot hold.
///
/// llama.cpp reads the files too, so a model is refused that it would compute wrongly in silence: it knows no window
/// for these architectures, and no projector but Linear, GELU, Linear.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/gguf_text.hpp>
#include <llava/checkpoint/gguf_vision.hpp>
#include <llava/checkpoint/gguf_writer.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

/// The architecture of a language model in GGUF.
inline std::string_view gguf_architecture(const model_description& d) {
  return d.text_family == "qwen2" ? "qwen2" : "llama";
}

/// What GGUF files lack for a language model: the end of "…, which have no "; empty: nothing. `of_gguf`: the divisors
/// of longrope are those of a GGUF file, for sequences of every length.
inline std::string missing_for_text(const model_description& d, bool of_gguf) {
  const text_config& c = d.text;
  if (d.decoder != "llama") return text_of("decoder ", d.decoder);
  if (d.text_activation != "silu") return text_of("activation ", d.text_activation, " of the language model");
  if (c.window > 0 && c.window < c.context)
    return text_of("attention window of ", c.window, " tokens for a language model of the family ", d.text_family);
  if (c.scaling == rope_scaling::longrope && !of_gguf) return "longrope without its long factors";
  if (c.scaling == rope_scaling::llama3 && gguf_architecture(d) != "llama")
    return text_of("llama3 scaling of the rotary embedding for the architecture ", gguf_architecture(d));
  if (c.scaling == rope_scaling::yarn && (!c.rope_truncate || c.rope_beta_fast != 32.f || c.rope_beta_slow != 1.f))
    return "yarn with other bounds than beta_fast 32 and beta_slow 1, rounded to whole frequencies";
  if (gguf_architecture(d) == "qwen2" && (!c.qkv_bias || c.o_bias || c.mlp_bias))
    return "biases for qwen2 but those of q, k and v";
  return {};
}

/// What GGUF files lack for the preparation of images.
inline std::string missing_for_images(const model_description& d) {
  const image_config usual, &c = d.image;
  const tiling_config& t = c.tiling;
  const aspect square = is_siglip(d.vision) ? aspect::stretch : aspect::crop;
  if (!c.normalise || c.rescale != usual.rescale) return "scale of pixels but 1 / 255 with mean and std";
  if (c.filter != resampling::bicubic) return "filter of images but bicubic";
  if (c.resize != d.vision.image || c.crop != d.vision.image)
    return text_of("size of images but the tower's ", d.vision.image, " pixels");
  if (t.count == 0 && c.shape != aspect::pad && c.shape != square)
    return "image processor that cuts for SigLIP or stretches for CLIP";
  if (t.count > 0 && (t.fit != canvas_fit::contain || t.shrinks_to > 0 || !t.whole_image))
    return "merge of tiles but of images with the whole one, fitted to a canvas, without a limit";
  if (t.count > 0 && t.rounds_to_zero != (d.prompt == prompt_rule::original)) return "such rounding of tiles";
  return {};
}

/// What GGUF files lack for a tower, its projector and its images.
inline std::string missing_for_vision(const model_description& d) {
  const vision_config& v = d.vision;
  const bool siglip = is_siglip(v), clip = is_clip(v);
  if (v.scales.count > 0) return "S2 tower";
  if (!siglip && !clip) return "tower but CLIP and SigLIP";
  if (siglip ? d.vision_activation != "gelu_pytorch_tanh"
             : d.vision_activation != "quick_gelu" && d.vision_activation != "gelu")
    return text_of("activation ", d.vision_activation, " of this tower");
  if (clip && v.select == feature_select::cls_patch) return "features of the class token";
  if (v.layers_run() == 0) return "tower of which no layer runs";
  for (int i = 1; i < v.selected(); ++i)
    if (v.selected_state(i) <= v.selected_state(i - 1)) return "features of several layers but in ascending order";
  if (d.projector_type != "mlp_gelu" || d.projector.depth != 2 || !d.projector.bias)
    return "projector but mlp2x_gelu with biases";
  if (d.image_start_end) return "<im_start> and <im_end> around images";
  return missing_for_images(d);
}

/// The divisors of the frequencies that llama3 scaling makes.
inline std::vector<float> written_rope_divisors(const text_config& c) {
  std::vector<float> divisors;
  const double factor = static_cast<double>(c.rope_factor), low = static_cast<double>(c.rope_low_frequency),
               high = static_cast<double>(c.rope_high_frequency);
  for (int i = 0; i < c.head_dim / 2; ++i) {
    const double turn = 6.283185307179586 * std::pow(static_cast<double>(c.rope_theta), 2.0 * i / c.head_dim);
    const double turns = c.rope_original_context / turn;  // in the original context
    const double share = turns < low ? 0.0 : turns > high ? 1.0 : (turns - low) / (high - low);
    divisors.push_back(static_cast<float>(1.0 / ((1.0 - share) / factor + share)));
  }
  return divisors;
}

/// The configuration with llama3 scaling instead of the divisors that it makes, if it makes them: with the frequencies
/// 1 and 4 of Meta's models, and an original context that is a power of two. Otherwise `c`.
inline text_config with_llama3(const text_config& c) {
  if (c.scaling != rope_scaling::longrope || c.head_dim < 2) return c;
  const float* const given = c.rope_short.of;
  text_config found = c;
  found.scaling = rope_scaling::llama3;
  found.rope_factor = *std::max_element(given, given + c.head_dim / 2);
  found.rope_low_frequency = 1.f, found.rope_high_frequency = 4.f;
  for (int context = 16; context <= 1 << 24; context *= 2) {
    found.rope_original_context = context;
    const std::vector<float> made = written_rope_divisors(found);
    const auto is_near = [](float a, float b) { return std::fabs(a - b) <= 1e-6f * b; };
    if (found.rope_factor > 1.f && std::equal(made.begin(), made.end(), given, is_near)) return found;
  }
  return c;
}

inline void set_gguf_rope(gguf_new_keys& keys, const std::string& prefix, const text_config& c) {
  const std::string scaling = prefix + "rope.scaling.";
  keys.set(prefix + "rope.freq_base", c.rope_theta);
  keys.set_count(prefix + "rope.dimension_count", c.head_dim);
  const bool is_yarn = c.scaling == rope_scaling::yarn;
  if (!is_yarn && c.scaling != rope_scaling::linear) return;  // llama3: rope_freqs.weight; dynamic changes nothing
  keys.set(scaling + "type", is_yarn ? "yarn" : "linear");
  keys.set(scaling + "factor", c.rope_factor);
  if (!is_yarn) return;
  keys.set_count(scaling + "original_context_length", c.rope_original_context);
  const float usual = usual_yarn_attention(c.rope_factor);
  if (c.rope_attention != usual) keys.set(scaling + "attn_factor", c.rope_attention / usual);
}

/// The numbers of a language model.
inline void set_gguf_text_keys(gguf_new_keys& keys, const model_description& d) {
  const text_config& c = d.text;
  const std::string prefix = text_of(gguf_architecture(d), ".");
  keys.set_count(prefix + "vocab_size", c.vocab);
  keys.set_count(prefix + "context_length", c.context);
  keys.set_count(prefix + "embedding_length", c.hidden);
  keys.set_count(prefix + "block_count", c.layers);
  keys.set_count(prefix + "feed_forward_length", c.ffn);
  keys.set_count(prefix + "attention.head_count", c.heads);
  keys.set_count(prefix + "attention.head_count_kv", c.kv_heads);
  keys.set_count(prefix + "attention.key_length", c.head_dim);
  keys.set_count(prefix + "attention.value_length", c.head_dim);
  keys.set(prefix + "attention.layer_norm_rms_epsilon", c.eps);
  set_gguf_rope(keys, prefix, c);
  if (d.prompt == prompt_rule::processor) keys.set_count(gguf_own_keys::image_token, d.image_token);
  if (d.longest_prompt > 0) keys.set_count(gguf_own_keys::longest_prompt, d.longest_prompt);
}

/// The numbers of a tower of which the first layers_run() layers are stored, of its projector and of its images.
inline void set_gguf_vision_keys(gguf_new_keys& keys, const model_description& d) {
  const vision_config& v = d.vision;
  const image_config& c = d.image;
  const auto three = [](const double(&of)[3]) { return std::vector<float>(of, of + 3); };
  keys.set("clip.has_vision_encoder", true);
  keys.set("clip.projector_type", "mlp");
  keys.set_count("clip.vision.image_size", v.image);
  keys.set_count("clip.vision.patch_size", v.patch);
  keys.set_count("clip.vision.embedding_length", v.hidden);
  keys.set_count("clip.vision.feed_forward_length", v.ffn);
  keys.set_count("clip.vision.attention.head_count", v.heads);
  keys.set_count("clip.vision.block_count", v.layers_run());
  keys.set_count("clip.vision.projection_dim", d.text.hidden);
  keys.set("clip.vision.attention.layer_norm_epsilon", v.eps);
  std::vector<std::int32_t> states, canvases;
  for (int i = 0; i < v.selected(); ++i) states.push_back(v.selected_state(i));
  keys.set("clip.vision.feature_layer", states);
  keys.set("clip.vision.image_mean", three(c.mean));
  keys.set("clip.vision.image_std", three(c.std));
  keys.set("clip.use_gelu", d.vision_activation != "quick_gelu");
  const bool tiles = c.tiling.count > 0;
  keys.set("clip.vision.image_aspect_ratio", tiles ? "anyres" : c.shape == aspect::pad ? "pad" : "square");
  if (!tiles) return;
  for (int i = 0; i < c.tiling.count; ++i)
    canvases.push_back(c.tiling.canvases[i].width), canvases.push_back(c.tiling.canvases[i].height);
  keys.set("clip.vision.image_grid_pinpoints", canvases);
  keys.set("clip.vision.mm_patch_merge_type", name_of(c.tiling.merge));
}

}  // namespace detail

LLAVA_END
