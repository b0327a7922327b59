// SPDX-License-Identifier: Apache-2.0
/// sequence: the tokens of one conversation, their images, and the cached keys and values of the first tokens. A new
/// prompt keeps the longest common prefix in the cache and drops what follows it.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include <llava/image/video.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

/// The tokens of one conversation, its images, and its blocks of the KV cache.
struct sequence {
  kv_sequence cache;
  std::vector<prompt_token> tokens;                          ///< the first cache.tokens() of them are cached
  std::vector<visual> images;                                ///< the prompt's images and videos, in order
  std::vector<std::shared_ptr<const image_tokens>> encoded;  ///< the images' image tokens
  std::shared_ptr<const llava::adapter> adapter;             ///< of the cached tokens and the image tokens; or null

  explicit sequence(std::shared_ptr<block_allocator> pool) : cache(std::move(pool)) {}

  sequence fork() const {
    sequence other(*this, cache.fork());
    return other;
  }

  /// Uses another adapter, or null, and forgets what the old one computed: keys, values and image tokens depend on the
  /// adapter. Blocks that other sequences share stay theirs.
  void use(const std::shared_ptr<const llava::adapter>& other) {
    if (adapter == other) return;
    cache.truncate(0);
    images.clear(), encoded.clear();
    adapter = other;
  }

  /// Replaces the tokens and returns the number of cached ones. The last token never counts as cached, so that its
  /// logits are computed.
  int replace(std::vector<prompt_token> next) {
    std::size_t common = 0;
    const auto cached = static_cast<std::size_t>(cache.tokens());
    while (common < cached && common + 1 < next.size() && tokens[common] == next[common]) ++common;
    cache.truncate(static_cast<int>(common));
    tokens = std::move(next);
    return cache.tokens();
  }

  /// Returns the next pending tokens, at most `most`, as a part of a step. It has `logit_rows` rows of logits if it
  /// reaches the last token.
  step_part next(std::size_t most, int logit_rows) {
    const std::span<const prompt_token> rest =
        std::span<const prompt_token>(tokens).subspan(static_cast<std::size_t>(cache.tokens()));
    if (rest.size() > most) return {&cache, rest.first(most), encoded, 0, adapter.get()};
    return {&cache, rest, encoded, logit_rows, adapter.get()};
  }
  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(cache.tokens()); }

 private:
  sequence(const sequence& other, kv_sequence c)
      : cache(std::move(c)),
        tokens(other.tokens),
        images(other.images),
        encoded(other.encoded),
        adapter(other.adapter) {}
};

LLAVA_END
