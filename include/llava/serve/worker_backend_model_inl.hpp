// SPDX-License-Identifier: Apache-2.0
/// Definitions of worker_backend_model.hpp.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/serve/base64.hpp>
#include <llava/serve/event_splitter.hpp>
#include <llava/serve/prompt_turns.hpp>
#include <llava/serve/python_base64.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/worker_backend_model.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// http://HOST:PORT/v1, or the address as it is if it has a path; without a slash at the end.
inline std::string base_url(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  const std::size_t scheme = url.find("://");
  const bool has_path = scheme != url.npos && url.find('/', scheme + 3) != url.npos;
  return has_path ? url : url + "/v1";
}

inline http_call call_of(const backend_settings& s, std::string_view path) {
  http_call call;
  call.url = base_url(s.url) + std::string(path);
  call.silence = s.silence;
  if (!s.key.empty()) call.headers = {{"Authorization", "Bearer " + s.key}};
  return call;
}

/// `data:image/…;base64,…` of a file in base64. Errors: another format; not base64.
inline result<std::string> try_data_url(std::string_view file) {
  LLAVA_TRY(bytes, try_python_base64(file));
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), (std::min)(bytes.size(), std::size_t{12}));
  const std::string_view type = head.starts_with("\x89PNG")        ? "png"
                                : head.starts_with("\xff\xd8\xff") ? "jpeg"
                                : head.starts_with("GIF8")         ? "gif"
                                : head.ends_with("WEBP")           ? "webp"
                                                                   : "";
  if (type.empty()) return fail(errc::invalid_format, "llava: an image is no PNG, JPEG, GIF or WebP file");
  return text_of("data:image/", type, ";base64,", base64_encoded(bytes));
}

/// The content of a turn: its text, or a list of parts if it has images. Takes the turn's images off the front.
inline result<std::string> try_content(std::string_view text, std::span<const std::string>& images) {
  if (text.find(image_marker) == text.npos) return fastapi_json_string(text);
  std::string parts;
  const auto add_text = [&](std::string_view piece) {
    if (!piece.empty())
      parts.append(parts.empty() ? "" : ",").append(R"({"type":"text","text":)").append(fastapi_json_string(piece)) +=
          '}';
  };
  for (;;) {
    const std::size_t at = text.find(image_marker);
    std::string_view before = text.substr(0, at);
    if (at == text.npos) {
      add_text(before);
      return "[" + parts + "]";
    }
    if (before.ends_with('\n')) before.remove_suffix(1);
    add_text(before);
    LLAVA_TRY(url, try_data_url(images.front()));
    images = images.subspan(1);
    parts.append(parts.empty() ? "" : ",").append(R"({"type":"image_url","image_url":{"url":")").append(url) += "\"}}";
    text.remove_prefix(at + image_marker.size());
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
}

inline result<std::string> try_messages(const std::vector<message>& turns, std::span<const std::string> images) {
  std::string out = "[";
  for (const message& turn : turns) {
    LLAVA_TRY(content, try_content(turn.text, images));
    const std::string_view who = turn.from == role::system ? "system" : turn.from == role::user ? "user" : "assistant";
    out.append(out.size() > 1 ? "," : "");
    out += text_of(R"({"role":")", who, R"(","content":)", content, "}");
  }
  return out + "]";
}

/// The member of an object, or null; also of no object.
inline const json_value* member_of(const json_value* v, std::string_view key) { return v ? v->find(key) : nullptr; }

inline std::string_view text_in(const json_value* v) {
  return v && v->text() ? std::string_view(*v->text()) : std::string_view();
}

/// What the backend says in `error`, an object or a text.
inline error error_of_backend(const json_value* described, std::string_view otherwise) {
  const std::string_view code = text_in(member_of(described, "code")), type = text_in(member_of(described, "type"));
  std::string_view told = text_in(described);
  if (told.empty()) told = text_in(member_of(described, "message"));
  const bool is_full = code == "context_length_exceeded" || type == "exceed_context_size_error";
  return fail(is_full ? errc::context_full : errc::io,
              text_of("llava: the backend refused the request: ", told.empty() ? otherwise : told.substr(0, 500)));
}

/// Reads the events of an answer.
class backend_events {
 public:
  explicit backend_events(function_ref<bool(std::string_view)> on_piece) : on_piece_(on_piece) {}

  bool take(std::string_view data) {
    if (data == "[DONE]") return is_complete = true;
    const auto event = try_parse_json("an event of the backend", data);
    if (!event) return fail_with(event.error());
    if (const json_value* const described = event->find("error"); described && !described->is_null())
      return fail_with(error_of_backend(described, "it describes no error"));
    const json_value* const choices = event->find("choices");
    if (!choices || choices->items().empty()) return true;  // usage
    const json_value& choice = choices->items()[0];
    const json_value* const delta = choice.find("delta");
    const std::string_view piece = text_in(delta ? delta->find("content") : choice.find("text"));
    if (!text_in(choice.find("finish_reason")).empty()) is_complete = true;
    return piece.empty() || on_piece_(piece);
  }

  bool is_complete = false;
  std::optional<error> failure;

 private:
  bool fail_with(error e) {
    failure = std::move(e);
    return false;
  }

  function_ref<bool(std::string_view)> on_piece_;
};

}  // namespace detail

