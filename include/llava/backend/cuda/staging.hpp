// SPDX-License-Identifier: Apache-2.0
/// staging: pinned host memory for the transfers of a queue. A transfer from it does not wait for the device, so upload
/// may return before its bytes are there. The memory is used front to back and is free again once the stream is idle.
#pragma once
#include <cstddef>

#include <llava/backend/cuda/runtime.hpp>

LLAVA_CUDA_BEGIN

class staging {
 public:
  /// Bytes of pinned memory. A step has some kilobytes of input, and a row of logits 128 KiB.
  static constexpr std::size_t capacity = std::size_t{4} << 20;

  /// Allocates the memory when it is first needed.
  result<void> try_make() {
    if (memory_) return {};
    void* at = nullptr;
    LLAVA_CHECK(checked(cudaMallocHost(&at, capacity), "cudaMallocHost", text_of(capacity, " bytes")));
    memory_ = pinned_owner(at);
    return {};
  }
  /// At most `wanted` bytes that no transfer uses; fewer, or none, when the memory ends.
  std::byte* take(std::size_t wanted, std::size_t& taken) {
    const std::size_t at = (used_ + alignment - 1) / alignment * alignment;
    taken = at < capacity ? (wanted < capacity - at ? wanted : capacity - at) : 0;
    used_ = at + taken;
    return static_cast<std::byte*>(memory_.get()) + at;
  }
  /// The stream is idle, so no transfer uses the memory.
  void release() { used_ = 0; }

 private:
  static constexpr std::size_t alignment = 64;
  pinned_owner memory_;
  std::size_t used_ = 0;
};

LLAVA_CUDA_END
