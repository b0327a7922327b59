// SPDX-License-Identifier: Apache-2.0
/// Chooses the conversation template of a model.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/chat_conversation.hpp>
#include <llava/text/conversation.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

namespace detail {
/// A folder's own chat template, with the texts of the special tokens that it may use.
LLAVA_INLINE chat_conversation own_conversation(const chat_template_text& own, const tokenizer& words);

template <class Conversation>
result<void> try_choose_template(Conversation& conversation, model_description& d, const tokenizer& words,
                                 std::string_view asked) {
  conversation_choice& c = d.conversation;
  if (!asked.empty()) {
    if constexpr (requires { conversation.choose(asked); }) {
      if (!conversation.choose(asked))
        return fail(errc::not_found,
                    text_of("llava: no conversation template is called '", asked, "'; known: ", conversation.names()));
      c = {std::string(asked), "it was requested", false, {}};
      return {};
    } else {
      return fail(errc::unsupported,
                  "llava: this model's type fixes its conversation template; open it as llava::any to choose one");
    }
  }
  if constexpr (requires { conversation.own(); }) {
    if (c.own.text.empty()) {
      conversation.choose(c.name);
    } else {
      conversation.choose(detail::own_conversation(c.own, words));
    }
    c.name = conversation.name();
  } else {
    c.own = {};
    if constexpr (requires { conversation.choose(c.name); })
      if (conversation.choose(c.name)) return {};
    c.name = detail::form_of_conversation(conversation).name;
    c.reason = "the model's type fixes it", c.guessed = false;
  }
  return {};
}

/// Adds the token that ends an answer of this template, if the tokenizer has it.
LLAVA_INLINE void add_stop_token(std::string_view stop_token, const tokenizer& words, model_description& d);
}  // namespace detail

/// Chooses the template with the name `asked`, or else the folder's, if the model's type leaves the choice open, and
/// records it in the description, with the token that ends its answers. Errors: an unknown name, or a type that fixes
/// the template.
template <class Conversation>
result<void> try_choose_conversation(Conversation& conversation, model_description& d, const tokenizer& words,
                                     std::string_view asked) {
  LLAVA_CHECK(detail::try_choose_template(conversation, d, words, asked));
  if constexpr (requires { conversation.own(); })
    if (conversation.own()) return {};
  detail::add_stop_token(detail::form_of_conversation(conversation).stop_token, words, d);
  return {};
}

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/choose_conversation_inl.hpp>
#endif
