// SPDX-License-Identifier: Apache-2.0
/// Definitions of settings.hpp.
#pragma once
#include <limits>

#include <llava/base/guard.hpp>
#include <llava/generate/settings.hpp>

LLAVA_BEGIN

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
    return {};
  });
}

LLAVA_END
