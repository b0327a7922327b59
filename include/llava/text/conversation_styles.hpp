// SPDX-License-Identifier: Apache-2.0
/// The styles of conversation templates. A style is a type with prompt(texts, turns), which builds a prompt from the
/// texts of a template, and stop(texts), which returns the text that ends an answer. Its code is compiled once for all
/// its templates.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The speaker of a turn. `system` is only the first turn, if present; `tool` is the answer of a tool, if the template
/// supports it.
enum class role : std::uint8_t { user, assistant, system, tool };

/// One turn of a conversation.
struct message {
  llava::role from = role::user;
  std::string text;  ///< empty: to be answered
  /// Number of images: each has an `<image>` in the text. 0: each `<image>` is text. −1: each has an image.
  int images = -1;
};

/// Marks an image in the text of a prompt; the second, in models with mm_use_im_start_end.
inline constexpr std::string_view image_marker = "<image>", tagged_image_marker = "<im_start><image><im_end>";
/// A token that LLaVA's program adds to the tokenizer of an original folder, without a use for it.
inline constexpr std::string_view image_patch = "<im_patch>";

/// Number of `<image>` in a text.
inline int count_image_markers(std::string_view text) {
  int n = 0;
  for (std::size_t at = text.find(image_marker); at != std::string_view::npos;
       at = text.find(image_marker, at + image_marker.size()))
    ++n;
  return n;
}

/// Number of images in a turn.
inline std::size_t images_in(const message& turn) {
  return static_cast<std::size_t>(turn.images < 0 ? count_image_markers(turn.text) : turn.images);
}

/// The texts of a template.
struct template_texts {
  std::string_view system, separator, separator2;
  std::span<const std::string_view, 2> roles;            ///< by `role`
  std::span<const std::string_view> demonstration = {};  ///< turns before every conversation
  std::string_view system_role = {};                     ///< precedes the system text
};
/// The texts of template T: its static members with these names; `demonstration` and `system_role` may be absent.
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

/// "system USER: text ASSISTANT: text</s>USER: …": turns end alternately with the first and the second separator.
struct two {
  static std::string_view stop(const template_texts& t) { return t.separator2; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "system<|im_end|>role text<|im_end|>…": roles include their newlines.
struct mpt {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// The style mpt with a newline after every separator, and nothing in place of an empty system text (LLaVA-NeXT's
/// CHATML).
struct chatml {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "<|begin_of_text|><|start_header_id|>system<|end_header_id|>…<|eot_id|>…": Llama 3's own chat template. White space
/// around texts is removed, and the prompt ends with the assistant's role even after an answer.
struct llama_3 {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// "[INST] <<SYS>>…<</SYS>> text [/INST] text </s><s>[INST] …"; the first separator is stripped from the front.
struct llama_2 {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

/// Only the texts, each with its separator.
struct plain {
  static std::string_view stop(const template_texts& t) { return t.separator; }
  static std::string prompt(const template_texts& t, std::span<const message> turns);
};

}  // namespace conversation_styles

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/conversation_styles_inl.hpp>
#endif
