// SPDX-License-Identifier: Apache-2.0
/// turns_of_prompt: reads the text of a prompt back into turns, for servers that take messages instead of a prompt.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN
namespace serve {

/// Finds the template of conversation_templates.hpp that made the prompt, and returns the turns: a system turn if the
/// prompt has a system text, then user and assistant in turn, the last a user's. Any system text is recognised, or none
/// at all. Empty: no template makes this text, or its last turn is not one that the assistant is to answer.
///
/// A text that has a separator of its template in it cannot be told from a turn's end. The turns make the same prompt
/// all the same. Templates whose turns have no roles (plain) are not recognised.
std::optional<std::vector<message>> turns_of_prompt(std::string_view prompt);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/prompt_turns_inl.hpp>
#endif
