// SPDX-License-Identifier: Apache-2.0
/// token_logprob: a token and the natural logarithm of its probability. The op top_logprobs makes them, an answer holds
/// them.
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A token and the natural logarithm of its probability.
struct token_logprob {
  std::int32_t token = -1;
  float logprob = 0.f;
  friend constexpr bool operator==(const token_logprob&, const token_logprob&) = default;
};

LLAVA_END
