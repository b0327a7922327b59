// SPDX-License-Identifier: Apache-2.0
/// image_cache: the image tokens of images and videos that a model has seen, by their content. An image that is asked
/// about again costs no vision tower. When the cache is full, the image that was used least recently goes.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include <llava/image/visual.hpp>
#include <llava/pipeline/step_part.hpp>

LLAVA_BEGIN

/// Holds image tokens up to a number of bytes. Thread-safe.
class image_cache {
 public:
  /// Sets the limit in bytes and drops what exceeds it. 0: nothing is kept.
  void set_limit(std::uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    limit_ = bytes;
    shrink(limit_);
  }
  /// Returns the image tokens of a content, computed with this adapter (null: none), or null.
  std::shared_ptr<const image_tokens> find(const content_id& content, const kv_key& adapter) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto i = held_.begin(); i != held_.end(); ++i)
      if (i->content == content && i->adapter == adapter) {
        held_.splice(held_.begin(), held_, i);
        return i->tokens;
      }
    return nullptr;
  }
  void insert(const content_id& content, const kv_key& adapter, std::shared_ptr<const image_tokens> tokens) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::uint64_t bytes = tokens->memory.size();
    if (bytes > limit_) return;
    shrink(limit_ - bytes);
    held_.push_front({content, adapter, std::move(tokens)});
    bytes_ += bytes;
  }
  std::uint64_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  struct entry {
    content_id content;
    kv_key adapter;
    std::shared_ptr<const image_tokens> tokens;
  };
  void shrink(std::uint64_t to) {
    while (bytes_ > to) {
      bytes_ -= held_.back().tokens->memory.size();
      held_.pop_back();
    }
  }

  mutable std::mutex mutex_;
  std::list<entry> held_;  // the most recently used first
  std::uint64_t bytes_ = 0, limit_ = 0;
};

LLAVA_END
