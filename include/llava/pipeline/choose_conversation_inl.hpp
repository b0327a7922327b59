// SPDX-License-Identifier: Apache-2.0
/// Definitions of choose_conversation.hpp.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <llava/pipeline/choose_conversation.hpp>

LLAVA_BEGIN

namespace detail {

LLAVA_INLINE chat_conversation own_conversation(const chat_template_text& own, const tokenizer& words) {
  std::vector<std::pair<std::string, std::string>> tokens{{"image_token", std::string(image_marker)}};
  for (const auto& [name, id] : {std::pair("bos_token", words.bos()), std::pair("eos_token", words.eos()),
                                 std::pair("unk_token", words.unk()), std::pair("pad_token", words.pad())})
    if (id >= 0) tokens.emplace_back(name, words.piece(id));
  return chat_conversation(own, std::move(tokens));
}

}  // namespace detail

LLAVA_END
