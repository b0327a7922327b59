// SPDX-License-Identifier: Apache-2.0
/// The styles of conversation templates: how the texts of a template T and turns become a prompt, and where an answer is
/// cut. A style is a type with prompt<T>(turns) and stop<T>.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Who speaks.
enum class role : std::uint8_t { user, assistant };

/// One turn of a conversation; without text it is to be answered.
struct message {
  llava::role from = role::user;
  std::string text;  ///< empty: to be answered
};

namespace conversation_styles {

/// "system###Human: text###Assistant:"
struct single {
  template <class T>
  static constexpr std::string_view stop = T::separator;
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out = std::string(T::system) + std::string(T::separator);
    const auto say = [&out](role from, std::string_view text) {
      out.append(T::roles[static_cast<int>(from)]).append(":");
      if (!text.empty()) out.append(" ").append(text).append(T::separator);
    };
    if constexpr (requires { T::demonstration; }) {  // turns that come before every conversation
      role from = role::user;
      for (const std::string_view text : T::demonstration)
        say(from, text), from = from == role::user ? role::assistant : role::user;
    }
    for (const message& m : turns) say(m.from, m.text);
    return out;
  }
};

/// "system USER: text ASSISTANT: text</s>USER: …": turns end with the first and the second separator in turn.
struct two {
  template <class T>
  static constexpr std::string_view stop = T::separator2;
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out = std::string(T::system) + std::string(T::separator);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      out.append(T::roles[static_cast<int>(turns[i].from)]).append(":");
      if (!turns[i].text.empty())
        out.append(" ").append(turns[i].text).append(i % 2 == 0 ? T::separator : T::separator2);
    }
    return out;
  }
};

/// "system<|im_end|>role text<|im_end|>…": roles bring their own line ends.
struct mpt {
  template <class T>
  static constexpr std::string_view stop = T::separator;
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
  static constexpr std::string_view stop = T::separator;
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      if (turns[i].text.empty()) continue;
      std::string text = turns[i].text;
      if (i == 0 && !T::system.empty()) text = "<<SYS>>\n" + std::string(T::system) + "\n<</SYS>>\n\n" + text;
      if (i % 2 == 0)
        out.append(T::separator).append("[INST] ").append(text).append(" [/INST]");
      else
        out.append(" ").append(text).append(" ").append(T::separator2);
    }
    // The reference strips characters, not the text: any of the separator's.
    const std::size_t first = T::separator.empty() ? 0 : out.find_first_not_of(T::separator);
    return first == std::string::npos ? std::string() : out.substr(first);
  }
};

/// Texts alone, each with its separator.
struct plain {
  template <class T>
  static constexpr std::string_view stop = T::separator;
  template <class T>
  static std::string prompt(std::span<const message> turns) {
    std::string out(T::system);
    for (std::size_t i = 0; i < turns.size(); ++i)
      if (!turns[i].text.empty()) out.append(turns[i].text).append(i % 2 == 0 ? T::separator : T::separator2);
    return out;
  }
};

}  // namespace conversation_styles

LLAVA_END
