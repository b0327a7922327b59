// SPDX-License-Identifier: Apache-2.0
/// Definitions of prepare.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/prompt.hpp>

LLAVA_BEGIN

namespace detail {
/// Returns the number of image tokens.
inline result<int> try_count(const opened_model& model, const visual& v) {
  if (v.is_video()) {
    LLAVA_TRY(plan, model.try_plan(v.as_video()));
    return plan.tokens;
  }
  LLAVA_TRY(plan, model.try_plan(v.as_image().width(), v.as_image().height()));
  return plan.tokens;
}

}  // namespace detail

LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, std::string_view prompt,
                                                 std::vector<visual> images, bool by_chat_template) {
  std::vector<int> rows;
  std::int64_t of_images = 0;
  for (const visual& v : images) {
    LLAVA_TRY(count, detail::try_count(model, v));
    rows.push_back(count);
    of_images += count;
  }
  if (of_images > model.context)
    return fail(errc::context_full, text_of("llava: the images have ", of_images,
                                            " image tokens, expected at most the context of ", model.context));
  const model_description& d = model.opened.description;
  const std::int32_t marker = d.prompt == prompt_rule::processor ? d.image_token : image_token_index;
  std::vector<std::int32_t> ids =
      prompt_ids(model.opened.tokenizer, d, d.video_token < 0 ? std::string(prompt) : mark_videos(prompt, images),
                 !images.empty(), by_chat_template);
  if (d.video_token >= 0 && std::any_of(images.begin(), images.end(), [](const visual& v) { return v.is_video(); }))
    std::replace(ids.begin(), ids.end(), d.video_token, marker);
  LLAVA_TRY(tokens, try_splice(ids, marker, rows));
  LLAVA_CHECK(try_check_rows(model.opened.tokenizer, tokens, d.text.vocab));
  if (tokens.empty()) return fail(errc::invalid_argument, "llava: the prompt is empty");
  if (static_cast<int>(tokens.size()) > model.context)
    return fail(errc::context_full,
                text_of("llava: the prompt has ", tokens.size(),
                        " tokens, images included, expected at most the context of ", model.context));
  if (!images.empty() && d.longest_prompt > 0 && tokens.size() > static_cast<std::size_t>(d.longest_prompt))
    return fail(errc::context_full,
                text_of("llava: the prompt has ", tokens.size(), " tokens, images included; config.json's ",
                        "tokenizer_model_max_length is ", d.longest_prompt, ", where the reference cuts it off"));
  return prepared_prompt{std::move(tokens), std::move(images)};
}

LLAVA_END
