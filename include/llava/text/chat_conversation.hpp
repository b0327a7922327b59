// SPDX-License-Identifier: Apache-2.0
/// chat_conversation: builds a prompt from turns with a folder's chat template, as transformers' apply_chat_template
/// does. The content of a message is a list of parts, images first, as for processors, or one string, as for
/// tokenizers.
///
/// A template may support only one of the two. The other is tried after an error, or if the prompt lacks the images or
/// the last question. `<image>` on a line of its own at the start of a turn is a part; elsewhere it stays in the text.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/conversation_choice.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

namespace detail {
class chat_renderer;
}

/// A conversation with a chat template. Immutable; copies share the template. If the template cannot be parsed, every
/// try_prompt() returns the error.
class chat_conversation {
 public:
  /// `tokens`: names such as "bos_token", with their texts.
  chat_conversation(const chat_template_text& about, std::vector<std::pair<std::string, std::string>> tokens);

  result<std::string> try_prompt(std::span<const message> turns) const;

 private:
  std::shared_ptr<const detail::chat_renderer> renderer_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/chat_conversation_inl.hpp>
#endif
