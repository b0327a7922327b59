// SPDX-License-Identifier: Apache-2.0
/// From the text of a prompt to its tokens, images included: the splice.
///
/// llava-hf folders have a token `<image>`: the whole text is tokenised once and each such token becomes the rows of an
/// image. Original folders have none: the text is cut at `<image>`, every piece is tokenised for itself, and the BOS
/// of all but the first is dropped (LLaVA's tokenizer_image_token). Without an image `<image>` is text like any other
/// (R10).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/text/conversation_styles.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// What run_llava takes for it in a question.
inline constexpr std::string_view image_placeholder = "<image-placeholder>";
/// LLaVA's IMAGE_TOKEN_INDEX, where a folder has no token for it.
inline constexpr std::int32_t image_token_index = -200;

/// That the tokenizer has the tokens that config.json speaks of: `<image>` is the one that it says, and nothing else
/// is; `<im_start>` and `<im_end>` where images stand between them.
LLAVA_INLINE result<void> try_check_tokens(const tokenizer& words, const model_description& d, std::string_view folder);

/// A question with one `<image>` per image: as it places them itself, by `<image>` or by `<image-placeholder>`, or
/// else in front, each on a line. `start_end`: what is put for a placeholder or in front is
/// `<im_start><image><im_end>`, as in the reference (mm_use_im_start_end); `<image>` stays as it was written.
LLAVA_INLINE result<std::string> try_place_images(std::string_view question, std::size_t images,
                                                  bool start_end = false);

/// The ids of a prompt, one `image_token` per image: what the reference calls input_ids. In folders of transformers
/// a prompt that begins with BOS gets no second one; what a chat template wrote for a tokenizer alone gets none at
/// all.
LLAVA_INLINE std::vector<std::int32_t> prompt_ids(const tokenizer& words, const model_description& d,
                                                  std::string_view prompt, bool has_images,
                                                  bool by_chat_template = false);

/// Every position of the prompt: image i of the text becomes rows[i] positions.
LLAVA_INLINE result<std::vector<prompt_token>> try_splice(std::span<const std::int32_t> ids, std::int32_t image_token,
                                                          std::span<const int> rows);

/// That the model has a row of embeddings for every token. A tokenizer may know more: they do no harm until one is
/// used.
LLAVA_INLINE result<void> try_check_rows(const tokenizer& words, std::span<const prompt_token> tokens, int vocab);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/prompt_inl.hpp>
#endif
