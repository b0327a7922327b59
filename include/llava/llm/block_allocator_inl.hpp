// SPDX-License-Identifier: Apache-2.0
/// Definitions of block_allocator.hpp.
#pragma once
#include <bit>
#include <cstring>

#include <llava/llm/block_allocator.hpp>

LLAVA_BEGIN

LLAVA_INLINE block_allocator::block_allocator(int count, int longest)
    : blocks_(static_cast<std::size_t>(count)),
      heads_(std::bit_ceil(2 * static_cast<std::size_t>(count) + 1), none),
      longest_(longest) {
  free_.reserve(blocks_.size());
  for (int b = count; b-- > 0;) free_.push_back(b);
}

LLAVA_INLINE int block_allocator::available() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(free_.size()) + idle_;
}

LLAVA_INLINE int block_allocator::allocate() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    if (oldest_ == none) return -1;
    const int oldest = oldest_;
    unlink(oldest), unname(oldest);
    free_.push_back(oldest);
  }
  const int b = free_.back();
  free_.pop_back();
  blocks_[static_cast<std::size_t>(b)].references = 1;
  return b;
}

LLAVA_INLINE void block_allocator::hold(int block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++blocks_[static_cast<std::size_t>(block)].references;
}

LLAVA_INLINE void block_allocator::drop(int block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entry& e = blocks_[static_cast<std::size_t>(block)];
  if (--e.references > 0) return;
  if (e.names > 0)
    link(block);
  else
    free_.push_back(block);  // within the reserved capacity
}

LLAVA_INLINE void block_allocator::name(int block, int tokens, const kv_key& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (index_of(key) != none) return;
  entry& e = blocks_[static_cast<std::size_t>(block)];
  const auto at = static_cast<std::size_t>(tokens - 1);
  e.keys[at] = key;
  std::int32_t& head = head_of(key);
  e.next[at] = head;
  head = block * kv_block + tokens - 1;
  e.names |= 1 << (tokens - 1);
}

LLAVA_INLINE int block_allocator::find(const kv_key& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::int32_t i = index_of(key);
  if (i == none || i % kv_block != kv_block - 1) return -1;
  const int block = i / kv_block;
  if (blocks_[static_cast<std::size_t>(block)].references++ == 0) unlink(block);
  return block;
}

LLAVA_INLINE int block_allocator::take(const kv_key& key, int tokens) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::int32_t i = index_of(key);
  if (i == none || i % kv_block != tokens - 1) return -1;
  const int block = i / kv_block;
  if (blocks_[static_cast<std::size_t>(block)].references > 0) return -1;
  unlink(block), unname(block);
  blocks_[static_cast<std::size_t>(block)].references = 1;
  return block;
}

LLAVA_INLINE std::vector<std::pair<int, kv_key>> block_allocator::hold_named() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::pair<int, kv_key>> named;
  const auto add = [&](int block) {
    if (const entry& e = blocks_[static_cast<std::size_t>(block)]; e.names >> (kv_block - 1) & 1)
      named.emplace_back(block, e.keys[kv_block - 1]);
  };
  for (int b = 0; b < count(); ++b)
    if (blocks_[static_cast<std::size_t>(b)].references > 0) add(b);
  for (int b = newest_; b != none; b = blocks_[static_cast<std::size_t>(b)].older) add(b);
  for (const auto& [block, key] : named)
    if (blocks_[static_cast<std::size_t>(block)].references++ == 0) unlink(block);
  return named;
}

LLAVA_INLINE void block_allocator::forget() {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (oldest_ != none) {
    const int b = oldest_;
    unlink(b);
    free_.push_back(b);
  }
  for (entry& e : blocks_) e.names = 0;
  heads_.assign(heads_.size(), none);
}

LLAVA_INLINE std::int32_t& block_allocator::head_of(const kv_key& key) {
  std::size_t hash;
  std::memcpy(&hash, key.bytes.data(), sizeof hash);
  return heads_[hash % heads_.size()];
}

LLAVA_INLINE std::int32_t block_allocator::index_of(const kv_key& key) {
  for (std::int32_t i = head_of(key); i != none;) {
    const entry& e = blocks_[static_cast<std::size_t>(i / kv_block)];
    const auto at = static_cast<std::size_t>(i % kv_block);
    if (e.keys[at] == key) return i;
    i = e.next[at];
  }
  return none;
}

LLAVA_INLINE void block_allocator::unname(int block) {
  entry& e = blocks_[static_cast<std::size_t>(block)];
  for (int t = 0; t < kv_block; ++t) {
    if (!(e.names >> t & 1)) continue;
    const std::int32_t i = block * kv_block + t;
    std::int32_t* to = &head_of(e.keys[t]);
    while (*to != i) to = &blocks_[static_cast<std::size_t>(*to / kv_block)].next[*to % kv_block];
    *to = e.next[t];
  }
  e.names = 0;
}

LLAVA_INLINE void block_allocator::link(int block) {
  entry& e = blocks_[static_cast<std::size_t>(block)];
  e.older = newest_, e.newer = none;
  (newest_ == none ? oldest_ : blocks_[static_cast<std::size_t>(newest_)].newer) = block;
  newest_ = block;
  ++idle_;
}

LLAVA_INLINE void block_allocator::unlink(int block) {
  const entry& e = blocks_[static_cast<std::size_t>(block)];
  (e.older == none ? oldest_ : blocks_[static_cast<std::size_t>(e.older)].newer) = e.newer;
  (e.newer == none ? newest_ : blocks_[static_cast<std::size_t>(e.newer)].older) = e.older;
  --idle_;
}

LLAVA_END
