// SPDX-License-Identifier: Apache-2.0
/// tensor_names: from the library's names of weights to those of a checkpoint. Ours, whatever the model:
///   text.embed_tokens.weight, text.layers.0.self_attn.q_proj.weight …, text.norm.weight, text.lm_head.weight
///   vision.embeddings.patch_embedding.weight, vision.encoder.layers.0.layer_norm1.weight …
///   projector.0.weight, projector.2.weight … (mlp), projector.weight (linear)
/// Which of the spellings a checkpoint uses is seen from its keys: they differ between versions of one layout. It says,
/// too, which of a checkpoint's tensors a model may leave alone, and what no file but the tensors themselves says.
#pragma once
#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/source.hpp>

LLAVA_BEGIN

/// From our names of weights to those of a checkpoint.
class tensor_names {
 public:
  template <checkpoint_source Source>
  tensor_names(naming names, const Source& source) : names_(names) {
    const auto first = [&](std::string_view probe, std::initializer_list<const char*> prefixes) {
      for (const char* p : prefixes)
        if (source.find(std::string(p) + std::string(probe))) return std::string(p);
      return std::string(*prefixes.begin());
    };
    if (names == naming::llava_hf) {
      text_ = first("norm.weight", {"language_model.model.", "model.language_model."});
      head_ = first("lm_head.weight", {"language_model.", "", "model."});
      const bool in_model = text_ == "model.language_model.";
      projector_ = in_model ? first("linear_1.weight", {"model.multi_modal_projector.", "multi_modal_projector."})
                            : first("linear_1.weight", {"multi_modal_projector.", "model.multi_modal_projector."});
    } else {
      text_ = "model.";
      projector_ = "model.mm_projector.";
    }
    vision_ = first(
        "embeddings.patch_embedding.weight",
        {"vision_tower.vision_model.", "model.vision_tower.vision_model.", "model.vision_tower.", "vision_tower.",
         "model.vision_tower.vision_tower.vision_model.", "model.vision_tower.vision_tower.", "vision_model.", ""});
  }

  /// A name that is none of ours is that of the file.
  std::string file_name(std::string_view name) const {
    if (name == "text.lm_head.weight") return head_ + "lm_head.weight";
    for (const auto& [ours, theirs] : {std::pair<std::string_view, const std::string*>{"text.", &text_},
                                       {"vision.", &vision_},
                                       {"projector.", &projector_}})
      if (name.substr(0, ours.size()) == ours) {
        name.remove_prefix(ours.size());
        return theirs == &projector_ ? projector_ + layer_name(name) : text_of(*theirs, name);
      }
    return std::string(name);
  }

  /// Whether a tensor of the files that no stage has asked for would be missed: one of the language model, of the
  /// projector or, where the tower `is_here`, of the part of the tower that is run. Buffers that transformers passes
  /// over are not.
  bool must_be_read(std::string_view name, const model_description& d, bool is_here) const {
    const auto under = [&](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; };
    if (name.find("rotary_emb.inv_freq") != std::string_view::npos ||
        name.find("position_ids") != std::string_view::npos)
      return false;
    if (is_here && under(vision_)) {
      name.remove_prefix(vision_.size());
      const auto layer = number_behind(name, "encoder.layers.");
      return under("embeddings.") || under("pre_layrnorm.") || (under("encoder.") && layer < d.vision.layers_run());
    }
    if (under("vision_tower.") || under("model.vision_tower.")) return false;
    if (d.text.tied && name == head_ + "lm_head.weight") return false;
    return under(text_) || under(projector_) || under(head_ + "lm_head.");
  }

  /// Layers of a projector: llava-hf's config.json has no number for them. Two are of every such model.
  template <checkpoint_source Source>
  void read_depth(const Source& source, model_description& d) const {
    if (names_ != naming::llava_hf || d.projector_type != "mlp_gelu") return;
    d.projector.depth = 2;
    while (source.find(file_name(text_of("projector.", 2 * d.projector.depth, ".weight")))) ++d.projector.depth;
  }

 private:
  /// The number between `prefix` and the next dot, or −1.
  static int number_behind(std::string_view name, std::string_view prefix) {
    int number = -1;
    if (name.substr(0, prefix.size()) != prefix) return -1;
    const char *first = name.data() + prefix.size(), *last = name.data() + name.size();
    const auto [end, failure] = std::from_chars(first, last, number);
    return failure == std::errc() && end != last && *end == '.' ? number : -1;
  }
  /// llava-hf counts the layers: what is 0, 2, 4 … in a torch Sequential is linear_1, linear_2, linear_3 … there.
  std::string layer_name(std::string_view name) const {
    const int number = names_ == naming::llava_hf ? number_behind(name, "") : -1;
    if (number < 0 || number % 2 != 0) return std::string(name);
    return text_of("linear_", number / 2 + 1, name.substr(name.find('.')));
  }

  naming names_;
  std::string text_, head_, vision_, projector_;
};

LLAVA_END
