// SPDX-License-Identifier: Apache-2.0
/// Execution contexts: a stack and the registers of a computation that is suspended. They are cheaper than threads, and
/// a program decides which one runs. AddressSanitizer is told of each switch.
#pragma once
#include <cstddef>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace llava::emulator {

struct context {
#if defined(__x86_64__) || defined(__aarch64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t registers;
#endif
  // For AddressSanitizer.
  const void* stack = nullptr;
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;
};

/// Prepares `c` to call body() on the given stack when it is first entered. body() never returns.
void prepare(context& c, std::byte* stack, std::size_t bytes, void (*body)());
/// Suspends `from`, which runs, and continues `to`.
void enter(context& from, context& to);
/// The first call of a body: `from` is the context that entered it.
void entered(context& from);
/// enter(), if `from` will never continue.
void leave(context& from, context& to);

/// A pool of equal stacks, each with a page below it that nobody may touch.
class stacks {
 public:
  static constexpr std::size_t bytes = 256 << 10;
  stacks() = default;
  stacks(const stacks&) = delete;
  stacks& operator=(const stacks&) = delete;
  ~stacks();
  /// Provides stacks 0 to count - 1. Their contents are lost when the pool grows.
  void reserve(std::size_t count);
  std::byte* bottom(std::size_t i) const { return memory_ + i * slot + page; }
  /// What stack i may use: the stacks start at different offsets in a page, so that the frames of 32 lanes do not
  /// compete for the same sets of the cache.
  static std::size_t usable(std::size_t i) { return bytes - i % 64 * 704; }

 private:
  static constexpr std::size_t page = 16 << 10, slot = bytes + page;  // pages of some ARM systems have 16 KiB
  std::byte* memory_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace llava::emulator
