// SPDX-License-Identifier: Apache-2.0
/// Definitions of openai_reply.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include <llava/checkpoint/written_json.hpp>
#include <llava/serve/openai_reply.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// A token's bytes, and its text: for a special token its name, which adds no bytes to an answer.
struct token_text {
  std::string bytes, text;
  token_text(const tokenizer& words, std::int32_t id) : bytes(words.token_bytes(id)) {
    const std::string shown = bytes.empty() ? words.piece(id) : bytes;
    for (std::size_t at = 0; at < shown.size();) {
      const utf8_character c = utf8_at(shown, at);
      text += c.valid ? std::string_view(shown).substr(at, c.bytes) : replacement_text;
      at += c.bytes;
    }
  }
};

inline void append_logprob(float logprob, std::string& out) {
  // JSON has no infinity; OpenAI's API writes -9999.
  llava::detail::append_json_number(std::isfinite(logprob) ? static_cast<double>(logprob) : -9999., out);
}

/// The members of a token in chat completions.
inline void append_token(const tokenizer& words, std::int32_t id, float logprob, std::string& out) {
  const token_text token(words, id);
  out += "\"token\": ", llava::detail::append_json_string(token.text, out);
  out += ", \"logprob\": ", append_logprob(logprob, out);
  out += ", \"bytes\": ";
  if (token.bytes.empty()) {
    out += "null";
    return;
  }
  char before = '[';
  for (const char c : token.bytes)
    out += std::exchange(before, ','), out += std::to_string(static_cast<unsigned>(static_cast<unsigned char>(c)));
  out += ']';
}

/// The likeliest tokens in the place of new token i.
inline std::span<const token_logprob> top_of(const answer_news& news, std::size_t i) {
  const std::size_t k = news.top_logprobs.size() / news.tokens.size();
  return std::span(news.top_logprobs).subspan(i * k, k);
}

inline std::string head_json(const reply_head& head, std::string_view object) {
  std::string out = "{\"id\": ";
  llava::detail::append_json_string(head.id, out);
  out += ", \"object\": ", llava::detail::append_json_string(object, out);
  out += ", \"created\": " + std::to_string(head.created) + ", \"model\": ";
  llava::detail::append_json_string(head.model, out);
  return out += ", \"system_fingerprint\": null, \"choices\": [";
}

inline std::string usage_json(const reply_usage& u) {
  return text_of("{\"prompt_tokens\": ", u.prompt_tokens, ", \"completion_tokens\": ", u.completion_tokens,
                 ", \"total_tokens\": ", u.prompt_tokens + u.completion_tokens,
                 ", \"prompt_tokens_details\": {\"cached_tokens\": ", u.cached_tokens,
                 ", \"image_tokens\": ", u.image_tokens, "}}");
}

inline void append_choice(const reply_head& head, const reply_choice& c, bool is_chunk, std::string& out) {
  out += text_of("{\"index\": ", c.index, ", ");
  if (head.is_chat && is_chunk) {
    out += c.is_first ? "\"delta\": {\"role\": \"assistant\", \"content\": " : "\"delta\": {";
    if (c.is_first)
      llava::detail::append_json_string(c.text, out);
    else if (!c.text.empty() || c.finish.empty())
      out += "\"content\": ", llava::detail::append_json_string(c.text, out);
    out += '}';
  } else if (head.is_chat) {
    out += "\"message\": {\"role\": \"assistant\", \"content\": ";
    llava::detail::append_json_string(c.text, out);
    out += ", \"refusal\": null}";
  } else {
    out += "\"text\": ", llava::detail::append_json_string(c.text, out);
  }
  out += ", \"logprobs\": " + (c.logprobs.empty() ? std::string("null") : c.logprobs) + ", \"finish_reason\": ";
  out += c.finish.empty() ? "null" : text_of('"', c.finish, '"');
  out += '}';
}

}  // namespace detail

LLAVA_INLINE std::string_view finish_name(finish_reason why) {
  const bool is_whole =
      why == finish_reason::eos || why == finish_reason::stop_text || why == finish_reason::stop_token;
  return is_whole ? "stop" : "length";
}

