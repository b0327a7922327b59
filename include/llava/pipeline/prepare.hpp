// SPDX-License-Identifier: Apache-2.0
/// try_prepare: the tokens of a prompt, before anything is computed for it.
#pragma once
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/image/visual.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

class opened_model;

/// The tokens of a prompt and the images and videos that they refer to.
struct prepared_prompt {
  std::vector<prompt_token> tokens;
  std::vector<visual> images;
};

/// Returns every position of a prompt. `by_chat_template`: a template of the model has written it. Errors: the model
/// takes no images or videos, the prompt does not have one `<image>` for each, it is empty or longer than the context.
LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, std::string_view prompt,
                                                 std::vector<visual> images, bool by_chat_template = false);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/prepare_inl.hpp>
#endif
