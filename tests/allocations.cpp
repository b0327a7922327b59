// SPDX-License-Identifier: Apache-2.0
/// Operators new and delete that count the test program's allocations, and refuse one on request. aligned_alloc, from
/// which Asio takes memory, refuses too.
#include "allocations.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {

void* counted(void* p) noexcept {
  if (!p) return nullptr;
  ++allocations::made;
  const std::size_t now = allocations::bytes += malloc_usable_size(p);
  for (std::size_t most = allocations::most; now > most && !allocations::most.compare_exchange_weak(most, now);) {
  }
  return p;
}

bool refused() noexcept { return allocations::left.load(std::memory_order_relaxed) >= 0 && allocations::left-- == 0; }

}  // namespace

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  return refused() ? nullptr : memalign(alignment, n);
}

// Not inlined: a compiler that sees malloc behind new warns about a mismatched free.
__attribute__((noinline)) void* operator new(std::size_t n) {
  if (void* p = refused() ? nullptr : counted(std::malloc(n))) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t n) { return operator new(n); }
__attribute__((noinline)) void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return refused() ? nullptr : counted(std::malloc(n));
}
void* operator new[](std::size_t n, const std::nothrow_t& t) noexcept { return operator new(n, t); }
__attribute__((noinline)) void operator delete(void* p) noexcept {
  if (p) allocations::bytes -= malloc_usable_size(p);
  std::free(p);
}
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
