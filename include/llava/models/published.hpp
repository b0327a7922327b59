// SPDX-License-Identifier: Apache-2.0
/// published_models: the uploads of LLaVA by their names: which type describes them, what they were trained from, and
/// what one needs beside their files. The table is for people: nothing is opened by it, since every folder's own
/// config.json decides. Names have no owner ("liuhaotian/").
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// What the files of an upload are.
enum class published_form {
  model,      ///< a whole model; the tower may be elsewhere
  delta,      ///< the difference from the base's weights
  adapter,    ///< a LoRA of the base, with a projector
  projector,  ///< a projector for the base
};

/// The forms in words.
constexpr std::string_view name_of(published_form form) {
  switch (form) {
    case published_form::model:
      return "a whole model";
    case published_form::delta:
      return "a delta from its base's weights";
    case published_form::adapter:
      return "an adapter (LoRA) and a projector, for its base";
    case published_form::projector:
      return "a projector, for a tower and its base";
  }
  return {};
}

/// One upload.
struct published_model {
  std::string_view name;
  std::string_view type;  ///< the type that describes it; empty: none, llava::any reads its config.json
  published_form form;
  std::string_view base;   ///< the language model that it was trained from, or needs
  std::string_view tower;  ///< the repository of its vision tower; empty: the files hold it
};

namespace detail {
inline constexpr std::string_view clip_224 = "openai/clip-vit-large-patch14",
                                  clip_336 = "openai/clip-vit-large-patch14-336";
}  // namespace detail

inline constexpr published_model published_models[] = {
    // LLaVA-1.6: any resolution
    {"llava-v1.6-vicuna-7b", "llava_1_6_vicuna_7b", published_form::model, "Vicuna-7B v1.5", ""},
    {"llava-v1.6-vicuna-13b", "llava_1_6_vicuna_13b", published_form::model, "Vicuna-13B v1.5", ""},
    {"llava-v1.6-mistral-7b", "llava_1_6_mistral_7b", published_form::model, "Mistral-7B-Instruct-v0.2", ""},
    {"llava-v1.6-34b", "llava_1_6_34b", published_form::model, "Nous-Hermes-2-Yi-34B", ""},
    // LLaVA-1.5
    {"llava-v1.5-7b", "llava_1_5_7b", published_form::model, "Vicuna-7B v1.5", detail::clip_336},
    {"llava-v1.5-13b", "llava_1_5_13b", published_form::model, "Vicuna-13B v1.5", detail::clip_336},
    {"llava-v1.5-7b-lora", "llava_1_5_7b", published_form::adapter, "Vicuna-7B v1.5", detail::clip_336},
    {"llava-v1.5-13b-lora", "llava_1_5_13b", published_form::adapter, "Vicuna-13B v1.5", detail::clip_336},
    {"llava-v1.5-mlp2x-336px-pretrain-vicuna-7b-v1.5", "llava_1_5_7b", published_form::projector, "Vicuna-7B v1.5",
     detail::clip_336},
    {"llava-v1.5-mlp2x-336px-pretrain-vicuna-13b-v1.5", "llava_1_5_13b", published_form::projector, "Vicuna-13B v1.5",
     detail::clip_336},
    // LLaVA v1
    {"llava-v1-0719-336px-lora-vicuna-13b-v1.3", "llava_1_336_13b", published_form::adapter, "Vicuna-13B v1.3",
     detail::clip_336},
    {"llava-v1-0719-336px-lora-merge-vicuna-13b-v1.3", "llava_1_336_13b", published_form::model, "Vicuna-13B v1.3",
     detail::clip_336},
    {"llava-llama-2-13b-chat-lightning-preview", "llava_llama_2_13b", published_form::model, "Llama-2-13B-chat",
     detail::clip_224},
    {"llava-llama-2-7b-chat-lightning-lora-preview", "llava_llama_2_7b", published_form::adapter, "Llama-2-7B-chat",
     detail::clip_224},
    {"llava-lcs558k-scienceqa-vicuna-13b-v1.3", "", published_form::model, "Vicuna-13B v1.3", detail::clip_224},
    {"LLaVA-Lightning-MPT-7B-preview", "llava_mpt_7b", published_form::model, "MPT-7B-chat", detail::clip_224},
    {"LLaVA-13b-delta-v1-1", "llava_1_13b", published_form::delta, "LLaMA-13B", detail::clip_224},
    {"LLaVA-Lightning-7B-delta-v1-1", "llava_1_7b", published_form::delta, "LLaMA-7B", detail::clip_224},
    {"LLaVA-13b-delta-v0", "llava_0_13b", published_form::delta, "LLaMA-13B", detail::clip_224},
    {"LLaVA-13b-delta-v0-science_qa", "llava_0_13b", published_form::delta, "LLaMA-13B", detail::clip_224},
    {"LLaVA-7b-delta-v0", "llava_0_7b", published_form::delta, "LLaMA-7B", detail::clip_224},
    // Projectors of LLaVA v1
    {"llava-pretrain-llama-2-7b-chat", "llava_llama_2_7b", published_form::projector, "Llama-2-7B-chat",
     detail::clip_224},
    {"llava-pretrain-llama-2-13b-chat", "llava_llama_2_13b", published_form::projector, "Llama-2-13B-chat",
     detail::clip_224},
    {"llava-pretrain-vicuna-7b-v1.3", "llava_1_7b", published_form::projector, "Vicuna-7B v1.3", detail::clip_224},
    {"llava-pretrain-vicuna-13b-v1.3", "llava_1_13b", published_form::projector, "Vicuna-13B v1.3", detail::clip_224},
    {"llava-336px-pretrain-llama-2-7b-chat", "", published_form::projector, "Llama-2-7B-chat", detail::clip_336},
    {"llava-336px-pretrain-llama-2-13b-chat", "", published_form::projector, "Llama-2-13B-chat", detail::clip_336},
    {"llava-336px-pretrain-vicuna-7b-v1.3", "", published_form::projector, "Vicuna-7B v1.3", detail::clip_336},
    {"llava-336px-pretrain-vicuna-13b-v1.3", "llava_1_336_13b", published_form::projector, "Vicuna-13B v1.3",
     detail::clip_336},
    // By others
    {"LLaVA-RLHF-7b-v1.5-224", "llava_rlhf_7b", published_form::model, "Vicuna-7B v1.5", detail::clip_224},
    {"LLaVA-RLHF-13b-v1.5-336", "llava_rlhf_13b", published_form::model, "Vicuna-13B v1.5", detail::clip_336},
    {"llava-med-v1.5-mistral-7b", "llava_med_1_5_7b", published_form::model, "Mistral-7B-Instruct-v0.2",
     detail::clip_336},
    {"BakLLaVA-1", "bakllava_7b", published_form::model, "Mistral-7B v0.1", detail::clip_336},
};

/// The upload that a name or a path ends with, in any case of letters; null when there is none.
constexpr const published_model* find_published(std::string_view name) {
  while (!name.empty() && name.back() == '/') name.remove_suffix(1);
  name = name.substr(name.find_last_of('/') + 1);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  for (const published_model& m : published_models) {
    bool same = m.name.size() == name.size();
    for (std::size_t i = 0; same && i < name.size(); ++i) same = lower(m.name[i]) == lower(name[i]);
    if (same) return &m;
  }
  return nullptr;
}

LLAVA_END
