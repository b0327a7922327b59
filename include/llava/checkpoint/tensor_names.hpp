// SPDX-License-Identifier: Apache-2.0
/// tensor_names: maps our names of weights to those of a checkpoint. Our names are the same for every model:
///   text.embed_tokens.weight, text.layers.0.self_attn.q_proj.weight …, text.norm.weight, text.lm_head.weight
///   text.layers.0.self_attn.qkv_proj.weight (MPT: q, k and v of all heads in one matrix)
///   vision.embeddings.patch_embedding.weight, vision.encoder.layers.0.layer_norm1.weight …
///   projector.0.weight, projector.2.weight … (mlp), projector.weight (linear), image_newline
/// The prefixes of a checkpoint are found from its keys, because they differ between versions of one layout.
#pragma once
#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

namespace detail {
/// The number between `prefix` and the next dot; −1 when there is none.
inline int number_after(std::string_view name, std::string_view prefix) {
  int number = -1;
  if (name.substr(0, prefix.size()) != prefix) return -1;
  const char *first = name.data() + prefix.size(), *last = name.data() + name.size();
  const auto [end, failure] = std::from_chars(first, last, number);
  return failure == std::errc() && end != last && *end == '.' ? number : -1;
}

/// The parts of our names that MPT spells differently. Those without a dot in front begin the name.
inline constexpr std::pair<std::string_view, std::string_view> mpt_parts[] = {
    {"embed_tokens.", "wte."},
    {"norm.", "norm_f."},
    {"layers.", "blocks."},
    {".input_layernorm.", ".norm_1."},
    {".post_attention_layernorm.", ".norm_2."},
    {".self_attn.qkv_proj.", ".attn.Wqkv."},
    {".self_attn.o_proj.", ".attn.out_proj."},
    {".mlp.", ".ffn."}};

/// Replaces `from` in a name, at its beginning unless `from` has a dot in front.
inline void replace_part(std::string& name, std::string_view from, std::string_view to) {
  const std::size_t at = name.find(from);
  if (at == 0 || (at != std::string::npos && from.front() == '.')) name.replace(at, from.size(), to);
}
}  // namespace detail

/// Maps our names of weights to those of a checkpoint, and back.
class tensor_names {
 public:
  tensor_names(tensor_spelling spelling, const tensor_source& source) : spelling_(spelling) {
    const auto first = [&](std::string_view probe, std::initializer_list<const char*> prefixes) {
      for (const char* p : prefixes)
        if (source.find(std::string(p) + std::string(probe))) return std::string(p);
      return std::string(*prefixes.begin());
    };
    if (spelling == tensor_spelling::llava_hf) {
      text_ = first("norm.weight", {"language_model.model.", "model.language_model."});
      head_ = first("lm_head.weight", {"language_model.", "", "model."});
      const bool in_model = text_ == "model.language_model.";
      projector_ = in_model ? first("linear_1.weight", {"model.multi_modal_projector.", "multi_modal_projector."})
                            : first("linear_1.weight", {"multi_modal_projector.", "model.multi_modal_projector."});
      newline_ = first(newline_name, {"", "model."}) + newline_name;
    } else {
      text_ = spelling == tensor_spelling::mpt ? "transformer." : "model.";
      projector_ = text_ + "mm_projector.";
      newline_ = text_ + newline_name;
    }
    vision_ =
        first("embeddings.patch_embedding.weight",
              {"vision_tower.vision_model.", "model.vision_tower.vision_model.", "model.vision_tower.", "vision_tower.",
               "model.vision_tower.vision_tower.vision_model.", "model.vision_tower.vision_tower.",
               "transformer.vision_tower.vision_tower.vision_model.", "vision_model.", ""});
  }

  /// The names that the layout's own program writes.
  static tensor_names to_write(tensor_spelling spelling) {
    struct no_tensors final : tensor_source {
      const stored_tensor* find(std::string_view) const override { return nullptr; }
      void for_each(function_ref<void(const stored_tensor&)>) const override {}
      std::string identity() const override { return {}; }
    };
    tensor_names names(spelling, no_tensors());
    if (spelling != tensor_spelling::llava_hf) names.vision_ = names.text_ + "vision_tower.vision_tower.vision_model.";
    return names;
  }

  /// The checkpoint's name for our name `name`. A name that is not ours is returned unchanged.
  std::string file_name(std::string_view name) const {
    if (name == "text.lm_head.weight") return head_ + "lm_head.weight";
    if (name == newline_name) return newline_;
    for (const auto& [ours, theirs] : {std::pair<std::string_view, const std::string*>{"text.", &text_},
                                       {"vision.", &vision_},
                                       {"projector.", &projector_}})
      if (name.starts_with(ours)) {
        name.remove_prefix(ours.size());
        return *theirs + (theirs == &projector_ ? layer_name(name)
                          : theirs == &text_    ? part_names(name)
                                                : std::string(name));
      }
    return std::string(name);
  }

  /// Our name for a tensor of the language model, the projector or the tower; empty for any other tensor.
  std::string name_of(std::string_view stored) const {
    const auto under = [&](const std::string& prefix) { return stored.starts_with(prefix); };
    const auto rest = [&](const std::string& prefix) { return stored.substr(prefix.size()); };
    if (under(head_ + "lm_head.")) return text_of("text.", rest(head_));
    if (stored == newline_) return newline_name;
    if (!vision_.empty() && under(vision_)) return text_of("vision.", rest(vision_));
    if (is_of_tower(stored)) return {};  // a part of the tower that never runs
    if (under(projector_)) return text_of("projector.", own_layer_name(rest(projector_)));
    if (under(text_)) return text_of("text.", own_part_names(rest(text_)));
    return vision_.empty() ? text_of("vision.", stored) : std::string();
  }

  /// Whether a tensor belongs to a vision tower, by its name.
  static bool is_of_tower(std::string_view stored) {
    return stored.starts_with("vision_tower.") || stored.starts_with("model.vision_tower.") ||
           stored.starts_with("transformer.vision_tower.");
  }

 private:
  /// llava-hf counts linear layers: 0, 2, 4 … of a torch Sequential are linear_1, linear_2, linear_3 … there.
  std::string layer_name(std::string_view name) const {
    const int number = spelling_ == tensor_spelling::llava_hf ? detail::number_after(name, "") : -1;
    if (number < 0 || number % 2 != 0) return std::string(name);
    return text_of("linear_", number / 2 + 1, name.substr(name.find('.')));
  }

  std::string own_layer_name(std::string_view name) const {
    const int number = spelling_ == tensor_spelling::llava_hf ? detail::number_after(name, "linear_") : -1;
    if (number < 1 || number > most_layers) return std::string(name);
    return text_of(2 * (number - 1), name.substr(name.find('.')));
  }

  std::string part_names(std::string_view name) const {
    std::string theirs(name);
    if (spelling_ == tensor_spelling::mpt)
      for (const auto& [own, other] : detail::mpt_parts) detail::replace_part(theirs, own, other);
    return theirs;
  }
  std::string own_part_names(std::string_view name) const {
    std::string own(name);
    if (spelling_ == tensor_spelling::mpt)
      for (const auto& [ours, other] : detail::mpt_parts) detail::replace_part(own, other, ours);
    return own;
  }

  static constexpr const char* newline_name = "image_newline";
  static constexpr int most_layers = 1 << 30;
  tensor_spelling spelling_;
  std::string text_, head_, vision_, projector_, newline_;
};

LLAVA_END
