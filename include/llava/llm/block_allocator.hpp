// SPDX-License-Identifier: Apache-2.0
/// block_allocator: the blocks of a KV cache, counted by reference, and names of what they hold.
///
/// A block may be named by its content (kv_key): the tokens of its sequence up to a token of the block. Whoever needs
/// the same tokens later finds it and computes nothing. A named block that nobody holds stays until another block is
/// needed. Then the one that was held least recently goes first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/base/sha256.hpp>
#include <llava/ops/kv_layout.hpp>

LLAVA_BEGIN

/// Names the keys and values of a token: a digest of all tokens of its sequence up to it.
using kv_key = sha256_digest;

/// Tracks the blocks in use. Thread-safe. It allocates memory only when it is made.
class block_allocator {
 public:
  /// `longest`: tokens of the longest sequence, for the error of a full cache.
  block_allocator(int count, int longest);

  int count() const { return static_cast<int>(blocks_.size()); }
  int longest() const { return longest_; }
  /// Number of blocks that nobody holds, named or not.
  int available() const;

  /// Returns a block that nobody holds, or −1 if there is none. It has no name any more.
  int allocate();
  /// Adds a reference to a block that someone holds.
  void hold(int block);
  /// Gives up a reference.
  void drop(int block);

  /// Names the first `tokens` tokens of a block, at most kv_block. Nothing happens if another block has the name. The
  /// tokens must not change: a full block may be held by many, and one that is not full is named by its last holder.
  void name(int block, int tokens, const kv_key& key);
  /// Returns the block of this name with kv_block tokens, and adds a reference; −1 if there is none.
  int find(const kv_key& key);
  /// Returns the block that has this name with `tokens` < kv_block tokens, if nobody holds it, for its only holder to
  /// write behind these tokens; −1 if there is none. The block loses its names.
  int take(const kv_key& key, int tokens);
  /// Returns the blocks that have a name with kv_block tokens, those that nobody holds last, the most recently used
  /// first among them. Each has a reference more, to be dropped.
  std::vector<std::pair<int, kv_key>> hold_named();
  /// Forgets all names, and what the blocks hold.
  void forget();

 private:
  static constexpr std::int32_t none = -1;
  struct entry {
    int references = 0;
    int names = 0;                            // bit t: it has a name for t + 1 tokens
    std::int32_t older = none, newer = none;  // in the list of named blocks that nobody holds
    kv_key keys[kv_block];                    // the names
    std::int32_t next[kv_block];              // the next name of the same hash
  };

  std::int32_t& head_of(const kv_key& key);
  /// Returns the name's index as in heads_, or −1.
  std::int32_t index_of(const kv_key& key);
  void unname(int block);
  void link(int block);
  void unlink(int block);

  mutable std::mutex mutex_;
  std::vector<entry> blocks_;
  std::vector<int> free_;            // blocks without a name that nobody holds; the last is allocated first
  std::vector<std::int32_t> heads_;  // the first name of each hash, block · kv_block + tokens − 1
  std::int32_t oldest_ = none, newest_ = none;
  int idle_ = 0;  // named blocks that nobody holds
  int longest_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/llm/block_allocator_inl.hpp>
#endif
