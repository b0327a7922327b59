// SPDX-License-Identifier: Apache-2.0
/// Conversation templates: how turns become the text of a prompt, exactly as LLaVA's conversation.py builds it. A
/// template is a struct: its texts, and a style, which is a type too. any_conversation is one of them, chosen by
/// name; of_checkpoint is what a folder asks for, one of these or its own chat template.
///
/// A turn without text is to be answered: the prompt ends with its role. Turns alternate and begin with the user;
/// which separator ends a turn goes by its place, as in the reference. A turn of the role `system` in front takes the
/// place of the template's system text.
#pragma once
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/base/macros.hpp>
#include <llava/base/one_of.hpp>
#include <llava/text/conversation_styles.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace conversation_texts {
inline constexpr std::string_view human =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite "
    "answers to the human's questions.";
inline constexpr std::string_view user =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite "
    "answers to the user's questions.";
inline constexpr std::string_view marked =
    "A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand the "
    "visual content "
    "that the user provides, and assist the user with a variety of tasks using natural language.The visual content "
    "will be provided "
    "with the following format: <Image>visual content</Image>.";
inline constexpr std::string_view language_and_vision =
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist "
    "the user with a variety of tasks using natural language.";
inline constexpr std::string_view llama_2_safety =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  "
    "Your answers should "
    "not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your "
    "responses are "
    "socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, "
    "explain why "
    "instead of answering something not correct. If you don't know the answer to a question, please don't share false "
    "information.";
inline constexpr std::string_view energy_question =
    "What are the key differences between renewable and non-renewable energy sources?";
inline constexpr std::string_view energy_answer =
    "Renewable energy sources are those that can be replenished naturally in a relatively short amount of time, such "
    "as solar, wind, "
    "hydro, geothermal, and biomass. Non-renewable energy sources, on the other hand, are finite and will eventually "
    "be depleted, such "
    "as coal, oil, and natural gas. Here are some key differences between renewable and non-renewable energy "
    "sources:\n1. Availability: "
    "Renewable energy sources are virtually inexhaustible, while non-renewable energy sources are finite and will "
    "eventually run out.\n2. "
    "Environmental impact: Renewable energy sources have a much lower environmental impact than non-renewable sources, "
    "which can lead to "
    "air and water pollution, greenhouse gas emissions, and other negative effects.\n3. Cost: Renewable energy sources "
    "can be more "
    "expensive to initially set up, but they typically have lower operational costs than non-renewable sources.\n4. "
    "Reliability: "
    "Renewable energy sources are often more reliable and can be used in more remote locations than non-renewable "
    "sources.\n5. "
    "Flexibility: Renewable energy sources are often more flexible and can be adapted to different situations and "
    "needs, while "
    "non-renewable sources are more rigid and inflexible.\n6. Sustainability: Renewable energy sources are more "
    "sustainable over the long "
    "term, while non-renewable sources are not, and their depletion can lead to economic and social instability.\n";
}  // namespace conversation_texts

/// @name Templates
/// Each by the name that the reference gives it in conv_templates.
/// @{

/// LLaVA-1.5, by the scripts that evaluate it; what transformers' chat template writes.
struct vicuna_v1 {
  static constexpr std::string_view name = "vicuna_v1", system = conversation_texts::user, separator = " ",
                                    separator2 = "</s>";
  static constexpr std::string_view roles[] = {"USER", "ASSISTANT"};
  using style = conversation_styles::two;
};
/// The same under its other name.
struct v1 : vicuna_v1 {
  static constexpr std::string_view name = "v1";
};
/// LLaVA-1.5, by the command line and the web demo: "a curious human".
struct llava_v1 : vicuna_v1 {
  static constexpr std::string_view name = "llava_v1", system = conversation_texts::human;
};
/// Vicuna after the first stage of training: pictures are a turn of their own.
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
/// The same with pictures as a turn of their own.
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
/// The same under its other name.
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
/// Mistral instruct: the form of Llama 2, nothing else.
struct mistral_instruct : llava_llama_2 {
  static constexpr std::string_view name = "mistral_instruct", system = "", separator = "";
};
/// ChatML, without roles in the text: LLaVA-1.6 34B.
struct chatml_direct {
  static constexpr std::string_view name = "chatml_direct", system = "Answer the questions.",
                                    system_role = "<|im_start|>system\n", separator = "<|im_end|>", separator2 = "";
  static constexpr std::string_view roles[] = {"<|im_start|>user\n", "<|im_start|>assistant\n"};
  using style = conversation_styles::mpt;
};
/// The same under its other name.
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
/// Of the training's first stage. Only a user's text: the reference has no second separator, and fails on an answer.
struct plain {
  static constexpr std::string_view name = "plain", system = "", separator = "\n", separator2 = "";
  static constexpr std::string_view roles[] = {"", ""};
  using style = conversation_styles::plain;
};
/// The same under its other name.
struct v0_plain : plain {
  static constexpr std::string_view name = "v0_plain";
};
/// @}

