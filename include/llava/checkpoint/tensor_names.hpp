// SPDX-License-Identifier: Apache-2.0
/// tensor_names: from the library's names of weights to those of a checkpoint. Ours, whatever the model:
///   text.embed_tokens.weight, text.layers.0.self_attn.q_proj.weight …, text.norm.weight, text.lm_head.weight
///   vision.embeddings.patch_embedding.weight, vision.encoder.layers.0.layer_norm1.weight …
///   projector.0.weight, projector.2.weight … (mlp), projector.weight (linear)
/// Which of the spellings a checkpoint uses is seen from its keys: they differ between versions of one layout.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

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
      projector_ = first("linear_1.weight", {"multi_modal_projector.", "model.multi_modal_projector."});
    } else {
      text_ = "model.";
      projector_ = "model.mm_projector.";
    }
    vision_ = first(
        "embeddings.patch_embedding.weight",
        {"vision_tower.vision_model.", "model.vision_tower.vision_model.", "model.vision_tower.", "vision_tower.",
         "model.vision_tower.vision_tower.vision_model.", "model.vision_tower.vision_tower.", "vision_model.", ""});
  }

  std::string file_name(std::string_view name) const {
    const auto rest = [&](std::string_view prefix) { return std::string(name.substr(prefix.size())); };
    if (name == "text.lm_head.weight") return head_ + "lm_head.weight";
    if (name.substr(0, 5) == "text.") return text_ + rest("text.");
    if (name.substr(0, 7) == "vision.") return vision_ + rest("vision.");
    std::string layer = rest("projector.");
    if (names_ == naming::llava_hf && layer[0] >= '0' && layer[0] <= '9') {
      const auto dot = layer.find('.');
      layer = "linear_" + std::to_string(std::stoi(layer) / 2 + 1) + layer.substr(dot);
    }
    return projector_ + layer;
  }

 private:
  naming names_;
  std::string text_, head_, vision_, projector_;
};

LLAVA_END
