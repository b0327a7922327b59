// SPDX-License-Identifier: Apache-2.0
/// openai_request: a request of OpenAI's API, read and checked. Every field is honoured, or accepted because its value
/// does not change the answer, or refused by name; docs/serving.md has the table.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/serve/answer_fields.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/request_fields.hpp>

LLAVA_BEGIN
namespace serve {

inline constexpr std::size_t longest_prompt = 4 << 20;  ///< bytes of text: its tokens are counted in seconds

/// A request for one completion or several.
struct openai_request {
  bool is_chat = true;
  chat_messages chat;  ///< if is_chat
  std::string prompt;  ///< otherwise
  answer_fields answers;
};

/// Parses a body: an object, nested at most 64 levels deep, no key twice (R9). Errors say what is wrong, for the
/// client; `param` receives the path of a key that comes twice.
result<json_value> try_parse_body(std::string_view body, std::string& param);

/// Reads the fields of /v1/chat/completions, but for `model`. `start_end`, `fetcher`: as for try_read_messages.
result<openai_request> try_read_chat(request_fields& fields, bool start_end, const image_fetcher* fetcher = nullptr);
/// Reads the fields of /v1/completions, but for `model`.
result<openai_request> try_read_completion(request_fields& fields);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/openai_request_inl.hpp>
#endif
