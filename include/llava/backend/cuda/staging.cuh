// SPDX-License-Identifier: Apache-2.0
/// staging: pinned host memory for the transfers of a queue. A transfer from it does not wait for the device, so upload
/// may return before its bytes are there. The memory is a ring: it is taken in order and becomes free in order, when
/// the transfers from it have run.
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
    const std::size_t at = (end_ + alignment - 1) / alignment * alignment, offset = at % capacity,
                      to_wrap = capacity - offset, left = at < free_ + capacity ? free_ + capacity - at : 0;
    taken = wanted < to_wrap ? wanted : to_wrap;
    if (taken > left) taken = left;
    if (taken > 0) end_ = at + taken;
    return memory_.data() + offset;
  }
  /// Marks what has been taken so far, for release().
  std::size_t taken() const { return end_; }
  /// The transfers up to the mark have run.
  void release(std::size_t mark) {
    if (mark > free_) free_ = mark;
  }

 private:
  static constexpr std::size_t alignment = 64;
  pinned_memory memory_;
  std::size_t free_ = 0, end_ = 0;  // bytes, from the beginning on: free again, and taken
};

LLAVA_CUDA_END
