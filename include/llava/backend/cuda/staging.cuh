// SPDX-License-Identifier: Apache-2.0
/// staging: pinned host memory for the transfers of a queue. A transfer from it does not wait for the device, so upload
/// may return before its bytes are there. The memory is used front to back, and is free again when the stream is idle.
#pragma once
#include <cstddef>

#include <llava/backend/cuda/owned.cuh>

LLAVA_CUDA_BEGIN

class staging {
 public:
  /// Bytes of pinned memory. A step has some kilobytes of input, and a row of logits 128 KiB.
  static constexpr std::size_t capacity = std::size_t{4} << 20;

  result<void> try_make() {
    LLAVA_TRY(made, pinned_memory::try_make(capacity));
    memory_ = std::move(made);
    return {};
  }
  /// At most `wanted` bytes that no transfer uses: `taken` of them, 0 if all are in use.
  std::byte* take(std::size_t wanted, std::size_t& taken) {
    const std::size_t at = (used_ + alignment - 1) / alignment * alignment;
    taken = at < capacity ? (wanted < capacity - at ? wanted : capacity - at) : 0;
    used_ = at + taken;
    return memory_.data() + at;
  }
  /// The stream is idle, so no transfer uses the memory.
  void release() { used_ = 0; }

 private:
  static constexpr std::size_t alignment = 64;
  pinned_memory memory_;
  std::size_t used_ = 0;
};

LLAVA_CUDA_END