LLAVA_INLINE result<std::shared_ptr<worker_backend_model>> worker_backend_model::try_make(backend_settings s) {
  LLAVA_TRY(url, try_parse_http_url(detail::base_url(s.url)));
  static_cast<void>(url);
  if (s.model.empty()) {
    http_call call = detail::call_of(s, "/models");
    call.method = "GET";
    call.silence = std::chrono::seconds(30);
    LLAVA_TRY(reply, try_call(call));
    if (reply.status != 200)
      return fail(errc::io, text_of("llava: ", call.url, " answered with status ", reply.status,
                                    "; is it a server with OpenAI's API? Is the model loaded? Does it need a key?"));
    const auto listed = try_parse_json(call.url, reply.body);
    const json_value* const data = listed ? listed->find("data") : nullptr;
    if (data && !data->items().empty()) s.model = detail::text_in(data->items()[0].find("id"));
    if (s.model.empty())
      return fail(errc::invalid_format, text_of("llava: ", call.url, " lists no model; name it: --backend-model"));
  }
  if (s.name.empty()) s.name = s.model.substr(s.model.find_last_of("/\\") + 1);
  return std::make_shared<worker_backend_model>(std::move(s));
}

LLAVA_INLINE result<http_call> worker_backend_model::try_call_of(const worker_request& request) const {
  const int markers = count_image_markers(request.prompt);
  if (static_cast<std::size_t>(markers) != request.images.size())
    return fail(errc::mismatch, text_of("llava: the prompt has ", markers, " <image> for ", request.images.size(),
                                        " images; send one image for each"));
  const auto turns = turns_of_prompt(request.prompt);
  if (!turns && markers > 0)
    return fail(errc::unsupported,
                "llava: no template of LLaVA makes this prompt, and a backend takes images in messages only");
  http_call call = detail::call_of(settings_, turns ? "/chat/completions" : "/completions");
  std::string asked = fastapi_json_string(request.prompt);
  if (turns) {
    LLAVA_TRY(messages, detail::try_messages(*turns, request.images));
    asked = std::move(messages);
  }
  const bool samples = request.temperature > 0.001;
  const auto number = [](double x) {
    std::string out;
    llava::detail::append_json_number(x, out);
    return out;
  };
  call.body = text_of(R"({"model":)", fastapi_json_string(settings_.model), turns ? R"(,"messages":)" : R"(,"prompt":)",
                      asked, R"(,"temperature":)", samples ? number(request.temperature) : "0");
  if (samples) call.body += text_of(R"(,"top_p":)", number(request.top_p));
  call.body += text_of(R"(,"max_tokens":)", request.max_new_tokens, R"(,"stream":true})");
  return call;
}

LLAVA_INLINE result<void> worker_backend_model::try_answer(const worker_request& request, const stop_signal& gone,
                                                           function_ref<bool(std::string_view)> on_piece) {
  if (request.max_new_tokens < 1) return fail(errc::context_full, "llava: an answer of no tokens");
  LLAVA_TRY(call, try_call_of(request));
  call.stop = gone;
  event_splitter events;
  detail::backend_events answer(on_piece);
  result<void> fed;
  const auto reply = try_call(call, [&](std::string_view bytes) {
    fed = events.feed(bytes, [&](std::string_view data) { return answer.take(data); });
    return static_cast<bool>(fed);
  });
  if (answer.failure) return *answer.failure;
  if (!fed) return fed;
  if (!reply) return reply.error();
  if (reply->status != 200) {
    const auto told = try_parse_json("the reply", reply->body);
    return detail::error_of_backend(told ? told->find("error") : nullptr, text_of("status ", reply->status));
  }
  if (!answer.is_complete)
    return fail(errc::io, text_of("llava: ", call.url, " ended its answer too early, or does not stream"));
  return on_piece({}) ? result<void>() : fail(errc::cancelled, "llava: the client is gone");
}

}  // namespace serve
LLAVA_END
