// SPDX-License-Identifier: Apache-2.0
/// The conversation templates of LLaVA's conversation.py, and of LLaVA-NeXT's. Each is a struct with its texts and a
/// style. A `stop_token` ends an answer, beside the checkpoint's own.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

namespace conversation_texts {
inline constexpr std::string_view human =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions.";
inline constexpr std::string_view user =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions.";
inline constexpr std::string_view marked =
    "A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand the "
    "visual content that the user provides, and assist the user with a variety of tasks using natural language.The "
    "visual content will be provided with the following format: <Image>visual content</Image>.";
inline constexpr std::string_view language_and_vision =
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language.";
inline constexpr std::string_view llama_2_safety =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. "
    "Please ensure that your responses are socially unbiased and positive in nature.\n\nIf a question does not make "
    "any sense, or is not factually coherent, explain why instead of answering something not correct. If you don't "
    "know the answer to a question, please don't share false information.";
inline constexpr std::string_view energy_question =
    "What are the key differences between renewable and non-renewable energy sources?";
inline constexpr std::string_view energy_answer =
    "Renewable energy sources are those that can be replenished naturally in a relatively short amount of time, such "
    "as solar, wind, hydro, geothermal, and biomass. Non-renewable energy sources, on the other hand, are finite and "
    "will eventually be depleted, such as coal, oil, and natural gas. Here are some key differences between "
    "renewable and non-renewable energy sources:\n1. Availability: Renewable energy sources are virtually "
    "inexhaustible, while non-renewable energy sources are finite and will eventually run out.\n2. Environmental "
    "impact: Renewable energy sources have a much lower environmental impact than non-renewable sources, which can "
    "lead to air and water pollution, greenhouse gas emissions, and other negative effects.\n3. Cost: Renewable "
    "energy sources can be more expensive to initially set up, but they typically have lower operational costs than "
    "non-renewable sources.\n4. Reliability: Renewable energy sources are often more reliable and can be used in "
    "more remote locations than non-renewable sources.\n5. Flexibility: Renewable energy sources are often more "
    "flexible and can be adapted to different situations and needs, while non-renewable sources are more rigid and "
    "inflexible.\n6. Sustainability: Renewable energy sources are more sustainable over the long term, while "
    "non-renewable sources are not, and their depletion can lead to economic and social instability.\n";
}  // namespace conversation_texts

/// @name Templates
/// Named as in the reference's conv_templates.
/// @{

/// LLaVA-1.5 in the reference's evaluation scripts and in transformers' chat template.
struct vicuna_v1 {
  static constexpr std::string_view name = "vicuna_v1", system = conversation_texts::user, separator = " ",
                                    separator2 = "</s>";
  static constexpr std::string_view roles[] = {"USER", "ASSISTANT"};
  using style = conversation_styles::two;
};
/// Another name of vicuna_v1.
struct v1 : vicuna_v1 {
  static constexpr std::string_view name = "v1";
};
/// LLaVA-1.5 in the command line and the web demo: "a curious human".
struct llava_v1 : vicuna_v1 {
  static constexpr std::string_view name = "llava_v1", system = conversation_texts::human;
};
/// Vicuna after the first stage of training; images have a turn of their own.
struct v1_mmtag : vicuna_v1 {
  static constexpr std::string_view name = "v1_mmtag", system = conversation_texts::marked;
  static constexpr bool image_turn = true;
};
/// LLaVA before Vicuna v1.
struct llava_v0 {
  static constexpr std::string_view name = "llava_v0", system = conversation_texts::human, separator = "###",
                                    separator2 = "";
  static constexpr std::string_view roles[] = {"Human", "Assistant"};
  using style = conversation_styles::single;
};
/// llava_v0 in which images have a turn of their own.
struct v0_mmtag : llava_v0 {
  static constexpr std::string_view name = "v0_mmtag", system = conversation_texts::marked;
  static constexpr bool image_turn = true;
};
/// Vicuna v0, with a demonstration in front.
struct v0 : llava_v0 {
  static constexpr std::string_view name = "v0";
  static constexpr std::string_view demonstration[] = {conversation_texts::energy_question,
                                                       conversation_texts::energy_answer};
};
/// Another name of v0.
struct default_v0 : v0 {
  static constexpr std::string_view name = "default";
};
/// LLaVA on Llama 2 chat.
struct llava_llama_2 {
  static constexpr std::string_view name = "llava_llama_2", system = conversation_texts::language_and_vision,
                                    separator = "<s>", separator2 = "</s>";
  static constexpr std::string_view roles[] = {"USER", "ASSISTANT"};
  using style = conversation_styles::llama_2;
};
/// Llama 2 chat with its own system text.
struct llama_2 : llava_llama_2 {
  static constexpr std::string_view name = "llama_2", system = conversation_texts::llama_2_safety;
};
/// Mistral instruct: the style of Llama 2 without system text and first separator.
struct mistral_instruct : llava_llama_2 {
  static constexpr std::string_view name = "mistral_instruct", system = "", separator = "";
};
/// ChatML: LLaVA-1.6 34B.
struct chatml_direct {
  static constexpr std::string_view name = "chatml_direct", system = "Answer the questions.",
                                    system_role = "<|im_start|>system\n", separator = "<|im_end|>", separator2 = "";
  static constexpr std::string_view roles[] = {"<|im_start|>user\n", "<|im_start|>assistant\n"};
  using style = conversation_styles::mpt;
};
/// Another name of chatml_direct.
struct mistral_direct : chatml_direct {
  static constexpr std::string_view name = "mistral_direct";
};
/// MPT chat: ChatML with a longer system text.
struct mpt : chatml_direct {
  static constexpr std::string_view name = "mpt";
  static constexpr std::string_view system =
      "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful "
      "and honest answers.";
};
/// LLaVA-NeXT on Qwen1.5: ChatML.
struct qwen_1_5 : chatml_direct {
  static constexpr std::string_view name = "qwen_1_5", system = "You are a helpful assistant.";
  using style = conversation_styles::chatml;
};
/// LLaVA-NeXT on Qwen2; another name of qwen_1_5.
struct qwen_2 : qwen_1_5 {
  static constexpr std::string_view name = "qwen_2";
};
/// LLaVA-NeXT on Qwen2.5.
struct qwen_2_5 : qwen_1_5 {
  static constexpr std::string_view name = "qwen_2_5";
  static constexpr std::string_view system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
};
/// LLaVA-NeXT on Llama 3.
struct llava_llama_3 {
  static constexpr std::string_view name = "llava_llama_3", system = conversation_texts::language_and_vision,
                                    separator = "<|eot_id|>", separator2 = "";
  static constexpr std::string_view system_role = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n";
  static constexpr std::string_view roles[] = {"<|start_header_id|>user<|end_header_id|>\n\n",
                                               "<|start_header_id|>assistant<|end_header_id|>\n\n"};
  static constexpr std::string_view stop_token = separator;
  using style = conversation_styles::llama_3;
};
/// The first stage of training. User turns only: the reference has no second separator and fails on an answer.
struct plain {
  static constexpr std::string_view name = "plain", system = "", separator = "\n", separator2 = "";
  static constexpr std::string_view roles[] = {"", ""};
  using style = conversation_styles::plain;
};
/// Another name of plain.
struct v0_plain : plain {
  static constexpr std::string_view name = "v0_plain";
};
/// @}

LLAVA_END
