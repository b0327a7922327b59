// SPDX-License-Identifier: Apache-2.0
/// kv_cache: the keys and values of all sequences of a model, in blocks of 16 tokens (block_allocator.hpp).
/// kv_sequence: the blocks of one sequence. It grows before a step and is truncated to forget tokens. Sequences with a
/// common prefix may share its full blocks, which are never written again. A sequence shares ownership of the
/// allocator, so it may outlive its model.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/config.hpp>
#include <llava/llm/block_allocator.hpp>
#include <llava/ops/kv_layout.hpp>
#include <llava/tensor/buffer.hpp>

LLAVA_BEGIN

/// The memory of the blocks, one layer after the other, in the layout of a backend's ops.
template <class Layout>
class kv_cache {
 public:
  using layout = Layout;

  /// Bytes of a cache with this number of blocks.
  static result<std::size_t> try_size(const text_config& c, int blocks) {
    const auto bytes =
        checked_mul(Layout::layer_bytes(c.kv_heads, c.head_dim, blocks), static_cast<unsigned>(c.layers));
    if (!bytes)
      return fail(errc::out_of_memory, "llava: the KV cache is larger than the address space; set a smaller kv_tokens");
    return *bytes;
  }
  static result<kv_cache> try_make(const text_config& c, int blocks, const memory& of) {
    return guarded([&]() -> result<kv_cache> {
      kv_cache cache;
      cache.heads_ = c.kv_heads;
      cache.dim_ = c.head_dim;
      cache.blocks_ = blocks;
      LLAVA_TRY(bytes, try_size(c, blocks));
      LLAVA_TRY(made, of.try_allocate(bytes, "the KV cache"));
      cache.buffer_ = std::move(made);
      return result<kv_cache>(std::move(cache));
    });
  }

  typename Layout::view layer(int i) const {
    return Layout::make_view(buffer_.data() + layer_bytes() * static_cast<unsigned>(i), heads_, dim_, blocks_);
  }
  std::size_t bytes() const { return buffer_.size(); }
  std::size_t block_bytes() const { return blocks_ ? buffer_.size() / static_cast<unsigned>(blocks_) : 0; }

 private:
  std::size_t layer_bytes() const { return Layout::layer_bytes(heads_, dim_, blocks_); }

  buffer buffer_;
  int heads_ = 0, dim_ = 0, blocks_ = 0;
};

/// The blocks of one sequence of tokens. It must not be used once moved from.
class kv_sequence {
 public:
  explicit kv_sequence(std::shared_ptr<block_allocator> pool) : pool_(std::move(pool)) {}
  kv_sequence(kv_sequence&& other) noexcept
      : pool_(std::move(other.pool_)),
        blocks_(std::exchange(other.blocks_, {})),
        tokens_(std::exchange(other.tokens_, 0)) {}
  /// Releases its own blocks at once.
  kv_sequence& operator=(kv_sequence&& other) noexcept {
    kv_sequence taken(std::move(other));
    std::swap(pool_, taken.pool_);
    std::swap(blocks_, taken.blocks_);
    std::swap(tokens_, taken.tokens_);
    return *this;
  }
  kv_sequence(const kv_sequence&) = delete;
  kv_sequence& operator=(const kv_sequence&) = delete;
  ~kv_sequence() { truncate(0); }

  /// Number of tokens whose keys and values are in the cache.
  int tokens() const { return tokens_; }
  const std::vector<std::int32_t>& blocks() const { return blocks_; }
  std::int32_t slot(int position) const {
    return blocks_[static_cast<std::size_t>(position / kv_block)] * kv_block + position % kv_block;
  }

  /// Allocates blocks for `tokens` tokens in total. On failure nothing changes.
  result<void> try_reserve(int tokens) {
    const std::size_t before = blocks_.size();
    while (static_cast<int>(blocks_.size()) * kv_block < tokens) {
      const int b = pool_->allocate();
      if (b < 0) {
        while (blocks_.size() > before) pop();
        return fail(
            errc::context_full,
            text_of("llava: the KV cache is full: its ", pool_->count() * kv_block,
                    " tokens are shared by all answers of the model, enough for ",
                    pool_->count() * kv_block / pool_->longest(), " of the longest conversations (", pool_->longest(),
                    " tokens); ask fewer questions at a time, or open the model with a larger kv_tokens"));
      }
      blocks_.push_back(b);
    }
    return {};
  }
  /// Reserves host memory, so that growing to `tokens` tokens allocates none.
  void expect(int tokens) { blocks_.reserve(static_cast<std::size_t>(tokens / kv_block + 1)); }
  /// Sets the number of tokens in the cache, after a step.
  void set_tokens(int tokens) { tokens_ = tokens; }

  /// Forgets all but the first `tokens` tokens, which do not end within a block that others may hold.
  void truncate(int tokens) {
    if (tokens < tokens_) tokens_ = tokens;
    while (static_cast<int>(blocks_.size()) * kv_block >= tokens_ + kv_block) pop();
  }

  /// Appends a block whose first `tokens` tokens follow those that are cached; takes over a reference to it. All blocks
  /// before it are full.
  void append(int block, int tokens) {
    truncate(tokens_);  // blocks that were reserved
    blocks_.push_back(block);
    tokens_ += tokens;
  }
  /// A sequence that shares this one's full blocks, and begins with their tokens.
  kv_sequence fork() const {
    kv_sequence other(pool_);
    const auto full = static_cast<std::size_t>(tokens_ / kv_block);
    other.blocks_.reserve(full + 1);
    for (std::size_t i = 0; i < full; ++i) {
      pool_->hold(blocks_[i]);
      other.append(blocks_[i], kv_block);
    }
    return other;
  }
  block_allocator& allocator() const { return *pool_; }

 private:
  void pop() {
    pool_->drop(blocks_.back());
    blocks_.pop_back();
  }

  std::shared_ptr<block_allocator> pool_;
  std::vector<std::int32_t> blocks_;
  int tokens_ = 0;
};

LLAVA_END
