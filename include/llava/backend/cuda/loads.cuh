// SPDX-License-Identifier: Apache-2.0
/// loads: the copies of weights to one device. A piece of at most 4 MiB is copied to pinned memory and from there to
/// the device; there are two such places, so that the host reads (from disk, where a file is mapped) or converts the
/// next piece while the last one is on its way. 8 MiB of pinned memory per device is all that loading takes; it stays
/// for later loads, such as those of adapters. Thread-safe.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <mutex>

#include <llava/backend/cuda/owned.cuh>

LLAVA_CUDA_BEGIN

class loads {
 public:
  static constexpr std::size_t piece = std::size_t{4} << 20;

  /// Copies to the device, which must be current. `from` may be reused when it returns, the bytes are there after
  /// settle(). The error may be that of an earlier copy.
  result<void> try_copy(int device, std::byte* to, const std::byte* from, std::size_t bytes) {
    for (std::size_t done = 0; done < bytes;) {
      const std::size_t n = bytes - done < piece ? bytes - done : piece;
      LLAVA_CHECK(try_copy_piece(device, to + done, from + done, n));
      done += n;
    }
    return {};
  }
  /// Whether there are copies to wait for.
  bool pending() const { return pending_.load(std::memory_order_acquire); }
  /// Waits for all copies, and returns their error.
  result<void> settle() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!pending()) return {};
    pending_.store(false, std::memory_order_release);
    return finish(stream_.get());
  }

 private:
  struct place {
    pinned_memory memory;
    event copied;
  };

  result<void> try_copy_piece(int device, std::byte* to, const std::byte* from, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!is_made_) LLAVA_CHECK(try_make(device));
    place& p = places_[next_];
    LLAVA_CHECK(p.copied.wait());  // of the piece before the last one
    std::memcpy(p.memory.data(), from, bytes);
    pending_.store(true, std::memory_order_release);
    LLAVA_CHECK(copy(stream_.get(), to, p.memory.data(), bytes, copy_kind::to_device));
    LLAVA_CHECK(p.copied.record(stream_.get()));
    next_ = 1 - next_;
    return {};
  }
  result<void> try_make(int device) {
    LLAVA_TRY(stream, owned_stream::try_make(device));
    stream_ = std::move(stream);
    for (place& p : places_) {
      LLAVA_TRY(memory, pinned_memory::try_make(piece));
      LLAVA_TRY(copied, event::try_make());
      p = {std::move(memory), std::move(copied)};
    }
    is_made_ = true;
    return {};
  }

  std::mutex mutex_;
  std::atomic<bool> pending_{false};
  bool is_made_ = false;
  owned_stream stream_;
  std::array<place, 2> places_;
  std::size_t next_ = 0;
};

/// The most devices that a program can use.
inline constexpr int most_devices = 16;

/// The loads of a device. They are never destroyed: the driver may have ended before the program's static objects do.
inline loads& loads_of(int device) {
  static auto& all = *new std::array<loads, most_devices>;
  return all[static_cast<std::size_t>(device)];
}

LLAVA_CUDA_END
