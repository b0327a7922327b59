// SPDX-License-Identifier: Apache-2.0
/// started_read: a copy from the device that the host waits for later (ops/run_ahead.hpp). It has pinned memory of its
/// own, so that later transfers do not touch what has not been taken.
#pragma once
#include <cstddef>
#include <cstring>

#include <llava/backend/cuda/owned.cuh>

LLAVA_CUDA_BEGIN

class started_read {
 public:
  /// Queues a copy behind all that the stream holds. `mark`: of the queue's staging.
  result<void> start(const stream& s, void* to, const void* from, std::size_t bytes, std::size_t mark) {
    if (bytes > capacity_) {
      LLAVA_TRY(made, pinned_memory::try_make(bytes));
      memory_ = std::move(made);
      capacity_ = bytes;
    }
    if (!is_made_) {
      LLAVA_TRY(made, event::try_make());
      arrived_ = std::move(made);
      is_made_ = true;
    }
    LLAVA_CHECK(copy(s, memory_.data(), from, bytes, copy_kind::to_host));
    LLAVA_CHECK(arrived_.record(s));
    to_ = to, bytes_ = bytes, mark_ = mark;
    return {};
  }
  /// Waits for the copy.
  result<void> wait() const { return is_made_ ? arrived_.wait() : result<void>(); }
  /// Writes the host's memory.
  void take() {
    if (bytes_ > 0) std::memcpy(to_, memory_.data(), bytes_);
    bytes_ = 0;
  }
  std::size_t mark() const { return mark_; }

 private:
  pinned_memory memory_;
  std::size_t capacity_ = 0, bytes_ = 0;
  void* to_ = nullptr;
  std::size_t mark_ = 0;
  event arrived_;
  bool is_made_ = false;
};

LLAVA_CUDA_END
