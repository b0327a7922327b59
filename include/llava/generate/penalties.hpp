// SPDX-License-Identifier: Apache-2.0
/// token_penalties: changes the logits of the next token, in this order:
///   repetition   tokens of the prompt and the answer, once each, as transformers' RepetitionPenaltyLogitsProcessor
///   frequency    logit -= count · frequency, where count is how often the answer has the token (OpenAI's definition)
///   presence     logit -= presence, if the answer has the token
///   bias         logit += bias, for the tokens that the caller names
///   suppressed   logit = -infinity, as transformers' SuppressTokensLogitsProcessor
/// Frequency and presence are added in double and rounded once, then the bias. These three change finite logits only,
/// which stay finite. Token ids without a logit are ignored.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/generate/settings.hpp>

LLAVA_BEGIN

/// The tokens whose logits change, and by how much.
class token_penalties {
 public:
  /// A repetition penalty of 1 has no effect.
  token_penalties(float repetition, std::vector<std::int32_t> suppressed)
      : repetition_(repetition), suppressed_(std::move(suppressed)) {}
  /// The same, with the caller's frequency_penalty, presence_penalty and logit_bias.
  token_penalties(float repetition, std::vector<std::int32_t> suppressed, const generation_settings& s)
      : repetition_(repetition),
        frequency_(s.frequency_penalty),
        presence_(s.presence_penalty),
        suppressed_(std::move(suppressed)),
        bias_(s.logit_bias) {}

  bool in_force() const { return repeats() || counts() || !bias_.empty() || !suppressed_.empty(); }

  /// Replaces the tokens so far with those before the answer. `more` tokens can follow without an allocation.
  void begin(std::vector<std::int32_t> before, std::size_t more) {
    answered_.clear();
    if (counts()) answered_.reserve(more);
    if (!repeats()) return;
    seen_ = std::move(before);
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    seen_.reserve(seen_.size() + more);
  }
  /// Adds a chosen token.
  void add(std::int32_t token) {
    if (repeats()) {
      const auto at = std::lower_bound(seen_.begin(), seen_.end(), token);
      if (at == seen_.end() || *at != token) seen_.insert(at, token);
    }
    if (counts()) {
      const auto at = std::lower_bound(answered_.begin(), answered_.end(), token,
                                       [](const counted& c, std::int32_t t) { return c.token < t; });
      if (at == answered_.end() || at->token != token)
        answered_.insert(at, {token, 1});
      else
        ++at->count;
    }
  }

  void apply(std::span<float> logits) const {  // (V)
    const auto is_row = [&](std::int32_t t) { return t >= 0 && static_cast<std::size_t>(t) < logits.size(); };
    for (std::int32_t t : seen_) {
      if (!is_row(t)) continue;
      float& logit = logits[static_cast<std::size_t>(t)];
      logit = logit < 0.f ? logit * repetition_ : logit / repetition_;
    }
    for (const counted& c : answered_)
      if (is_row(c.token))
        add_to(logits[static_cast<std::size_t>(c.token)], -(double{frequency_} * c.count + double{presence_}));
    for (const token_bias& b : bias_)
      if (is_row(b.token)) add_to(logits[static_cast<std::size_t>(b.token)], double{b.bias});
    for (std::int32_t t : suppressed_)
      if (is_row(t)) logits[static_cast<std::size_t>(t)] = -std::numeric_limits<float>::infinity();
  }

 private:
  struct counted {
    std::int32_t token;
    std::int32_t count;
  };

  bool repeats() const { return repetition_ != 1.f; }
  bool counts() const { return frequency_ != 0.f || presence_ != 0.f; }
  static void add_to(float& logit, double by) {
    constexpr double largest = (std::numeric_limits<float>::max)();
    if (std::isfinite(logit)) logit = static_cast<float>(std::clamp(double{logit} + by, -largest, largest));
  }

  float repetition_;
  float frequency_ = 0.f, presence_ = 0.f;
  std::vector<std::int32_t> suppressed_;
  std::vector<token_bias> bias_;
  std::vector<std::int32_t> seen_;  // of prompt and answer; sorted, without duplicates
  std::vector<counted> answered_;   // of the answer; sorted by token
};

LLAVA_END
