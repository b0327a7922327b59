// SPDX-License-Identifier: Apache-2.0
/// token_penalties: applies a repetition penalty and then suppressed tokens to the logits of the next token, like
/// transformers' RepetitionPenaltyLogitsProcessor and SuppressTokensLogitsProcessor. A token is penalised once, however
/// often it occurred. Token ids without a logit are ignored.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The tokens that are penalised when they repeat, and those that are never chosen.
class token_penalties {
 public:
  /// A repetition penalty of 1 has no effect.
  token_penalties(float repetition, std::vector<std::int32_t> suppressed)
      : repetition_(repetition), suppressed_(std::move(suppressed)) {}

  bool in_force() const { return repeats() || !suppressed_.empty(); }

  /// Replaces the tokens so far with those before the answer. `more` tokens can follow without an allocation.
  void begin(std::vector<std::int32_t> before, std::size_t more) {
    if (!repeats()) return;
    seen_ = std::move(before);
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    seen_.reserve(seen_.size() + more);
  }
  /// Adds a chosen token.
  void add(std::int32_t token) {
    if (!repeats()) return;
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), token);
    if (at == seen_.end() || *at != token) seen_.insert(at, token);
  }

  void apply(std::span<float> logits) const {  // (V)
    const auto is_row = [&](std::int32_t t) { return t >= 0 && static_cast<std::size_t>(t) < logits.size(); };
    for (std::int32_t t : seen_) {
      if (!is_row(t)) continue;
      float& logit = logits[static_cast<std::size_t>(t)];
      logit = logit < 0.f ? logit * repetition_ : logit / repetition_;
    }
    for (std::int32_t t : suppressed_)
      if (is_row(t)) logits[static_cast<std::size_t>(t)] = -std::numeric_limits<float>::infinity();
  }

 private:
  bool repeats() const { return repetition_ != 1.f; }

  float repetition_;
  std::vector<std::int32_t> suppressed_;
  std::vector<std::int32_t> seen_;  // sorted, without duplicates
};

LLAVA_END