LLAVA_INLINE void append_chat_logprobs(const tokenizer& words, const answer_news& news, std::string& out) {
  for (std::size_t i = 0; i < news.logprobs.size(); ++i) {
    out += out.empty() ? "{" : ", {";
    detail::append_token(words, news.tokens[i], news.logprobs[i], out);
    out += ", \"top_logprobs\": [";
    std::string_view before;
    for (const token_logprob& t : detail::top_of(news, i)) {
      out.append(before).append("{"), before = ", ";
      detail::append_token(words, t.token, t.logprob, out);
      out += '}';
    }
    out += "]}";
  }
}

LLAVA_INLINE void completion_logprobs::append(const tokenizer& words, const answer_news& news, bool has_top,
                                              std::size_t offset) {
  for (std::size_t i = 0; i < news.logprobs.size(); ++i) {
    const std::string_view comma = tokens.empty() ? "" : ", ";
    const detail::token_text token(words, news.tokens[i]);
    llava::detail::append_json_string(token.text, tokens += comma);
    detail::append_logprob(news.logprobs[i], values += comma);
    offsets.append(comma).append(std::to_string(offset));
    offset += token.bytes.size();
    top.append(comma).append(has_top ? "{" : "null");
    if (!has_top) continue;
    std::string_view before;
    for (const token_logprob& t : detail::top_of(news, i)) {
      llava::detail::append_json_string(detail::token_text(words, t.token).text, top.append(before));
      detail::append_logprob(t.logprob, top += ": ");
      before = ", ";
    }
    top += '}';
  }
}

LLAVA_INLINE std::string completion_logprobs::json() const {
  return "{\"tokens\": [" + tokens + "], \"token_logprobs\": [" + values + "], \"top_logprobs\": [" + top +
         "], \"text_offset\": [" + offsets + "]}";
}

LLAVA_INLINE std::string reply_json(const reply_head& head, const std::vector<reply_choice>& choices,
                                    const reply_usage& usage) {
  std::string out = detail::head_json(head, head.is_chat ? "chat.completion" : "text_completion");
  for (const reply_choice& c : choices) {
    if (&c != &choices.front()) out += ", ";
    detail::append_choice(head, c, false, out);
  }
  return out += "], \"usage\": " + detail::usage_json(usage) + "}";
}

LLAVA_INLINE std::string chunk_json(const reply_head& head, const reply_choice& choice) {
  std::string out = detail::head_json(head, head.is_chat ? "chat.completion.chunk" : "text_completion");
  detail::append_choice(head, choice, true, out);
  return out += head.has_usage ? "], \"usage\": null}" : "]}";
}

LLAVA_INLINE std::string usage_chunk_json(const reply_head& head, const reply_usage& usage) {
  return detail::head_json(head, head.is_chat ? "chat.completion.chunk" : "text_completion") +
         "], \"usage\": " + detail::usage_json(usage) + "}";
}

LLAVA_INLINE error_reply reply_of(const error& e) {
  switch (e.code()) {
    case errc::invalid_argument:
    case errc::invalid_format:  // of the body or an image
    case errc::mismatch:
    case errc::context_full: {
      std::string message = e.sentence();
      constexpr std::string_view of_library = "llava: ";
      if (const std::size_t at = message.find(of_library); at != message.npos) message.erase(at, of_library.size());
      return {400, std::move(message), "invalid_request_error",
              e.code() == errc::context_full ? "context_length_exceeded" : "invalid_value"};
    }
    case errc::unsupported:
      return {400, "The model does not support something in this request.", "invalid_request_error", "unsupported"};
    case errc::out_of_memory:
      return {503, "The server has no memory for this request now. Try again later.", "server_error", "overloaded"};
    case errc::not_finite:
      return {500, "The model computed a value that is not a number.", "server_error", "not_finite"};
    default:
      return {};
  }
}

}  // namespace serve
LLAVA_END
