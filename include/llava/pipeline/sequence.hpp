// SPDX-License-Identifier: Apache-2.0
/// sequence: the tokens of one answer, prompt and new ones, with their images, and their keys and values in the cache.
/// Full blocks of the cache are named by the tokens up to their end, so that all sequences of a model share them.
#pragma once
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/image/visual.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

/// The tokens of one answer, its images, and its blocks of the KV cache.
class sequence {
 public:
  /// `most`: tokens that it may grow to without allocating host memory. `root`: the name of no tokens, which differs
  /// for each adapter. `named`: blocks get names and are found by them.
  sequence(std::shared_ptr<block_allocator> pool, prepared_prompt prompt, std::size_t most, const kv_key& root,
           bool named);
  sequence(const sequence&) = delete;
  sequence& operator=(const sequence&) = delete;
  ~sequence() { release(); }

  kv_sequence cache;
  std::vector<prompt_token> tokens;                          ///< the first cache.tokens() of them are cached
  std::vector<visual> images;                                ///< the prompt's images and videos, in order
  std::vector<std::shared_ptr<const image_tokens>> encoded;  ///< the images' image tokens, or null

  std::size_t pending() const { return tokens.size() - static_cast<std::size_t>(cache.tokens()); }
  /// Takes blocks of the cache that hold the next tokens already. The last token never counts as cached, so that its
  /// logits are computed. `load` fetches a block that the cache does not have from elsewhere: it returns a block with a
  /// reference, or −1.
  void reuse(function_ref<int(const kv_key&)> load);
  /// Returns the name of the next block if reuse() would look for it and the rest of the prompt fills it, or null.
  const kv_key* next_name();
  /// Names the blocks that have become full.
  void name_blocks();
  /// Names the tokens of the last block too, and gives up all blocks.
  void release();

  /// Returns the first image that pending tokens need and that is not encoded, or −1.
  int missing_image() const;
  /// Returns the next pending tokens, at most `most`, as a part of a step. If it reaches the last token, it has `rows`
  /// rows of logits.
  step_part next(std::size_t most, const llava::adapter* with, int rows = 1) {
    const std::span<const prompt_token> rest =
        std::span<const prompt_token>(tokens).subspan(static_cast<std::size_t>(cache.tokens()));
    const bool all = rest.size() <= most;
    return {&cache, all ? rest : rest.first(most), encoded, all ? rows : 0, with};
  }

 private:
  /// Returns the name of the tokens up to `end`, from the block's first.
  kv_key name_of(std::size_t end) const;
  /// Computes the names of the first `count` blocks.
  void compute_names(std::size_t count);

  std::vector<kv_key> names_;     // the root, then the names of the first blocks
  std::size_t blocks_named_ = 0;  // of the blocks of the cache, in the allocator
  bool named_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/sequence_inl.hpp>
#endif
