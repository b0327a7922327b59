// SPDX-License-Identifier: Apache-2.0
/// From what a folder asks for to the conversation of a model.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/one_of.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/chat_conversation.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// The conversation that was asked for by name, or else the one that the folder asks for, where the model's type leaves
/// it open; the description says which it became. Errors: a name that is not known, or a type that leaves nothing open.
template <class Conversation>
result<void> try_choose_conversation(Conversation& conversation, model_description& d, const tokenizer& words,
                                     std::string_view asked) {
  conversation_choice& c = d.conversation;
  if (!asked.empty()) {
    if constexpr (requires { conversation.choose(asked); }) {
      if (!conversation.choose(asked))
        return fail(errc::not_found,
                    text_of("llava: no conversation template is called '", asked, "'; known: ", conversation.names()));
      c = {std::string(asked), "it was asked for", false, {}};
      return {};
    } else {
      return fail(errc::unsupported,
                  "llava: this model's conversation template is part of its type; llava::any leaves it open");
    }
  }
  if constexpr (requires { conversation.own(); }) {
    if (c.own.text.empty()) {
      conversation.choose(c.name);
    } else {
      std::vector<std::pair<std::string, std::string>> tokens{{"image_token", std::string(image_marker)}};
      for (const auto& [name, id] : {std::pair("bos_token", words.bos()), std::pair("eos_token", words.eos()),
                                     std::pair("unk_token", words.unk()), std::pair("pad_token", words.pad())})
        if (id >= 0) tokens.emplace_back(name, words.piece(id));
      conversation.choose(chat_conversation(c.own, std::move(tokens)));
    }
    c.name = conversation.name();
  } else {
    c.own = {};
    if constexpr (requires { conversation.choose(c.name); })
      if (conversation.choose(c.name)) return {};
    c.name = visit_choice(conversation, [](const auto& t) { return std::string(t.name); });
    c.reason = "the model's type says so", c.guessed = false;
  }
  return {};
}

LLAVA_END
