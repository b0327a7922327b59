// SPDX-License-Identifier: Apache-2.0
/// token_penalties: what a repetition penalty and suppressed tokens do to the logits of the next token, in this order,
/// as transformers' RepetitionPenaltyLogitsProcessor and SuppressTokensLogitsProcessor. A token is penalised once,
/// however often it stands before. Numbers that are no row of the logits change nothing.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The tokens that count against being chosen again, and those that are never chosen.
class token_penalties {
 public:
  /// A repetition penalty of 1 is none.
  token_penalties(float repetition, std::vector<std::int32_t> suppressed)
      : repetition_(repetition), suppressed_(std::move(suppressed)) {}

  bool in_force() const { return repeats() || !suppressed_.empty(); }

  /// The tokens before the answer, in place of all that came; `more` is how many can follow without an allocation.
  void begin(std::vector<std::int32_t> before, std::size_t more) {
    if (!repeats()) return;
    seen_ = std::move(before);
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    seen_.reserve(seen_.size() + more);
  }
  /// One more token has been chosen.
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
  std::vector<std::int32_t> seen_;  // by number, each once
};

LLAVA_END
