// SPDX-License-Identifier: Apache-2.0
/// try_prepare: the tokens of a prompt, before anything is computed for it.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/image/visual.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

class opened_model;

/// The tokens of a prompt and the images and videos that they refer to.
struct prepared_prompt {
  std::vector<prompt_token> tokens;
  std::vector<visual> images;
};

/// The prompt of a conversation. Only the `<image>` of turns with images are places of images.
struct chat_prompt {
  std::string text{};
  std::string stand_in{};         ///< what the text has in place of each other `<image>`; empty: nothing
  bool by_chat_template = false;  ///< a template of the model has written it
};

/// Returns the prompt of these turns. A question that is to be answered is followed by an empty turn of the assistant.
LLAVA_INLINE result<chat_prompt> try_chat_prompt(const opened_model& model, std::span<const message> turns);

/// Returns every position of a prompt. Errors: the model takes no images or videos, the prompt does not have one
/// `<image>` for each, it is empty or longer than the context.
LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, const chat_prompt& prompt,
                                                 std::vector<visual> images);
/// The same for a prompt of the caller. With images each of its `<image>` is the place of one.
LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, std::string_view prompt,
                                                 std::vector<visual> images);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/prepare_inl.hpp>
#endif
