// SPDX-License-Identifier: Apache-2.0
/// The styles of conversation templates: how the texts of a template T and turns become a prompt, and where an answer
/// is cut. A style is a type with prompt(texts, turns) and stop(texts): code that is compiled once, for all its
/// templates.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Who speaks. `system` stands first in a conversation, if at all; `tool` is what a tool answered, where a template
/// knows it.
enum class role : std::uint8_t { user, assistant, system, tool };

/// One turn of a conversation; without text it is to be answered.
struct message {
  llava::role from = role::user;
  std::string text;  ///< empty: to be answered
  int images = -1;   ///< images that stand in it; −1: one for each `<image>`
};

/// What stands for an image in the text of a prompt.
inline constexpr std::string_view image_marker = "<image>";

/// How many `<image>` stand in a text.
inline int count_image_markers(std::string_view text) {
  int n = 0;
  for (std::size_t at = text.find(image_marker); at != std::string_view::npos;
       at = text.find(image_marker, at + image_marker.size()))
    ++n;
  return n;
}

/// How many images stand in a turn.
inline std::size_t images_in(const message& turn) {
  return static_cast<std::size_t>(turn.images < 0 ? count_image_markers(turn.text) : turn.images);
}

/// What a style is given of a template.
struct template_texts {
  std::string_view system, separator, separator2;
  std::span<const std::string_view, 2> roles;            ///< by `role`
  std::span<const std::string_view> demonstration = {};  ///< turns that come before every conversation
  std::string_view system_role = {};                     ///< stands before the system text
};
/// The texts of template T: its static members of these names; `demonstration` and `system_role` may be absent.
template <class T>
constexpr template_texts texts_of() {
  template_texts texts{T::system, T::separator, T::separator2, T::roles};
  if constexpr (requires { T::demonstration; }) texts.demonstration = T::demonstration;
  if constexpr (requires { T::system_role; }) texts.system_role = T::system_role;
  return texts;
}

namespace conversation_styles {

/// "system###Human: text###Assistant:"
struct single {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "system USER: text ASSISTANT: text</s>USER: …": turns end with the first and the second separator in turn.
struct two {
  static std::string_view stop(const template_texts& t) { return t.separator2; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "system<|im_end|>role text<|im_end|>…": roles bring their own line ends.
struct mpt {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "[INST] <<SYS>>…<</SYS>> text [/INST] text </s><s>[INST] …"; the first separator is taken off the front again.
struct llama_2 {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// Texts alone, each with its separator.
struct plain {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

}  // namespace conversation_styles

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/conversation_styles_inl.hpp>
#endif
