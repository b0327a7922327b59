// SPDX-License-Identifier: Apache-2.0
/// The functions that code compiled with -fsanitize=thread calls at each access to memory. A checked program links
/// these instead of libtsan; that it does makes it a checked one.
#include <cstdint>
#include <cstring>

#include "shadow.hpp"

using llava::emulator::shadow::access;

extern "C" {

bool llava_emulator_is_checked = true;

#define LLAVA_ACCESS(name, bytes, is_write, is_aligned) \
  void name(void* p) { access(p, bytes, is_write, is_aligned, __builtin_return_address(0)); }
#define LLAVA_ACCESSES(bytes)                                              \
  LLAVA_ACCESS(__tsan_read##bytes, bytes, false, true)                     \
  LLAVA_ACCESS(__tsan_write##bytes, bytes, true, true)                     \
  LLAVA_ACCESS(__tsan_volatile_read##bytes, bytes, false, true)            \
  LLAVA_ACCESS(__tsan_volatile_write##bytes, bytes, true, true)            \
  LLAVA_ACCESS(__tsan_unaligned_read##bytes, bytes, false, false)          \
  LLAVA_ACCESS(__tsan_unaligned_write##bytes, bytes, true, false)          \
  LLAVA_ACCESS(__tsan_unaligned_volatile_read##bytes, bytes, false, false) \
  LLAVA_ACCESS(__tsan_unaligned_volatile_write##bytes, bytes, true, false) \
  void __tsan_read_write##bytes(void* p) {                                 \
    access(p, bytes, false, true, __builtin_return_address(0));            \
    access(p, bytes, true, true, __builtin_return_address(0));             \
  }                                                                        \
  void __tsan_unaligned_read_write##bytes(void* p) {                       \
    access(p, bytes, false, false, __builtin_return_address(0));           \
    access(p, bytes, true, false, __builtin_return_address(0));            \
  }
LLAVA_ACCESSES(1)
LLAVA_ACCESSES(2)
LLAVA_ACCESSES(4)
LLAVA_ACCESSES(8)
LLAVA_ACCESSES(16)

void __tsan_read_range(void* p, std::size_t bytes) { access(p, bytes, false, false, __builtin_return_address(0)); }
void __tsan_write_range(void* p, std::size_t bytes) { access(p, bytes, true, false, __builtin_return_address(0)); }
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  access(from, bytes, false, false, __builtin_return_address(0));
  access(to, bytes, true, false, __builtin_return_address(0));
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  access(from, bytes, false, false, __builtin_return_address(0));
  access(to, bytes, true, false, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  access(to, bytes, true, false, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// Atomics of the host's code. Kernels have none but arrives_last().
#define LLAVA_ATOMICS(bits, type)                                                                               \
  type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile type* p, type x, int) { __atomic_store_n(p, x, __ATOMIC_SEQ_CST); } \
  type __tsan_atomic##bits##_exchange(volatile type* p, type x, int) {                                          \
    return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);                                                         \
  }                                                                                                             \
  type __tsan_atomic##bits##_fetch_add(volatile type* p, type x, int) {                                         \
    return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                             \
  type __tsan_atomic##bits##_fetch_sub(volatile type* p, type x, int) {                                         \
    return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                             \
  type __tsan_atomic##bits##_fetch_or(volatile type* p, type x, int) {                                          \
    return __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST);                                                           \
  }                                                                                                             \
  type __tsan_atomic##bits##_fetch_and(volatile type* p, type x, int) {                                         \
    return __atomic_fetch_and(p, x, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                             \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* expected, type x, int, int) {       \
    return __atomic_compare_exchange_n(p, expected, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
  }                                                                                                             \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* expected, type x, int, int) {         \
    return __atomic_compare_exchange_n(p, expected, x, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                             \
  type __tsan_atomic##bits##_compare_exchange_val(volatile type* p, type expected, type x, int, int) {          \
    __atomic_compare_exchange_n(p, &expected, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
    return expected;                                                                                            \
  }
LLAVA_ATOMICS(8, std::uint8_t)
LLAVA_ATOMICS(16, std::uint16_t)
LLAVA_ATOMICS(32, std::uint32_t)
LLAVA_ATOMICS(64, std::uint64_t)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
