// SPDX-License-Identifier: Apache-2.0
/// Definitions of settings.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include <llava/base/guard.hpp>
#include <llava/generate/settings.hpp>

LLAVA_BEGIN

namespace detail {
/// Errors: a bias that is not finite, a token with two.
inline result<void> try_check_biases(std::span<const token_bias> biases) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(biases.size());
  for (const token_bias& b : biases) {
    if (!std::isfinite(b.bias))
      return fail(errc::invalid_argument, text_of("llava: generation_settings::logit_bias of token ", b.token,
                                                  " must be a finite number; suppress_tokens forbids a token"));
    tokens.push_back(b.token);
  }
  std::sort(tokens.begin(), tokens.end());
  if (const auto twice = std::adjacent_find(tokens.begin(), tokens.end()); twice != tokens.end())
    return fail(errc::invalid_argument,
                text_of("llava: generation_settings::logit_bias has token ", *twice, " twice, expected once"));
  return {};
}
}  // namespace detail

LLAVA_INLINE result<void> try_check(const generation_settings& s) {
  return guarded([&]() -> result<void> {
    const auto wrong = [](std::string_view name, std::string_view range) {
      return fail(errc::invalid_argument, text_of("llava: generation_settings::", name, " must be ", range));
    };
    constexpr float largest = (std::numeric_limits<float>::max)();
    if (s.temperature && !(*s.temperature >= 0.f && *s.temperature <= largest))
      return wrong("temperature", "0 (greedy) or a positive number");
    if (s.top_p && !(*s.top_p >= 0.f && *s.top_p <= 1.f)) return wrong("top_p", "0 to 1");
    if (s.top_k && *s.top_k < 0) return wrong("top_k", "0 (all tokens) or a positive number");
    if (s.repetition_penalty && !(*s.repetition_penalty > 0.f && *s.repetition_penalty <= largest))
      return wrong("repetition_penalty", "a positive number; 1 is no penalty");
    if (s.min_p && !(*s.min_p >= 0.f && *s.min_p <= 1.f)) return wrong("min_p", "0 to 1");
    if (!(s.presence_penalty >= -2.f && s.presence_penalty <= 2.f)) return wrong("presence_penalty", "-2 to 2");
    if (!(s.frequency_penalty >= -2.f && s.frequency_penalty <= 2.f)) return wrong("frequency_penalty", "-2 to 2");
    using limits = generation_limits;
    if (s.top_logprobs < 0 || s.top_logprobs > limits::top_logprobs)
      return wrong("top_logprobs", text_of("0 to ", limits::top_logprobs));
    if (s.num_beams < 1 || s.num_beams > limits::beams) return wrong("num_beams", text_of("1 to ", limits::beams));
    if (s.stop.size() > limits::stop_texts) return wrong("stop", text_of("at most ", limits::stop_texts, " texts"));
    for (const std::string& text : s.stop)
      if (text.size() > limits::stop_bytes)
        return wrong("stop", text_of("texts of at most ", limits::stop_bytes, " bytes each"));
    if (s.stop_token_ids.size() > limits::stop_tokens)
      return wrong("stop_token_ids", text_of("at most ", limits::stop_tokens, " tokens"));
    if (s.suppress_tokens && s.suppress_tokens->size() > limits::tokens)
      return wrong("suppress_tokens", text_of("at most ", limits::tokens, " tokens"));
    if (s.logit_bias.size() > limits::tokens)
      return wrong("logit_bias", text_of("at most ", limits::tokens, " tokens"));
    return detail::try_check_biases(s.logit_bias);
  });
}

LLAVA_INLINE result<void> try_check(const generation_settings& s, int vocab) {
  LLAVA_CHECK(try_check(s));
  return guarded([&]() -> result<void> {
    const auto outside = [&](std::int32_t token) { return token < 0 || token >= vocab; };
    const auto unknown = [&](std::string_view name, std::int32_t token) {
      return fail(errc::invalid_argument, text_of("llava: generation_settings::", name, " has token ", token,
                                                  ", expected 0 to ", vocab - 1, ", the tokens of the model"));
    };
    for (const std::int32_t token : s.stop_token_ids)
      if (outside(token)) return unknown("stop_token_ids", token);
    for (const token_bias& b : s.logit_bias)
      if (outside(b.token)) return unknown("logit_bias", b.token);
    return {};
  });
}

LLAVA_END
