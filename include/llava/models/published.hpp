// SPDX-License-Identifier: Apache-2.0
/// published_models: the uploads of LLaVA by their names: which type describes them, what they were trained from, what
/// one needs beside their files, and their licence. The table is for people: nothing is opened by it, since every
/// folder's own config.json decides. Names have no owner ("liuhaotian/").
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
  /// The licence that its card states; "…, of its base": that of the base, which LLaVA's documents ask to comply with,
  /// because the card names it or was not seen.
  std::string_view licence;
};

namespace detail {
inline constexpr std::string_view clip_224 = "openai/clip-vit-large-patch14",
                                  clip_336 = "openai/clip-vit-large-patch14-336",
                                  siglip_384 = "google/siglip-so400m-patch14-384";
namespace licences {
inline constexpr std::string_view apache = "Apache-2.0", apache_of_base = "Apache-2.0, of its base",
                                  llama_2 = "Llama 2 Community License",
                                  llama_2_of_base = "Llama 2 Community License, of its base",
                                  llama_3 = "Meta Llama 3 Community License; research only", mpt = "CC BY-NC-SA 4.0",
                                  qwen = "Tongyi Qianwen License Agreement, of its base",
                                  vicuna_1 = "non-commercial, of its base",
                                  delta = "Apache-2.0; its base: LLaMA's non-commercial licence",
                                  delta_of_base = "LLaMA's non-commercial licence, of its base",
                                  med = "Apache-2.0, of its base; research only, no clinical use";
}  // namespace licences
}  // namespace detail

