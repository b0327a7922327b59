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
/// The error of a setting. Its sentence begins with the setting's own name: that is also the name of the field of a
/// request, and of the option of a program, so that the sentence is right for whoever reads it.
template <class... What>
error wrong_setting(std::string* wrong, std::string_view name, const What&... what) {
  if (wrong) *wrong = name;
  return fail(errc::invalid_argument, text_of("llava: ", name, " ", what...));
}

/// Errors: a bias that is not finite, a token with two.
inline result<void> try_check_biases(std::span<const token_bias> biases, std::string* wrong) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(biases.size());
  for (const token_bias& b : biases) {
    if (!std::isfinite(b.bias))
      return wrong_setting(wrong, "logit_bias", "of token ", b.token,
                           " must be a finite number; suppress_tokens forbids a token");
    tokens.push_back(b.token);
  }
  std::sort(tokens.begin(), tokens.end());
  if (const auto twice = std::adjacent_find(tokens.begin(), tokens.end()); twice != tokens.end())
    return wrong_setting(wrong, "logit_bias", "has token ", *twice, " twice, expected once");
  return {};
}
}  // namespace detail

LLAVA_INLINE result<void> try_check(const generation_settings& s, std::string* wrong) {
  return guarded([&]() -> result<void> {
    const auto must_be = [&](std::string_view name, std::string_view range) {
      return detail::wrong_setting(wrong, name, "must be ", range);
    };
    constexpr float largest = (std::numeric_limits<float>::max)();
    if (s.temperature && !(*s.temperature >= 0.f && *s.temperature <= largest))
      return must_be("temperature", "0 (greedy) or a positive number");
    if (s.top_p && !(*s.top_p >= 0.f && *s.top_p <= 1.f)) return must_be("top_p", "0 to 1");
    if (s.top_k && *s.top_k < 0) return must_be("top_k", "0 (all tokens) or a positive number");
    if (s.repetition_penalty && !(*s.repetition_penalty > 0.f && *s.repetition_penalty <= largest))
      return must_be("repetition_penalty", "a positive number; 1 is no penalty");
    if (s.min_p && !(*s.min_p >= 0.f && *s.min_p <= 1.f)) return must_be("min_p", "0 to 1");
    if (!(s.presence_penalty >= -2.f && s.presence_penalty <= 2.f)) return must_be("presence_penalty", "-2 to 2");
    if (!(s.frequency_penalty >= -2.f && s.frequency_penalty <= 2.f)) return must_be("frequency_penalty", "-2 to 2");
    using limits = generation_limits;
    if (s.top_logprobs < 0 || s.top_logprobs > limits::top_logprobs)
      return must_be("top_logprobs", text_of("0 to ", limits::top_logprobs));
    if (s.num_beams < 1 || s.num_beams > limits::beams) return must_be("num_beams", text_of("1 to ", limits::beams));
    if (s.stop.size() > limits::stop_texts) return must_be("stop", text_of("at most ", limits::stop_texts, " texts"));
    for (const std::string& text : s.stop)
      if (text.size() > limits::stop_bytes)
        return must_be("stop", text_of("texts of at most ", limits::stop_bytes, " bytes each"));
    if (s.stop_token_ids.size() > limits::stop_tokens)
      return must_be("stop_token_ids", text_of("at most ", limits::stop_tokens, " tokens"));
    if (s.suppress_tokens && s.suppress_tokens->size() > limits::tokens)
      return must_be("suppress_tokens", text_of("at most ", limits::tokens, " tokens"));
    if (s.logit_bias.size() > limits::tokens)
      return must_be("logit_bias", text_of("at most ", limits::tokens, " tokens"));
    return detail::try_check_biases(s.logit_bias, wrong);
  });
}

LLAVA_INLINE result<void> try_check(const generation_settings& s, int vocab, std::string* wrong) {
  LLAVA_CHECK(try_check(s, wrong));
  return guarded([&]() -> result<void> {
    const auto outside = [&](std::int32_t token) { return token < 0 || token >= vocab; };
    const auto unknown = [&](std::string_view name, std::int32_t token) {
      return detail::wrong_setting(wrong, name, "has token ", token, ", expected 0 to ", vocab - 1,
                                   ", the tokens of the model");
    };
    for (const std::int32_t token : s.stop_token_ids)
      if (outside(token)) return unknown("stop_token_ids", token);
    for (const token_bias& b : s.logit_bias)
      if (outside(b.token)) return unknown("logit_bias", b.token);
    return {};
  });
}

LLAVA_END
