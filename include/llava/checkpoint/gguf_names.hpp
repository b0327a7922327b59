// SPDX-License-Identifier: Apache-2.0
/// The names of GGUF tensors and the original layout's names for them (tensor_names.hpp), both ways.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/tensor_names.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr std::string_view gguf_tower_prefix = "model.vision_tower.vision_tower.vision_model.";

/// The second name of the first pair whose first name is `name`; empty when there is none.
template <std::size_t N>
constexpr std::string_view renamed(const std::pair<std::string_view, std::string_view> (&names)[N],
                                   std::string_view name) {
  for (const auto& [from, to] : names)
    if (from == name) return to;
  return {};
}

/// The first name of the first pair whose second name is `name`; empty when there is none.
template <std::size_t N>
constexpr std::string_view renamed_back(const std::pair<std::string_view, std::string_view> (&names)[N],
                                        std::string_view name) {
  for (const auto& [to, from] : names)
    if (from == name) return to;
  return {};
}

/// "blk.3.attn_q.weight" → 3, "attn_q", ".weight", after the prefix "blk."; number −1 for any other name.
struct block_name {
  int number = -1;
  std::string_view part, ending;

  block_name(std::string_view name, std::string_view prefix) {
    const std::size_t dot = name.rfind('.'), first = name.find('.', prefix.size());
    number = number_after(name, prefix);
    if (number < 0 || first >= dot) number = -1;
    if (number < 0) return;
    part = name.substr(first + 1, dot - first - 1);
    ending = name.substr(dot);
    if (ending != ".weight" && ending != ".bias") number = -1;
  }
};

inline constexpr std::pair<std::string_view, std::string_view> gguf_text_tensors[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"}};
inline constexpr std::pair<std::string_view, std::string_view> gguf_text_parts[] = {
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};

/// The original name of a tensor of the language model; empty when there is none.
inline std::string original_text_name(std::string_view name) {
  if (const std::string_view found = renamed(gguf_text_tensors, name); !found.empty()) return std::string(found);
  const block_name block(name, "blk.");
  const std::string_view part = block.number < 0 ? std::string_view() : renamed(gguf_text_parts, block.part);
  return part.empty() ? std::string() : text_of("model.layers.", block.number, ".", part, block.ending);
}

/// The name in a GGUF file of a tensor of the language model with this original name; empty when there is none.
inline std::string gguf_text_name(std::string_view original) {
  if (const std::string_view found = renamed_back(gguf_text_tensors, original); !found.empty())
    return std::string(found);
  const block_name block(original, "model.layers.");
  const std::string_view part = block.number < 0 ? std::string_view() : renamed_back(gguf_text_parts, block.part);
  return part.empty() ? std::string() : text_of("blk.", block.number, ".", part, block.ending);
}

/// Whether a tensor of the language model changes nothing: constants that some converters wrote.
inline bool is_constant(std::string_view name) {
  return name.find("attn_rot_embd") != std::string_view::npos ||
         name.find("rotary_emb.inv_freq") != std::string_view::npos || name == "rope_freqs.weight";
}

inline constexpr std::pair<std::string_view, std::string_view> gguf_vision_tensors[] = {
    {"v.class_embd", "embeddings.class_embedding"},
    {"v.patch_embd.weight", "embeddings.patch_embedding.weight"},
    {"v.patch_embd.bias", "embeddings.patch_embedding.bias"},
    {"v.position_embd.weight", "embeddings.position_embedding.weight"},
    {"v.pre_ln.weight", "pre_layrnorm.weight"},
    {"v.pre_ln.bias", "pre_layrnorm.bias"},
    {"v.post_ln.weight", "post_layernorm.weight"},
    {"v.post_ln.bias", "post_layernorm.bias"}};
inline constexpr std::pair<std::string_view, std::string_view> gguf_vision_parts[] = {
    {"ln1", "layer_norm1"},         {"ln2", "layer_norm2"},         {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"}, {"attn_out", "self_attn.out_proj"},
    {"ffn_up", "mlp.fc1"},          {"ffn_down", "mlp.fc2"}};

/// The original name of a tensor of the tower or the projector; empty when there is none. `swapped`: the file calls the
/// first layer of the MLP ffn_down.
inline std::string original_vision_name(std::string_view name, bool swapped) {
  if (const std::string_view found = renamed(gguf_vision_tensors, name); !found.empty())
    return text_of(gguf_tower_prefix, found);
  if (name == "v.image_newline" || name == "model.image_newline") return "model.image_newline";
  if (name.starts_with("mm.")) return text_of("model.mm_projector.", name.substr(3));
  const block_name block(name, "v.blk.");
  std::string_view part = block.number < 0 ? std::string_view() : renamed(gguf_vision_parts, block.part);
  if (part.empty()) return {};
  if (swapped && part.starts_with("mlp.fc")) part = part == "mlp.fc1" ? "mlp.fc2" : "mlp.fc1";
  return text_of(gguf_tower_prefix, "encoder.layers.", block.number, ".", part, block.ending);
}

/// The name in a GGUF file of a tensor of the tower, the projector or the newline with this original name; empty when
/// there is none.
inline std::string gguf_vision_name(std::string_view original) {
  constexpr std::string_view projector = "model.mm_projector.";
  if (original == "model.image_newline") return "v.image_newline";
  if (original.starts_with(projector)) return text_of("mm.", original.substr(projector.size()));
  if (!original.starts_with(gguf_tower_prefix)) return {};
  original.remove_prefix(gguf_tower_prefix.size());
  if (const std::string_view found = renamed_back(gguf_vision_tensors, original); !found.empty())
    return std::string(found);
  const block_name block(original, "encoder.layers.");
  const std::string_view part = block.number < 0 ? std::string_view() : renamed_back(gguf_vision_parts, block.part);
  return part.empty() ? std::string() : text_of("v.blk.", block.number, ".", part, block.ending);
}

}  // namespace detail

LLAVA_END
