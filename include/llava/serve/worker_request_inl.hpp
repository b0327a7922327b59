// SPDX-License-Identifier: Apache-2.0
/// Definitions of worker_request.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/worker_request.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// Python's float(): a number, true or false, or the text of a number.
inline std::optional<double> python_float(const json_value& v) {
  if (v.number()) return v.number();
  if (v.boolean()) return *v.boolean() ? 1. : 0.;
  if (!v.text()) return std::nullopt;
  const std::string_view text = trimmed(*v.text());
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

/// Python's int() of the same; a text must be a whole number.
inline std::optional<double> python_int(const json_value& v) {
  if (v.text() && v.text()->find_first_of(".eE") != std::string::npos) return std::nullopt;
  const auto number = python_float(v);
  return number ? std::optional(std::trunc(*number)) : std::nullopt;
}

}  // namespace detail

LLAVA_INLINE result<worker_request> try_read_worker_request(std::string_view body) {
  LLAVA_TRY(root, try_parse_json("the request", body));
  const auto refuse = [](std::string_view key, std::string_view expected) {
    return fail(errc::invalid_format, text_of("llava: the request's ", key, " must be ", expected));
  };
  worker_request out;
  const json_value *const prompt = root.find("prompt"), *const images = root.find("images"),
                          *const stop = root.find("stop");
  if (!prompt || !prompt->text()) return refuse("prompt", "a text");
  out.prompt = *prompt->text();
  if (!stop || !stop->text()) return refuse("stop", "a text");
  out.stop = *stop->text();
  if (images && !images->is_null()) {
    if (!images->is_array()) return refuse("images", "an array of files in base64");
    for (const json_value& file : images->items()) {
      if (!file.text()) return refuse("images", "an array of files in base64");
      out.images.push_back(*file.text());
    }
  }
  for (const auto& [key, to] : {std::pair("temperature", &out.temperature), std::pair("top_p", &out.top_p)})
    if (const json_value* const v = root.find(key)) {
      const auto number = detail::python_float(*v);
      if (!number) return refuse(key, "a number");
      *to = *number;
    }
  if (const json_value* const v = root.find("max_new_tokens")) {
    const auto number = detail::python_int(*v);
    if (!number) return refuse("max_new_tokens", "a whole number");
    out.max_new_tokens = static_cast<int>(std::clamp(*number, -1e9, double{worker_request::most_new_tokens}));
  }
  return out;
}

LLAVA_INLINE void answer_in_records(worker_model& model, std::string_view body, const stop_signal& gone,
                                    function_ref<bool(std::string_view)> on_record,
                                    const hook<void(std::string_view)>& log) {
  const auto answer = [&]() -> result<void> {
    LLAVA_TRY(request, try_read_worker_request(body));
    if (detail::lower(model.name()).find("llava") == std::string::npos) request.images.clear();
    std::string text = request.prompt;
    const auto add = [&](std::string_view piece) {
      text += piece;
      if (!request.stop.empty() && text.ends_with(request.stop)) text.resize(text.size() - request.stop.size());
      return on_record(stream_chunk(text, 0));
    };
    const auto done = model.try_answer(request, gone, add);
    if (done || done.error().code() != errc::context_full) return done;
    on_record(stream_chunk(request.prompt + std::string(too_long_message), 0));
    return {};
  };
  const result<void> done = guarded(answer);
  if (done || done.error().code() == errc::cancelled) return;
  if (log) log(done.error().what());
  on_record(stream_chunk(server_error_message, 1));
}

}  // namespace serve
LLAVA_END
