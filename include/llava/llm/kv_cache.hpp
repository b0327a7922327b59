// SPDX-License-Identifier: Apache-2.0
/// kv_cache: the keys and values of all sequences of a model, in reference-counted blocks of 16 tokens, so that
/// sequences can share a prefix. kv_sequence: the blocks of one sequence. It grows before a step and is truncated to
/// forget tokens. A fork shares the full blocks and omits a last block that is not full. The tokens of that block can
/// be computed again with the same bytes (R14), so a shared block is never written. A sequence shares ownership of the
/// allocator, so it may outlive its model.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/config.hpp>
#include <llava/ops/kv_layout.hpp>
#include <llava/tensor/buffer.hpp>

LLAVA_BEGIN

/// Tracks the blocks in use. Thread-safe. Unused blocks are allocated lowest first, and a released block before them.
class block_allocator {
 public:
  /// `longest`: tokens of the longest sequence, for the error of a full cache.
  explicit block_allocator(int count, int longest)
      : references_(static_cast<std::size_t>(count), 0), longest_(longest) {
    free_.reserve(references_.size());
    for (int b = count; b-- > 0;) free_.push_back(b);
  }

  int count() const { return static_cast<int>(references_.size()); }
  int longest() const { return longest_; }
  int available() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(free_.size());
  }

  /// Returns a free block, or −1 if there is none.
  int allocate() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return -1;
    const int b = free_.back();
    free_.pop_back();
    references_[static_cast<std::size_t>(b)] = 1;
    return b;
  }
  void share(int b) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++references_[static_cast<std::size_t>(b)];
  }
  void drop(int b) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--references_[static_cast<std::size_t>(b)] == 0) free_.push_back(b);  // within the reserved capacity
  }
  bool shared(int b) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return references_[static_cast<std::size_t>(b)] > 1;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<int> references_;
  std::vector<int> free_;
  int longest_;
};

/// The memory of the blocks, one layer after the other, in the layout of a backend's ops.
template <class Layout>
class kv_cache {
 public:
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
                    " tokens are shared by all sessions and batches, enough for ",
                    pool_->count() * kv_block / pool_->longest(), " of the longest conversations (", pool_->longest(),
                    " tokens); drop idle sessions, or open the model with a larger kv_tokens"));
      }
      blocks_.push_back(b);
    }
    return {};
  }
  /// Reserves host memory, so that growing to `tokens` tokens allocates none.
  void expect(int tokens) { blocks_.reserve(static_cast<std::size_t>(tokens / kv_block + 1)); }
  /// Sets the number of tokens in the cache, after a step.
  void set_tokens(int tokens) { tokens_ = tokens; }

  /// Forgets all but the first `tokens` tokens. If they end within a shared block, its tokens are forgotten too.
  void truncate(int tokens) {
    if (tokens < tokens_) tokens_ = tokens;
    if (tokens_ % kv_block != 0 && pool_->shared(blocks_[static_cast<std::size_t>(tokens_ / kv_block)]))
      tokens_ -= tokens_ % kv_block;
    while (static_cast<int>(blocks_.size()) * kv_block >= tokens_ + kv_block) pop();
  }

  /// Returns a sequence that shares the full blocks.
  kv_sequence fork() const {
    kv_sequence other(pool_);
    const int full = tokens_ / kv_block;
    other.blocks_.assign(blocks_.begin(), blocks_.begin() + full);
    for (std::int32_t b : other.blocks_) pool_->share(b);
    other.tokens_ = full * kv_block;
    return other;
  }

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
