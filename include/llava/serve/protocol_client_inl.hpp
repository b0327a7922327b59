// SPDX-License-Identifier: Apache-2.0
/// Definitions of protocol_client.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/protocol_client.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/stream_records.hpp>
#include <llava/text/conversation_templates.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// A text as Python's repr() shows it. All characters beyond ASCII count as printable.
inline std::string python_repr(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    constexpr std::string_view special = "\n\r\t\\", letter = "nrt\\";
    if (const std::size_t at = special.find(c); at != special.npos)
      out += '\\', out += letter[at];
    else if (c == quote)
      out += '\\', out += c;
    else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f)
      out.append("\\x") += "0123456789abcdef"[byte >> 4], out += "0123456789abcdef"[byte & 15];
    else
      out += c;
  }
  return out += quote;
}

/// Calls a controller. Errors say how to start one, or to name another.
inline result<http_reply> try_call_controller(const http_call& call) {
  auto reply = try_call(call);
  if (reply) return reply;
  return fail(reply.error().code(),
              text_of(reply.error().sentence(),
                      "; start a controller there (llava controller), or name another with --controller-address"));
}

inline result<json_value> try_ask(std::string url, std::string body, const std::string& api_key) {
  http_call call;
  call.url = std::move(url);
  call.body = std::move(body);
  call.silence = std::chrono::minutes(10);  // refresh_all_workers waits for each worker
  if (!api_key.empty()) call.headers = {{"Authorization", "Bearer " + api_key}};
  LLAVA_TRY(reply, try_call_controller(call));
  if (reply.status != 200)
    return fail(errc::io, text_of("llava: ", call.url, " answered with status ", reply.status,
                                  "; is it a controller of LLaVA? Does it need a key?"));
  return try_parse_json(call.url, reply.body);
}

}  // namespace detail

LLAVA_INLINE result<void> try_send_test_message(const test_message_settings& s,
                                                function_ref<void(std::string_view)> print) {
  std::string address = s.worker_address;
  const auto odd = [](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: the controller's reply has no valid ", what));
  };
  if (address.empty()) {
    LLAVA_TRY(ignored, detail::try_ask(s.controller_address + "/refresh_all_workers", {}, s.api_key));
    static_cast<void>(ignored);
    LLAVA_TRY(listed, detail::try_ask(s.controller_address + "/list_models", {}, s.api_key));
    const json_value* const models = listed.find("models");
    if (!models || !models->is_array()) return odd("models");
    std::vector<std::string> names;
    for (const json_value& m : models->items()) {
      if (!m.text()) return odd("models");
      names.push_back(*m.text());
    }
    std::sort(names.begin(), names.end());
    std::string shown;
    for (const std::string& name : names) shown.append(shown.empty() ? "" : ", ").append(detail::python_repr(name));
    print(text_of("Models: [", shown, "]\n"));
    LLAVA_TRY(told, detail::try_ask(s.controller_address + "/get_worker_address",
                                    "{\"model\": " + python_json_string(s.model_name) + "}", s.api_key));
    const json_value* const where = told.find("address");
    if (!where || !where->text()) return odd("address");
    address = *where->text();
    print(text_of("worker_addr: ", address, "\n"));
  }
  if (address.empty()) return {};

  constexpr std::string_view space = vicuna_v1::separator;
  // The prompt ends behind the question: the original adds no ASSISTANT.
  const std::string prompt = text_of(vicuna_v1::system, space, vicuna_v1::roles[0], ":", s.message.empty() ? "" : " ",
                                     s.message, s.message.empty() ? std::string_view() : space);
  http_call call;
  call.url = address + "/worker_generate_stream";
  call.headers = {{"User-Agent", "LLaVA Client"}};
  call.silence = std::chrono::minutes(10);
  call.body = text_of("{\"model\": ", python_json_string(s.model_name), ", \"prompt\": ", python_json_string(prompt),
                      ", \"max_new_tokens\": ", s.max_new_tokens,
                      ", \"temperature\": 0.7, \"stop\": ", python_json_string(space), "}");
  std::string lines = prompt;
  std::replace(lines.begin(), lines.end(), space[0], '\n');
  bool is_shown = false;
  record_splitter records;
  result<void> told;
  const auto show = [&](std::string_view record) {
    const auto chunk = try_parse_json("a chunk of the worker", record);
    const json_value* const text = chunk ? chunk->find("text") : nullptr;
    if (!text || !text->text()) return false;
    print(text_of(text->text()->substr(text->text()->rfind(space[0]) + 1), "\r"));
    return true;
  };
  const auto show_prompt = [&] {
    if (!std::exchange(is_shown, true)) print(lines);
  };
  const auto reply = try_call(call, [&](std::string_view piece) {
    show_prompt();
    told = records.feed(piece, show);
    return static_cast<bool>(told);
  });
  if (!told)
    return fail(errc::invalid_format, text_of("llava: ", address, " does not answer as a worker of LLaVA does"));
  if (!reply) return reply.error();
  if (reply->status != 200) return fail(errc::io, text_of("llava: ", address, " answered with status ", reply->status));
  show_prompt();
  print("\n");
  return {};
}

LLAVA_INLINE result<void> try_register_worker(const std::string& controller_address, std::string_view worker_name,
                                              bool check_heart_beat, const std::string& token) {
  http_call call;
  call.url = controller_address + "/register_worker";
  call.body = text_of("{\"worker_name\": ", python_json_string(worker_name),
                      ", \"check_heart_beat\": ", check_heart_beat ? "true" : "false", ", \"worker_status\": null}");
  call.silence = std::chrono::seconds(30);
  if (!token.empty()) call.headers = {{"Authorization", "Bearer " + token}};
  LLAVA_TRY(reply, detail::try_call_controller(call));
  if (reply.status == 200) return {};
  return fail(errc::io, text_of("llava: the controller refused the worker with status ", reply.status,
                                reply.status == 401   ? "; it needs --token"
                                : reply.status == 403 ? "; its --allow-worker must allow the address"
                                                      : ""));
}

}  // namespace serve
LLAVA_END
