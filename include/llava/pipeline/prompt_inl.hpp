// SPDX-License-Identifier: Apache-2.0
/// Definitions of prompt.hpp.
#pragma once
#include <algorithm>
#include <charconv>

#include <llava/pipeline/prompt.hpp>
#include <llava/text/replaced.hpp>

LLAVA_BEGIN

namespace detail {
/// An error unless the marker encodes to its token, once.
inline result<void> try_check_marker(const tokenizer& words, std::string_view marker, std::int32_t token,
                                     std::string_view folder) {
  encode_options plain;
  plain.add_special = false;
  const std::vector<std::int32_t> ids = words.encode(marker, plain);
  if (std::count(ids.begin(), ids.end(), token) == 1) return {};
  const auto own = words.find(marker);
  if (own && *own == token)
    return fail(errc::mismatch,
                text_of("llava: ", folder, ": the tokenizer reads ", marker, " in a text as ", ids.size(),
                        " tokens, expected the token ", token,
                        "; does tokenizer_config.json say \"split_special_tokens\": true? A model with images needs ",
                        "false"));
  return fail(errc::mismatch,
              text_of("llava: ", folder, "/config.json says that ", marker, " is the token ", token, ", but ",
                      own ? text_of("its tokenizer says ", *own) : std::string("its tokenizer has no such token"),
                      "; take config.json and the tokenizer's files from one upload"));
}
}  // namespace detail

LLAVA_INLINE result<void> try_check_tokens(const tokenizer& words, const model_description& d,
                                           std::string_view folder) {
  if (d.image_start_end && !(words.find("<im_start>") && words.find("<im_end>")))
    return fail(errc::mismatch, text_of("llava: ", folder, "/config.json sets mm_use_im_start_end, but its tokenizer ",
                                        "has no <im_start> and <im_end>"));
  if (d.prompt != prompt_rule::processor) return {};
  LLAVA_CHECK(detail::try_check_marker(words, image_marker, d.image_token, folder));
  return d.has_video ? detail::try_check_marker(words, video_marker, d.video_token, folder) : result<void>();
}

LLAVA_INLINE result<std::string> try_place_images(std::string_view question, std::size_t images, bool start_end) {
  if (images == 0) return std::string(question);
  const std::string_view marker = start_end ? tagged_image_marker : image_marker;
  std::string text = detail::with_replaced(question, image_placeholder, marker);
  const auto markers = static_cast<std::size_t>(count_image_markers(text));
  if (markers == images) return text;
  if (markers != 0)
    return fail(errc::mismatch, text_of("llava: the question has ", markers, " <image> for ", images, " images"));
  std::string in_front;
  for (std::size_t i = 0; i < images; ++i) in_front.append(marker).append("\n");
  return in_front + text;
}

namespace detail {
/// "1.50", whatever the locale.
inline std::string with_two_decimals(double v) {
  char text[400];
  const auto [end, failure] = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, 2);
  return failure == std::errc() ? std::string(text, end) : std::string();
}
}  // namespace detail

LLAVA_INLINE std::string time_instruction(const video& v) {
  std::string times;
  for (const double t : v.times()) times += (times.empty() ? "" : ",") + detail::with_two_decimals(t) + "s";
  return text_of("The video lasts for ", detail::with_two_decimals(v.seconds()), " seconds, and ", v.frames().size(),
                 " frames are uniformly sampled from it. These frames are located at ", times,
                 ".Please answer the following questions related to this video.");
}

LLAVA_INLINE std::string mark_videos(std::string_view prompt, std::span<const visual> images) {
  std::string text;
  for (const visual& v : images) {
    const std::size_t at = prompt.find(image_marker);
    if (at == std::string_view::npos) break;
    text.append(prompt.substr(0, at)).append(v.is_video() ? video_marker : image_marker);
    prompt.remove_prefix(at + image_marker.size());
  }
  return text.append(prompt);
}

LLAVA_INLINE std::vector<std::int32_t> prompt_ids(const tokenizer& words, const model_description& d,
                                                  std::string_view prompt, bool has_images, bool by_chat_template,
                                                  std::string_view stand_in) {
  encode_options how;
  if (d.prompt != prompt_rule::original && words.bos() >= 0) {
    const std::string bos = words.piece(words.bos());
    how.add_special = bos.empty() || prompt.substr(0, bos.size()) != bos;
  }
  if (d.prompt == prompt_rule::tokenizer && by_chat_template) how.add_special = false;
  if (!has_images || !stand_in.empty()) how.excluded = image_marker;
  how.stand_in = stand_in;
  if (!has_images || d.prompt == prompt_rule::processor) return words.encode(prompt, how);

  std::vector<std::int32_t> ids;
  bool drop_first = false;
  for (std::size_t at = 0, chunk = 0;; ++chunk) {
    const std::size_t end = (std::min)(prompt.find(image_marker, at), prompt.size());
    const std::vector<std::int32_t> piece =
        words.encode(prompt.substr(at, end - at), {.excluded = image_marker, .stand_in = stand_in});
    if (chunk == 0)
      drop_first = !piece.empty() && piece.front() == words.bos();
    else
      ids.push_back(image_token_index);
    ids.insert(ids.end(), piece.begin() + (chunk > 0 && drop_first && !piece.empty() ? 1 : 0), piece.end());
    if (end == prompt.size()) return ids;
    at = end + image_marker.size();
  }
}

LLAVA_INLINE result<std::vector<prompt_token>> try_splice(std::span<const std::int32_t> ids, std::int32_t image_token,
                                                          std::span<const int> rows) {
  std::vector<prompt_token> tokens;
  tokens.reserve(ids.size());
  std::size_t image = 0;
  for (std::int32_t id : ids) {
    if (id != image_token || rows.empty()) {
      tokens.push_back({id, 0});
      continue;
    }
    if (image < rows.size())
      for (int r = 0; r < rows[image]; ++r) tokens.push_back(prompt_token::of_image(static_cast<int>(image), r));
    ++image;
  }
  if (image != rows.size())
    return fail(errc::mismatch, text_of("llava: the prompt has ", image, " <image> for ", rows.size(),
                                        " images; write one <image> for each, or none and they come first"));
  return tokens;
}

LLAVA_INLINE result<void> try_check_rows(const tokenizer& words, std::span<const prompt_token> tokens, int vocab) {
  for (const prompt_token& t : tokens)
    if (!t.is_image() && t.id >= vocab)
      return fail(errc::mismatch, text_of("llava: the prompt has the token ", t.id, ", '", words.piece(t.id),
                                          "', but the model has embeddings of ", vocab, " tokens; remove it"));
  return {};
}

LLAVA_END
