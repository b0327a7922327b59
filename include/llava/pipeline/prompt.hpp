// SPDX-License-Identifier: Apache-2.0
/// Turns the text of a prompt into its tokens, images included.
///
/// llava-hf folders have a token `<image>`: the whole text is tokenised once and each such token becomes the rows of an
/// image. Original folders have none: the text is split at `<image>`, each piece is tokenised separately, and the BOS
/// of all but the first is dropped (LLaVA's tokenizer_image_token). Without an image `<image>` is plain text (R10). So
/// it is in the turns of a conversation that have none: the prompt has another text in its place, the stand-in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/image/visual.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/text/conversation_styles.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// Marks a video in the text of a prompt of transformers' LlavaNextVideo; everywhere else a video is `<image>`.
inline constexpr std::string_view video_marker = "<video>";
/// run_llava's alternative to `<image>` in a question.
inline constexpr std::string_view image_placeholder = "<image-placeholder>";
/// LLaVA's IMAGE_TOKEN_INDEX, for folders without an `<image>` token.
inline constexpr std::int32_t image_token_index = -200;

/// Checks that the tokenizer has the tokens that config.json names: `<image>` encodes to its image token, once.
/// `<im_start>` and `<im_end>` exist if images are placed between them.
LLAVA_INLINE result<void> try_check_tokens(const tokenizer& words, const model_description& d, std::string_view folder);

/// Returns a question with one `<image>` per image: where it has `<image>` or `<image-placeholder>`, or else in front,
/// each on a line. `start_end`: a placeholder or an image in front becomes `<im_start><image><im_end>`, as in the
/// reference (mm_use_im_start_end); a written `<image>` is unchanged.
LLAVA_INLINE result<std::string> try_place_images(std::string_view question, std::size_t images,
                                                  bool start_end = false);

/// Returns the sentence that LLaVA-NeXT's demo puts in front of a question about a video: its length and the times of
/// its frames.
LLAVA_INLINE std::string time_instruction(const video& v);

/// Returns the prompt with `<video>` in place of the `<image>` of each video, as transformers' processor expects.
LLAVA_INLINE std::string mark_videos(std::string_view prompt, std::span<const visual> images);

/// Returns the ids of a prompt, with one `image_token` per image: the reference's input_ids. In transformers folders a
/// prompt that begins with BOS gets no second one, and in those without a processor a prompt from a chat template gets
/// none. `stand_in`: what the prompt has in place of each `<image>` that is text; it is encoded as `<image>`.
LLAVA_INLINE std::vector<std::int32_t> prompt_ids(const tokenizer& words, const model_description& d,
                                                  std::string_view prompt, bool has_images,
                                                  bool by_chat_template = false, std::string_view stand_in = {});

/// Returns every position of the prompt. Image i of the text becomes rows[i] positions.
LLAVA_INLINE result<std::vector<prompt_token>> try_splice(std::span<const std::int32_t> ids, std::int32_t image_token,
                                                          std::span<const int> rows);

/// Checks that the model has an embedding for every token. A tokenizer may have more tokens, which are harmless until
/// one is used.
LLAVA_INLINE result<void> try_check_rows(const tokenizer& words, std::span<const prompt_token> tokens, int vocab);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/prompt_inl.hpp>
#endif
