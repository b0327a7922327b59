// SPDX-License-Identifier: Apache-2.0
/// Definitions of openai_request.hpp.
#pragma once
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/answer_fields_inl.hpp>
#include <llava/serve/chat_messages_inl.hpp>
#include <llava/serve/openai_request.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

inline result<void> try_read_tools(request_fields& fields) {
  const auto no_choice = [](const json_value& v) { return v.text() && (*v.text() == "none" || *v.text() == "auto"); };
  const auto is_flag_of_either = [](const json_value& v) { return v.boolean() != nullptr; };
  LLAVA_CHECK(fields.neutral("tools", "[]", is_empty_list));
  LLAVA_CHECK(fields.neutral("functions", "[]", is_empty_list));
  LLAVA_CHECK(fields.neutral("tool_choice", "\"none\" or \"auto\"", no_choice));
  LLAVA_CHECK(fields.neutral("function_call", "\"none\" or \"auto\"", no_choice));
  return fields.neutral("parallel_tool_calls", "true or false", is_flag_of_either);  // there are no tools
}

}  // namespace detail

LLAVA_INLINE result<json_value> try_parse_body(std::string_view body, std::string& param) {
  LLAVA_TRY(root, try_parse_json("the body", body, repeated_keys::refused, &param));
  if (!root.is_object()) return fail(errc::invalid_format, "the body must be a JSON object");
  return root;
}

LLAVA_INLINE result<openai_request> try_read_chat(request_fields& fields, bool start_end,
                                                  const image_fetcher* fetcher) {
  openai_request read;
  LLAVA_TRY(answers, try_read_answer_fields(fields));
  read.answers = std::move(answers);
  LLAVA_TRY(logprobs, fields.flag("logprobs"));
  LLAVA_TRY(top, fields.integer("top_logprobs", 0, generation_limits::top_logprobs));
  if (top.value_or(0) > 0 && !logprobs) return fields.refuse("top_logprobs", "needs logprobs to be true");
  read.answers.settings.logprobs = logprobs;
  read.answers.settings.top_logprobs = static_cast<int>(top.value_or(0));
  LLAVA_CHECK(detail::try_read_tools(fields));
  LLAVA_CHECK(fields.neutral("modalities", "[\"text\"]", [](const json_value& v) {
    return v.items().size() == 1 && v.items()[0].text() && *v.items()[0].text() == "text";
  }));
  LLAVA_TRY(chat, try_read_messages(fields, start_end, fetcher));
  read.chat = std::move(chat);
  LLAVA_CHECK(fields.try_finish());
  return read;
}

LLAVA_INLINE result<openai_request> try_read_completion(request_fields& fields) {
  openai_request read;
  read.is_chat = false;
  LLAVA_TRY(answers, try_read_answer_fields(fields));
  read.answers = std::move(answers);
  LLAVA_TRY(top, fields.integer("logprobs", 0, generation_limits::top_logprobs));
  read.answers.settings.logprobs = top.has_value();
  read.answers.settings.top_logprobs = static_cast<int>(top.value_or(0));
  LLAVA_CHECK(fields.neutral("echo", "false", is_flag(false)));
  LLAVA_CHECK(fields.neutral("suffix", "\"\"", is_text("")));
  LLAVA_TRY(prompt, fields.text("prompt"));
  if (!prompt || prompt->empty()) return fields.must_be("prompt", "one text that is not empty");
  read.prompt = *std::move(prompt);
  LLAVA_CHECK(fields.try_finish());
  return read;
}

}  // namespace serve
LLAVA_END
