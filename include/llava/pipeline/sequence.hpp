// SPDX-License-Identifier: Apache-2.0
/// sequence: the tokens of one conversation, their images, and the part of them whose keys and values are cached. A
/// new prompt keeps the longest common beginning and forgets the rest.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include <llava/image/image.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

/// The tokens of one conversation, its images, and its part of the KV cache.
struct sequence {
  kv_sequence cache;
  std::vector<prompt_token> tokens;                          ///< the first cache.tokens() of them are cached
  std::vector<image> images;                                 ///< of the prompt, in order
  std::vector<std::shared_ptr<const image_tokens>> encoded;  ///< what the projector made of them

  explicit sequence(std::shared_ptr<block_allocator> pool) : cache(std::move(pool)) {}

  sequence fork() const {
    sequence other(*this, cache.fork());
    return other;
  }

  /// Replaces the tokens; returns how many of them are cached already. At least the last one is not, so that there are
  /// logits to go on from.
  int replace(std::vector<prompt_token> next) {
    std::size_t common = 0;
    const auto cached = static_cast<std::size_t>(cache.tokens());
    while (common < cached && common + 1 < next.size() && tokens[common] == next[common]) ++common;
    cache.truncate(static_cast<int>(common));
    tokens = std::move(next);
    return cache.tokens();
  }

  /// What is still to be computed, at most `most` tokens, as a part of a step; `logit_rows` if it reaches the end.
  step_part next(std::size_t most, int logit_rows) {
    const std::span<const prompt_token> rest =
        std::span<const prompt_token>(tokens).subspan(static_cast<std::size_t>(cache.tokens()));
    if (rest.size() > most) return {&cache, rest.first(most), encoded, 0};
    return {&cache, rest, encoded, logit_rows};
  }
  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(cache.tokens()); }

 private:
  sequence(const sequence& other, kv_sequence c)
      : cache(std::move(c)), tokens(other.tokens), images(other.images), encoded(other.encoded) {}
};

LLAVA_END