inline constexpr published_model published_models[] = {
    // LLaVA-1.6: any resolution
    {"llava-v1.6-vicuna-7b", "llava_1_6_vicuna_7b", published_form::model, "Vicuna-7B v1.5", "",
     detail::licences::llama_2_of_base},
    {"llava-v1.6-vicuna-13b", "llava_1_6_vicuna_13b", published_form::model, "Vicuna-13B v1.5", "",
     detail::licences::llama_2_of_base},
    {"llava-v1.6-mistral-7b", "llava_1_6_mistral_7b", published_form::model, "Mistral-7B-Instruct-v0.2", "",
     detail::licences::apache},
    {"llava-v1.6-34b", "llava_1_6_34b", published_form::model, "Nous-Hermes-2-Yi-34B", "",
     detail::licences::apache_of_base},
    // LLaVA-NeXT
    {"llama3-llava-next-8b", "llava_next_llama_3_8b", published_form::model, "Meta-Llama-3-8B-Instruct", "",
     detail::licences::llama_3},
    {"llava-next-72b", "llava_next_qwen_72b", published_form::model, "Qwen1.5-72B-Chat", "", detail::licences::qwen},
    {"llava-next-110b", "llava_next_qwen_110b", published_form::model, "Qwen1.5-110B-Chat", "", detail::licences::qwen},
    {"llava-next-interleave-qwen-0.5b", "llava_next_interleave_qwen_0_5b", published_form::model, "Qwen1.5-0.5B-Chat",
     detail::siglip_384, detail::licences::qwen},
    {"llava-next-interleave-qwen-7b", "llava_next_interleave_qwen_7b", published_form::model, "Qwen1.5-7B-Chat",
     detail::siglip_384, detail::licences::qwen},
    {"LLaVA-NeXT-Video-7B", "llava_next_video_7b", published_form::model, "Vicuna-7B v1.5", "",
     detail::licences::llama_2_of_base},
    {"LLaVA-NeXT-Video-7B-DPO", "llava_next_video_7b", published_form::model, "Vicuna-7B v1.5", "",
     detail::licences::llama_2_of_base},
    {"LLaVA-NeXT-Video-7B-32K", "llava_1_6_mistral_7b", published_form::model, "Mistral-7B-Instruct-v0.2", "",
     detail::licences::apache_of_base},
    {"LLaVA-NeXT-Video-34B", "llava_next_video_34b", published_form::model, "Nous-Hermes-2-Yi-34B", "",
     detail::licences::apache_of_base},
    {"LLaVA-NeXT-Video-34B-DPO", "llava_next_video_34b", published_form::model, "Nous-Hermes-2-Yi-34B", "",
     detail::licences::apache_of_base},
    {"LLaVA-NeXT-Video-32B-Qwen", "llava_next_video_qwen_32b", published_form::model, "Qwen1.5-32B-Chat",
     detail::siglip_384, detail::licences::qwen},
    // LLaVA-1.5
    {"llava-v1.5-7b", "llava_1_5_7b", published_form::model, "Vicuna-7B v1.5", detail::clip_336,
     detail::licences::llama_2},
    {"llava-v1.5-13b", "llava_1_5_13b", published_form::model, "Vicuna-13B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    {"llava-v1.5-7b-lora", "llava_1_5_7b", published_form::adapter, "Vicuna-7B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    {"llava-v1.5-13b-lora", "llava_1_5_13b", published_form::adapter, "Vicuna-13B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    {"llava-v1.5-mlp2x-336px-pretrain-vicuna-7b-v1.5", "llava_1_5_7b", published_form::projector, "Vicuna-7B v1.5",
     detail::clip_336, detail::licences::llama_2},
    {"llava-v1.5-mlp2x-336px-pretrain-vicuna-13b-v1.5", "llava_1_5_13b", published_form::projector, "Vicuna-13B v1.5",
     detail::clip_336, detail::licences::llama_2_of_base},
    {"llava-v1.5-7b-s2-lora", "llava_1_5_s2_7b", published_form::adapter, "Vicuna-7B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    {"llava-v1.5-13b-s2-lora", "llava_1_5_s2_13b", published_form::adapter, "Vicuna-13B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    // LLaVA v1
    {"llava-v1-0719-336px-lora-vicuna-13b-v1.3", "llava_1_336_13b", published_form::adapter, "Vicuna-13B v1.3",
     detail::clip_336, detail::licences::vicuna_1},
    {"llava-v1-0719-336px-lora-merge-vicuna-13b-v1.3", "llava_1_336_13b", published_form::model, "Vicuna-13B v1.3",
     detail::clip_336, detail::licences::vicuna_1},
    {"llava-llama-2-13b-chat-lightning-preview", "llava_llama_2_13b", published_form::model, "Llama-2-13B-chat",
     detail::clip_224, detail::licences::llama_2_of_base},
    {"llava-llama-2-7b-chat-lightning-lora-preview", "llava_llama_2_7b", published_form::adapter, "Llama-2-7B-chat",
     detail::clip_224, detail::licences::llama_2_of_base},
    {"llava-lcs558k-scienceqa-vicuna-13b-v1.3", "llava_1_13b", published_form::model, "Vicuna-13B v1.3",
     detail::clip_224, detail::licences::vicuna_1},
    {"LLaVA-Lightning-MPT-7B-preview", "llava_mpt_7b", published_form::model, "MPT-7B-chat", detail::clip_224,
     detail::licences::mpt},
    {"LLaVA-13b-delta-v1-1", "llava_1_13b", published_form::delta, "LLaMA-13B", detail::clip_224,
     detail::licences::delta},
    {"LLaVA-Lightning-7B-delta-v1-1", "llava_1_7b", published_form::delta, "LLaMA-7B", detail::clip_224,
     detail::licences::delta_of_base},
    {"LLaVA-13b-delta-v0", "llava_0_13b", published_form::delta, "LLaMA-13B", detail::clip_224,
     detail::licences::delta_of_base},
    {"LLaVA-13b-delta-v0-science_qa", "llava_0_13b", published_form::delta, "LLaMA-13B", detail::clip_224,
     detail::licences::delta_of_base},
    {"LLaVA-7b-delta-v0", "llava_0_7b", published_form::delta, "LLaMA-7B", detail::clip_224, detail::licences::delta},
    // Projectors of LLaVA v1
    {"llava-pretrain-llama-2-7b-chat", "llava_llama_2_7b", published_form::projector, "Llama-2-7B-chat",
     detail::clip_224, detail::licences::llama_2_of_base},
    {"llava-pretrain-llama-2-13b-chat", "llava_llama_2_13b", published_form::projector, "Llama-2-13B-chat",
     detail::clip_224, detail::licences::llama_2_of_base},
    {"llava-pretrain-vicuna-7b-v1.3", "llava_1_7b", published_form::projector, "Vicuna-7B v1.3", detail::clip_224,
     detail::licences::vicuna_1},
    {"llava-pretrain-vicuna-13b-v1.3", "llava_1_13b", published_form::projector, "Vicuna-13B v1.3", detail::clip_224,
     detail::licences::vicuna_1},
    {"llava-336px-pretrain-llama-2-7b-chat", "llava_llama_2_336_7b", published_form::projector, "Llama-2-7B-chat",
     detail::clip_336, detail::licences::llama_2_of_base},
    {"llava-336px-pretrain-llama-2-13b-chat", "llava_llama_2_336_13b", published_form::projector, "Llama-2-13B-chat",
     detail::clip_336, detail::licences::llama_2_of_base},
    {"llava-336px-pretrain-vicuna-7b-v1.3", "llava_1_336_7b", published_form::projector, "Vicuna-7B v1.3",
     detail::clip_336, detail::licences::vicuna_1},
    {"llava-336px-pretrain-vicuna-13b-v1.3", "llava_1_336_13b", published_form::projector, "Vicuna-13B v1.3",
     detail::clip_336, detail::licences::vicuna_1},
    // By others
    {"LLaVA-RLHF-7b-v1.5-224", "llava_rlhf_7b", published_form::model, "Vicuna-7B v1.5", detail::clip_224,
     detail::licences::llama_2_of_base},
    {"LLaVA-RLHF-13b-v1.5-336", "llava_rlhf_13b", published_form::model, "Vicuna-13B v1.5", detail::clip_336,
     detail::licences::llama_2_of_base},
    {"llava-med-v1.5-mistral-7b", "llava_med_1_5_7b", published_form::model, "Mistral-7B-Instruct-v0.2",
     detail::clip_336, detail::licences::med},
    {"BakLLaVA-1", "bakllava_7b", published_form::model, "Mistral-7B v0.1", detail::clip_336,
     detail::licences::apache_of_base},
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
