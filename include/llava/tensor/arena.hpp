// SPDX-License-Identifier: Apache-2.0
/// arena: a stack allocator for the activations of one step. It is made once, so a step allocates nothing. Its size
/// comes from running the step's own code for max_batch_tokens in a planning arena, which returns addresses that must
/// not be accessed and records the peak. No second description of a step's memory is needed.
///
/// An allocation beyond the capacity returns an address that must not be accessed, and the arena has overrun. The queue
/// reports that as the error of the step and runs no op that would access the address.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include <llava/base/macros.hpp>
#include <llava/tensor/coverage.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Memory for objects that live as long as a scope. An arena without memory (arena{}) only counts: planning.
class arena {
 public:
  static constexpr std::size_t alignment = 64;

  /// A planning arena.
  arena() = default;
  /// An arena in memory that the caller owns.
  arena(std::byte* memory, std::size_t bytes) : memory_(memory), capacity_(bytes) {}

  bool planning() const { return memory_ == nullptr; }
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }
  std::size_t capacity() const { return capacity_; }
  /// Bytes that can still be allocated.
  std::size_t left() const { return used_ < capacity_ ? capacity_ - used_ : 0; }

  /// Allocates n elements.
  template <class T>
  T* allocate(std::ptrdiff_t n) {
    constexpr std::size_t largest = (endless - alignment) / sizeof(T);
    const bool is_size = n >= 0 && static_cast<std::size_t>(n) <= largest;
    const std::size_t bytes =
        is_size ? (static_cast<std::size_t>(n) * sizeof(T) + alignment - 1) / alignment * alignment : endless;
    const std::size_t at = used_;
    used_ = bytes < endless - used_ ? used_ + bytes : endless;
    if (used_ > peak_) peak_ = used_;
    if (planning() || used_ > capacity_) return reinterpret_cast<T*>(std::uintptr_t{alignment + at});
    return reinterpret_cast<T*>(memory_ + at);
  }

  /// Releases everything allocated since used() was `mark`.
  void release(std::size_t mark) { used_ = mark; }

  /// Whether the peak exceeds the capacity, which in a planning arena is more than any machine has.
  bool overrun() const { return peak_ > capacity_; }
  /// Resets the peak to what is in use.
  void forget_overrun() { peak_ = used_; }

  /// @name Planning
  /// Records the elements of one matrix that ops write in `what`; null stops it.
  /// @{
  void watch(coverage* what) { watched_ = what; }
  void note_written(const memory_rows& m) const {
    if (watched_) watched_->note(m);
  }
  /// @}

 private:
  static constexpr std::size_t endless = (std::numeric_limits<std::size_t>::max)() / 2;

  std::byte* memory_ = nullptr;
  std::size_t capacity_ = endless - 1;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
  coverage* watched_ = nullptr;
};

/// Releases, at the end of a scope, everything allocated inside it.
class arena_scope {
 public:
  explicit arena_scope(arena& a) : arena_(a), mark_(a.used()) {}
  arena_scope(const arena_scope&) = delete;
  arena_scope& operator=(const arena_scope&) = delete;
  ~arena_scope() { arena_.release(mark_); }

 private:
  arena& arena_;
  std::size_t mark_;
};

LLAVA_END
