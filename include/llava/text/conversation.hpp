// SPDX-License-Identifier: Apache-2.0
/// Conversation templates: how turns become the text of a prompt, exactly as LLaVA's conversation.py builds it. A template
/// is a struct: its texts, and a style, which is a type too. any_conversation is one of them, chosen by name.
///
/// A turn without text is to be answered: the prompt ends with its role.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/base/one_of.hpp>

LLAVA_BEGIN

enum class role : std::uint8_t { user, assistant };

struct message {
  llava::role from = role::user;
  std::string text;  ///< empty: to be answered
};

namespace conversation_styles {

/// "system###Human: text###Assistant:"
struct single {
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out = std::string(T::system) + std::string(T::separator);
    for (const message& m : turns) {
      out.append(T::roles[static_cast<int>(m.from)]).append(":");
      if (!m.text.empty()) out.append(" ").append(m.text).append(T::separator);
    }
    return out;
  }
};

/// "system USER: text ASSISTANT: text</s>USER: …": turns end with the first and the second separator in turn.
struct two {
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out = std::string(T::system) + std::string(T::separator);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      out.append(T::roles[static_cast<int>(turns[i].from)]).append(":");
      if (!turns[i].text.empty()) out.append(" ").append(turns[i].text).append(i % 2 == 0 ? T::separator : T::separator2);
    }
    return out;
  }
};

/// "system<|im_end|>role text<|im_end|>…": roles bring their own line ends.
struct mpt {
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out = std::string(T::system) + std::string(T::separator);
    for (const message& m : turns) {
      out.append(T::roles[static_cast<int>(m.from)]);
      if (!m.text.empty()) out.append(m.text).append(T::separator);
    }
    return out;
  }
};

/// "[INST] <<SYS>>…<</SYS>> text [/INST] text </s><s>[INST] …"; the first separator is taken off the front again.
struct llama_2 {
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      if (turns[i].text.empty()) continue;
      std::string text = turns[i].text;
      if (i == 0 && !T::system.empty()) text = "<<SYS>>\n" + std::string(T::system) + "\n<</SYS>>\n\n" + text;
      if (i % 2 == 0) out.append(T::separator).append("[INST] ").append(text).append(" [/INST]");
      else out.append(" ").append(text).append(" ").append(T::separator2);
    }
    // The reference strips characters, not the text: any of the separator's.
    const std::size_t first = T::separator.empty() ? 0 : out.find_first_not_of(T::separator);
    return first == std::string::npos ? std::string() : out.substr(first);
  }
};

/// Texts alone, each with its separator.
struct plain {
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out(T::system);
    for (std::size_t i = 0; i < turns.size(); ++i)
      if (!turns[i].text.empty()) out.append(turns[i].text).append(i % 2 == 0 ? T::separator : T::separator2);
    return out;
  }
};

}  // namespace conversation_styles

namespace conversation_texts {
inline constexpr std::string_view human =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the human's questions.";
inline constexpr std::string_view user =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions.";
inline constexpr std::string_view marked =
    "A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand the visual content "
    "that the user provides, and assist the user with a variety of tasks using natural language.The visual content will be provided "
    "with the following format: <Image>visual content</Image>.";
inline constexpr std::string_view language_and_vision =
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist "
    "the user with a variety of tasks using natural language.";
inline constexpr std::string_view llama_2_safety =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  Your answers should "
    "not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses are "
    "socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why "
    "instead of answering something not correct. If you don't know the answer to a question, please don't share false information.";
}  // namespace conversation_texts

struct vicuna_v1 {
  static constexpr std::string_view name = "vicuna_v1", system = conversation_texts::user, separator = " ", separator2 = "</s>";
  static constexpr std::string_view roles[] = {"USER", "ASSISTANT"};
  using style = conversation_styles::two;
};
struct llava_v1 : vicuna_v1 {
  static constexpr std::string_view name = "llava_v1", system = conversation_texts::human;
};
struct v1_mmtag : vicuna_v1 {
  static constexpr std::string_view name = "v1_mmtag", system = conversation_texts::marked;
};
struct llava_v0 {
  static constexpr std::string_view name = "llava_v0", system = conversation_texts::human, separator = "###", separator2 = "";
  static constexpr std::string_view roles[] = {"Human", "Assistant"};
  using style = conversation_styles::single;
};
struct v0_mmtag : llava_v0 {
  static constexpr std::string_view name = "v0_mmtag", system = conversation_texts::marked;
};
struct llava_llama_2 {
  static constexpr std::string_view name = "llava_llama_2", system = conversation_texts::language_and_vision, separator = "<s>", separator2 = "</s>";
  static constexpr std::string_view roles[] = {"USER", "ASSISTANT"};
  using style = conversation_styles::llama_2;
};
struct llama_2 : llava_llama_2 {
  static constexpr std::string_view name = "llama_2", system = conversation_texts::llama_2_safety;
};
struct mistral_instruct : llava_llama_2 {
  static constexpr std::string_view name = "mistral_instruct", system = "", separator = "";
};
struct chatml_direct {
  static constexpr std::string_view name = "chatml_direct", system = "<|im_start|>system\nAnswer the questions.", separator = "<|im_end|>", separator2 = "";
  static constexpr std::string_view roles[] = {"<|im_start|>user\n", "<|im_start|>assistant\n"};
  using style = conversation_styles::mpt;
};
struct mistral_direct : chatml_direct {
  static constexpr std::string_view name = "mistral_direct";
};
struct mpt : chatml_direct {
  static constexpr std::string_view name = "mpt";
  static constexpr std::string_view system =
      "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers.";
};
struct plain {
  static constexpr std::string_view name = "plain", system = "", separator = "\n", separator2 = "";
  static constexpr std::string_view roles[] = {"", ""};
  using style = conversation_styles::plain;
};

template <class T>
concept conversation_template = requires(std::span<const message> turns) {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::style::template prompt<T>(turns) } -> std::convertible_to<std::string>;
};

template <class... T>
struct conversation_list : one_of<T...> {
  using one_of<T...>::one_of;
  /// All names, for errors.
  static std::string names() {
    std::string all;
    ((all += (all.empty() ? "" : ", ") + std::string(T::name)), ...);
    return all;
  }
};

/// One of the reference's templates.
using any_conversation = conversation_list<vicuna_v1, llava_v1, v1_mmtag, llava_v0, v0_mmtag, llava_llama_2, llama_2, mistral_instruct,
                                           chatml_direct, mistral_direct, mpt, plain>;

/// The prompt that these turns become.
template <class T>
std::string prompt(const T& conversation, std::span<const message> turns) {
  return visit_choice(conversation, [&](const auto& t) {
    using chosen = std::remove_cvref_t<decltype(t)>;
    return chosen::style::template prompt<chosen>(turns);
  });
}

LLAVA_END
