// SPDX-License-Identifier: Apache-2.0
/// Definitions of chat_messages.hpp.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/image/image.hpp>
#include <llava/pipeline/message_parts.hpp>
#include <llava/serve/base64.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/image_fetcher.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// The sentence of an error, for a client.
inline std::string sentence_without_name(const error& e) {
  const std::string sentence = e.sentence();
  return sentence.substr(sentence.starts_with("llava: ") ? 7 : 0);
}

/// The bytes of `data:image/…;base64,…`. Errors: another URL, bytes that are not base64, none or too many of them.
inline result<std::vector<std::byte>> try_read_data_url(const request_fields& fields, const std::string& url) {
  const std::size_t comma = url.find(',');
  const std::string head = lower(std::string_view(url).substr(0, comma == url.npos ? 0 : comma));
  if (!head.starts_with("data:image/") || !head.ends_with(";base64"))
    return fields.must_be("url", "data:image/...;base64,... with a JPEG or PNG file");
  const std::string_view text = std::string_view(url).substr(comma + 1);
  if (text.size() / 4 * 3 > image_limits{}.file_bytes + 3)
    return fields.refuse("url", text_of("has an image of more than ", image_limits{}.file_bytes, " bytes, the limit"));
  auto bytes = base64_decoded(text);
  if (!bytes) return fields.refuse("url", "has bytes that are not valid base64");
  if (bytes->empty()) return fields.refuse("url", "has an empty image; the bytes of its file belong behind the comma");
  return *std::move(bytes);
}

/// Takes the image of a URL: its bytes, or what is to be fetched.
inline result<void> try_take_image(const request_fields& fields, std::string url, const image_fetcher* fetcher,
                                   chat_messages& read) {
  read.files.emplace_back();
  if (equal_ignoring_case(std::string_view(url).substr(0, 5), "data:")) {
    LLAVA_TRY(bytes, try_read_data_url(fields, url));
    read.files.back() = std::move(bytes);
    return {};
  }
  if (!fetcher)
    return fields.refuse("url",
                         "must be a data: URL with the image's bytes; this server fetches no http, https or file "
                         "URLs");
  const auto allowed = fetcher->try_allow(url);
  if (!allowed) return fields.refuse("url", text_of("is refused: ", sentence_without_name(allowed.error())));
  read.urls.push_back({read.files.size() - 1, std::move(url), fields.path_of("url")});
  return {};
}

inline result<void> try_read_part(const json_value& part, const std::string& path, bool takes_images,
                                  const image_fetcher* fetcher, message_parts& parts, chat_messages& read,
                                  std::string& param) {
  request_fields fields(part, path + '.', param);
  if (!part.is_object()) {
    param = path;
    return fail(errc::invalid_argument, text_of(path, " must be an object with a type"));
  }
  LLAVA_TRY(type, fields.text("type"));
  if (type == "text") {
    LLAVA_TRY(text, fields.text("text"));
    if (!text) return fields.must_be("text", "a string");
    parts.add_text(*text);
  } else if (type == "image_url") {
    if (!takes_images) return fields.refuse("type", "may be image_url only in messages of the user");
    const json_value* v = fields.take("image_url");
    if (!v || !v->is_object()) return fields.must_be("image_url", "an object with a url");
    request_fields of_url(*v, path + ".image_url.", param);
    LLAVA_TRY(url, of_url.text("url"));
    if (!url) return of_url.must_be("url", "a URL");
    LLAVA_CHECK(of_url.neutral("detail", "\"auto\"", is_text("auto")));
    LLAVA_CHECK(of_url.try_finish());
    if (read.files.size() == most_images)
      return of_url.refuse("url", text_of("is one image too many: a request may have ", most_images));
    LLAVA_CHECK(try_take_image(of_url, *std::move(url), fetcher, read));
    parts.add_image();
  } else {
    return fields.must_be("type", "\"text\" or \"image_url\"");
  }
  return fields.try_finish();
}

/// The text of a content, with one <image> for each of its images.
inline result<message> try_read_content(request_fields& fields, role from, bool start_end, const image_fetcher* fetcher,
                                        chat_messages& read) {
  const json_value* v = fields.take("content");
  // An answer may be empty, if it ended at once.
  if (v && v->text() && (from == role::assistant || !v->text()->empty())) return message{from, *v->text(), 0};
  if (!v || !v->is_array()) return fields.must_be("content", "a text that is not empty, or a list of parts");
  message_parts parts(start_end);
  for (std::size_t i = 0; i < v->items().size(); ++i)
    LLAVA_CHECK(try_read_part(v->items()[i], text_of(fields.path_of("content"), "[", i, "]"), from == role::user,
                              fetcher, parts, read, fields.param()));
  if (parts.empty()) return fields.refuse("content", "is empty");
  auto turn = parts.try_message(from);
  if (!turn) return fields.refuse("content", "has a different number of <image> in its text than images");
  return turn;
}

}  // namespace detail

LLAVA_INLINE result<chat_messages> try_read_messages(request_fields& fields, bool start_end,
                                                     const image_fetcher* fetcher) {
  const json_value* v = fields.take("messages");
  if (!v || !v->is_array() || v->items().empty() || v->items().size() > most_turns)
    return fields.must_be("messages", text_of("a list of 1 to ", most_turns, " messages"));
  chat_messages read;
  for (std::size_t i = 0; i < v->items().size(); ++i) {
    const json_value& item = v->items()[i];
    const std::string path = text_of("messages[", i, "]");
    request_fields one(item, path + ".", fields.param());
    if (!item.is_object()) return fields.must_be(path, "an object with role and content");
    LLAVA_TRY(name, one.text("role"));
    const bool is_system = name == "system" || name == "developer";
    if (!is_system && name != "user" && name != "assistant")
      return one.must_be("role", "system, developer, user or assistant");
    if (is_system && i > 0) return one.refuse("role", "may be system or developer only in the first message");
    const role from = is_system ? role::system : name == "user" ? role::user : role::assistant;
    const bool is_users_turn = read.turns.empty() || read.turns.back().from != role::user;
    if (!is_system && (from == role::user) != is_users_turn)
      return one.refuse("role", text_of("must be ", is_users_turn ? "user" : "assistant", ": they take turns"));
    LLAVA_TRY(turn, detail::try_read_content(one, from, start_end, fetcher, read));
    read.turns.push_back(std::move(turn));
    for (const std::string_view absent : {"tool_calls", "annotations"})
      LLAVA_CHECK(one.neutral(absent, "[]", is_empty_list));
    for (const std::string_view absent : {"name", "refusal", "function_call", "audio", "tool_call_id"})
      LLAVA_CHECK(one.neutral(absent, "null", [](const json_value&) { return false; }));
    LLAVA_CHECK(one.try_finish());
  }
  if (read.turns.back().from != role::user)
    return fields.refuse("messages", "must end with a message of the user, which is answered");
  return read;
}

}  // namespace serve
LLAVA_END
