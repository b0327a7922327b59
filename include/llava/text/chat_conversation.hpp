// SPDX-License-Identifier: Apache-2.0
/// chat_conversation: turns become a prompt by a folder's chat template, as transformers' apply_chat_template gives it
/// the messages: what a turn says as parts, its images first, as processors do; or as one text, as tokenizers do.
///
/// A template may know one of the two only. The other is tried after a problem, or when what comes out lacks the
/// images or the last question. `<image>` on a line of its own in front of a turn is a part; elsewhere in the turn it
/// stays where the person has put it.
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

/// A conversation by a chat template. Immutable; copies share the template. One that cannot be read is an error of
/// every prompt, not before.
class chat_conversation {
 public:
  /// `tokens`: "bos_token" and the like, with their texts.
  chat_conversation(const chat_template_text& about, std::vector<std::pair<std::string, std::string>> tokens);

  result<std::string> try_prompt(std::span<const message> turns) const;

 private:
  std::shared_ptr<const detail::chat_renderer> renderer_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/chat_conversation_inl.hpp>
#endif
