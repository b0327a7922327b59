// SPDX-License-Identifier: Apache-2.0
/// Definitions of choose_conversation.hpp.
#pragma once
#include <algorithm>
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

LLAVA_INLINE void add_stop_token(std::string_view stop_token, const tokenizer& words, model_description& d) {
  if (stop_token.empty()) return;
  const auto id = words.find(stop_token);
  if (id && std::find(d.eos.begin(), d.eos.end(), *id) == d.eos.end()) d.eos.push_back(*id);
}

}  // namespace detail

LLAVA_END
