// SPDX-License-Identifier: Apache-2.0
/// The JSON of OpenAI's replies: completions and chat completions, whole and in chunks, with log-probabilities and
/// usage.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/pipeline/answer_request.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN
namespace serve {

/// What all chunks of a reply have in common.
struct reply_head {
  std::string id, model;
  std::int64_t created = 0;  ///< seconds since 1970
  bool is_chat = true;
  bool has_usage = false;  ///< chunks have a usage, null but for the last
};

/// The number of tokens of a request.
struct reply_usage {
  int prompt_tokens = 0, cached_tokens = 0, image_tokens = 0, completion_tokens = 0;
};

/// One answer, or what is new of it.
struct reply_choice {
  int index = 0;
  std::string text;
  std::string logprobs;          ///< JSON, or empty
  std::string_view finish = {};  ///< empty: it goes on
  bool is_first = false;         ///< of a stream: the chunk tells the role
};

/// "stop" or "length".
std::string_view finish_name(finish_reason why);

/// The log-probabilities of new tokens in the form of chat completions (elements of `content`), each preceded by a
/// comma if `out` has some already.
void append_chat_logprobs(const tokenizer& words, const answer_news& news, std::string& out);

/// The same in the form of completions: four lists. `offset`: bytes of the answer's text before these tokens.
struct completion_logprobs {
  std::string tokens, values, top, offsets;  ///< elements of the lists
  void append(const tokenizer& words, const answer_news& news, bool has_top, std::size_t offset);
  std::string json() const;
};

/// The whole reply.
std::string reply_json(const reply_head& head, const std::vector<reply_choice>& choices, const reply_usage& usage);
/// A chunk of a stream with news of one answer.
std::string chunk_json(const reply_head& head, const reply_choice& choice);
/// The last chunk, with the usage alone.
std::string usage_chunk_json(const reply_head& head, const reply_usage& usage);

/// An error of the library as the reply to a client: the sentence only if it speaks of the request (R5).
struct error_reply {
  int status = 500;
  std::string message = "The server failed to answer.";
  std::string_view type = "server_error", code = "internal_error";
};
error_reply reply_of(const error& e);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/openai_reply_inl.hpp>
#endif
