// SPDX-License-Identifier: Apache-2.0
/// Definitions of prepare.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include <llava/base/sha256.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/text/replaced.hpp>

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

/// A text that is not in these turns: 64 bits of their digest, as a number. No template changes digits.
inline std::string stand_in_for(std::span<const message> turns) {
  sha256 hash;
  for (const message& turn : turns) hash.update(std::as_bytes(std::span(turn.text)));
  std::uint64_t number = 0;
  const sha256_digest digest = hash.digest();
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8 | digest.bytes[i];
  return text_of('<', number, '>');
}

}  // namespace detail

LLAVA_INLINE result<chat_prompt> try_chat_prompt(const opened_model& model, std::span<const message> turns) {
  chat_prompt made;
  made.by_chat_template = !model.opened.description.conversation.own.text.empty();
  const auto has_literal = [](const message& m) { return images_in(m) == 0 && count_image_markers(m.text) > 0; };
  std::vector<message> own;
  if (std::any_of(turns.begin(), turns.end(), has_literal) &&
      std::any_of(turns.begin(), turns.end(), [](const message& m) { return images_in(m) > 0; })) {
    made.stand_in = detail::stand_in_for(turns);
    own.assign(turns.begin(), turns.end());
    for (message& m : own)
      if (has_literal(m)) m.text = detail::with_replaced(m.text, image_marker, made.stand_in);
    turns = own;
  }
  LLAVA_TRY(text, model.try_prompt(turns));
  made.text = std::move(text);
  return made;
}

LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, std::string_view prompt,
                                                 std::vector<visual> images) {
  return try_prepare(model, chat_prompt{std::string(prompt), {}, false}, std::move(images));
}

LLAVA_INLINE result<prepared_prompt> try_prepare(const opened_model& model, const chat_prompt& prompt,
                                                 std::vector<visual> images) {
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
  if (d.adds_image_patch && prompt.text.find(image_patch) != std::string::npos &&
      !model.opened.tokenizer.find(image_patch))
    return fail(errc::mismatch,
                text_of("llava: the prompt has ", image_patch, ", which is a token here, because config.json does not ",
                        "say \"mm_use_im_patch_token\": false; the model has no row for it among its embeddings of ",
                        d.text.vocab, " tokens, expected one more; remove it from the prompt"));
  const std::int32_t marker = d.prompt == prompt_rule::processor ? d.image_token : image_token_index;
  std::vector<std::int32_t> ids =
      prompt_ids(model.opened.tokenizer, d, d.video_token < 0 ? prompt.text : mark_videos(prompt.text, images),
                 !images.empty(), prompt.by_chat_template, prompt.stand_in);
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
