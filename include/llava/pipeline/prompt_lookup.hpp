// SPDX-License-Identifier: Apache-2.0
/// prompt_lookup: guesses the next tokens of an answer from its own text. If the last three tokens have occurred
/// before, in the prompt or in the answer, the guess is what followed them then. A step computes the rows of the guess
/// beside the row that it computes anyway. A guess stands as long as it equals what is drawn, so the answer is the same
/// with and without it. Prompt lookup decoding: Saxena 2023.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

/// Guesses the next tokens of one answer.
class prompt_lookup {
 public:
  /// `most`: tokens of a guess, 0: none. `length`: tokens that prompt and answer may have.
  prompt_lookup(int most, std::size_t length)
      : most_(most), allowed_((std::min)(most, 2)), followers_(most > 0 ? std::bit_ceil(2 * length + 1) : 0) {}

  /// Writes at most next.size() guessed tokens behind `tokens`, the prompt and the answer so far, and returns their
  /// number.
  std::size_t guess(std::span<const prompt_token> tokens, std::span<prompt_token> next) {
    if (most_ == 0 || tokens.size() < words) return 0;
    for (; indexed_ + 1 < tokens.size(); ++indexed_)
      if (indexed_ + 1 >= words) follower(tokens, indexed_) = static_cast<std::int32_t>(indexed_ + 1);
    const auto at = static_cast<std::size_t>(follower(tokens, tokens.size() - 1));
    if (at == 0 || !std::ranges::equal(tokens.last(words), tokens.subspan(at - words, words))) return 0;
    const std::size_t longest = (std::min)({next.size(), static_cast<std::size_t>(allowed_), tokens.size() - at});
    std::size_t count = 0;
    for (; count < longest && !tokens[at + count].is_image(); ++count) next[count] = tokens[at + count];
    return count;
  }

  /// Whether there is a guess.
  bool has_guess(std::span<const prompt_token> tokens) {
    prompt_token next[1];
    return guess(tokens, next) > 0;
  }

  /// Learns how many of the guessed tokens were drawn: guesses become longer while all are, and shorter when none is.
  void learn(std::size_t guessed, std::size_t drawn) {
    if (guessed == 0) return;
    if (drawn == guessed)
      allowed_ = (std::min)(2 * allowed_, most_);
    else if (drawn == 0)
      allowed_ = (std::max)(allowed_ / 2, 1);
  }

 private:
  static constexpr std::size_t words = 3;

  /// Where the token is noted that followed the three tokens up to `last`, when they occurred the last time.
  std::int32_t& follower(std::span<const prompt_token> tokens, std::size_t last) {
    std::uint64_t hash = 0;
    for (std::size_t i = last + 1 - words; i <= last; ++i)
      hash = (hash ^ hash >> 29 ^ static_cast<std::uint32_t>(tokens[i].id) ^
              static_cast<std::uint64_t>(tokens[i].row) << 32) *
             0x9e3779b97f4a7c15U;
    return followers_[(hash >> 40) % followers_.size()];
  }

  int most_, allowed_;
  std::vector<std::int32_t> followers_;  // by hash: index of a token; 0: none
  std::size_t indexed_ = 0;              // tokens up to here are noted
};

LLAVA_END