template <class T>
concept conversation_template = requires(std::span<const message> turns) {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::style::prompt(texts_of<T>(), turns) } -> std::convertible_to<std::string>;
  { T::style::stop(texts_of<T>()) } -> std::convertible_to<std::string_view>;
};

/// Templates to choose from, by the reference's names.
template <conversation_template... T>
struct conversation_list : one_of<T...> {
  using one_of<T...>::one_of;
  /// The template that the reference calls so; an error names those that there are.
  static result<conversation_list> try_named(std::string_view name) {
    return guarded([&]() -> result<conversation_list> {
      conversation_list found;
      if (found.choose(name)) return found;
      return fail(errc::not_found, text_of("llava: no conversation template is called '", name,
                                           "'; known: ", conversation_list::names()));
    });
  }
  std::string_view name() const {
    return this->visit([](const auto& t) -> std::string_view { return std::remove_cvref_t<decltype(t)>::name; });
  }
};

/// One of the reference's templates; at first the one that is the reference's default.
using any_conversation =
    conversation_list<vicuna_v1, v1, llava_v1, v1_mmtag, default_v0, v0, llava_v0, v0_mmtag, llava_llama_2, llama_2,
                      mistral_instruct, chatml_direct, mistral_direct, mpt, plain, v0_plain>;

/// The prompt that these turns become. Errors: a turn of a role that the template does not have; a folder's chat
/// template that is not known here, or refuses the conversation.
template <class T>
result<std::string> try_prompt(const T& conversation, std::span<const message> turns) {
  return guarded([&]() -> result<std::string> {
    if constexpr (requires { conversation.own(); })
      if (conversation.own()) return conversation.own()->try_prompt(turns);
    return visit_choice(conversation, [&](const auto& t) -> result<std::string> {
      using chosen = std::remove_cvref_t<decltype(t)>;
      template_texts texts = texts_of<chosen>();
      if (!turns.empty() && turns[0].from == role::system) {
        texts.system = turns[0].text;
        turns = turns.subspan(1);
      }
      for (const message& turn : turns)
        if (turn.from != role::user && turn.from != role::assistant)
          return fail(errc::unsupported,
                      text_of("llava: the conversation template ", chosen::name, " has no turns of the role ",
                              turn.from == role::tool ? "tool" : "system, but for the first"));
      return chosen::style::prompt(texts, turns);
    });
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
template <class T>
std::string prompt(const T& conversation, std::span<const message> turns) {
  return value_or_throw(try_prompt(conversation, turns));
}
#endif

/// The text at which the reference's programs cut an answer. Empty: there is none.
template <class T>
std::string_view stop_string(const T& conversation) {
  if constexpr (requires { conversation.own(); })
    if (conversation.own()) return {};
  return visit_choice(conversation, [](const auto& t) -> std::string_view {
    using chosen = std::remove_cvref_t<decltype(t)>;
    return chosen::style::stop(texts_of<chosen>());
  });
}

/// The turns of a conversation that was begun with a picture, as the reference's demo writes them: `<image>` at the
/// head of the first text, or a turn of its own in the templates that mark pictures with tags. `<image>` that the
/// person typed in the first text is taken out.
template <class T>
std::vector<message> with_image(const T& conversation, std::span<const message> turns) {
  std::vector<message> out(turns.begin(), turns.end());
  const std::size_t first = !out.empty() && out[0].from == role::system ? 1 : 0;
  if (out.size() <= first) return out;
  std::string text;
  for (std::string_view rest = out[first].text; !rest.empty();) {
    const std::size_t at = rest.find("<image>");
    text += rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 7);
  }
  visit_choice(conversation, [&](const auto& t) {
    if constexpr (requires { std::remove_cvref_t<decltype(t)>::image_turn; }) {
      out[first].text = std::string(stripped(text));
      out.insert(out.begin() + static_cast<std::ptrdiff_t>(first),
                 {{role::user, "<Image><image></Image>"}, {role::assistant, "Received."}});
    } else {
      out[first].text = "<image>\n" + std::string(stripped(text));
    }
  });
  return out;
}

/// The template that the reference's command line takes for a model of this name.
inline std::string_view conversation_of_model(std::string_view model_name) {
  std::string name(model_name);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  constexpr std::string_view rules[][2] = {{"llama-2", llava_llama_2::name},
                                           {"mistral", mistral_instruct::name},
                                           {"v1.6-34b", chatml_direct::name},
                                           {"v1", llava_v1::name},
                                           {"mpt", mpt::name}};
  for (const auto& [part, found] : rules)
    if (name.find(part) != std::string::npos) return found;
  return llava_v0::name;
}

LLAVA_END
