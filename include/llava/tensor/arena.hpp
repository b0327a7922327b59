// SPDX-License-Identifier: Apache-2.0
/// arena: activations of one step, taken in order and given back in reverse. It is made once, of a size found by
/// running the step's own code in a planning arena, which hands out addresses that nobody may touch and remembers the
/// peak: so the peak is known from max_batch_tokens, without a second description of what a step needs, and a step
/// allocates nothing.
///
/// Whoever takes more than there is gets an address that nobody may touch, and the arena has overrun: its queue makes
/// that the error of the step, and nothing that would touch the address runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include <llava/base/macros.hpp>
#include <llava/tensor/coverage.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// Memory for what lives as long as a scope. Without memory (arena{}) it only counts: planning.
class arena {
 public:
  static constexpr std::size_t alignment = 64;

  /// A planning arena.
  arena() = default;
  /// Over memory that the caller keeps.
  arena(std::byte* memory, std::size_t bytes) : memory_(memory), capacity_(bytes) {}

  bool planning() const { return memory_ == nullptr; }
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }
  std::size_t capacity() const { return capacity_; }

  /// Room for n elements.
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

  /// Gives everything taken since `mark` back.
  void release(std::size_t mark) { used_ = mark; }

  /// Whether more was taken than there is; in a planning arena, more than any machine has.
  bool overrun() const { return peak_ > capacity_; }
  /// What is in use from now on counts as the most that was.
  void forget_overrun() { peak_ = used_; }

  /// @name Planning
  /// What ops write of one matrix is kept in `what`, until it is null.
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

/// Gives back, at the end of a scope, what was taken inside it.
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
