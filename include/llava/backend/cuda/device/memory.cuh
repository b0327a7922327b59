// SPDX-License-Identifier: Apache-2.0
/// Global memory by 16 bytes, and asynchronous copies to shared memory. Addresses are multiples of the size. A 16-byte
/// access is a plain load or store of a `vec16`, so shared memory is accessed as `*reinterpret_cast<vec16*>(p)`.
#pragma once
#include <cstdint>

#include <llava/backend/cuda/device/thread.cuh>
#include <llava/base/macros.hpp>

LLAVA_CUDA_BEGIN

/// 16 bytes in four registers: word[0] holds bytes 0 to 3, the lowest address in its lowest bits. It may alias elements
/// of any type.
struct [[gnu::may_alias]] alignas(16) vec16 {
  std::uint32_t word[4];
};
/// 8 bytes in two registers. It may alias elements of any type.
struct [[gnu::may_alias]] alignas(8) vec8 {
  std::uint32_t word[2];
};

/// @name Loads from global memory
/// @{

/// 16 bytes. PTX: ld.global.v4.u32.
LLAVA_DEVICE vec16 load16(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  const uint4 x = *static_cast<const uint4*>(global);
  return {{x.x, x.y, x.z, x.w}};
#else
  vec16 x;
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::coherent, at);
  return x;
#endif
}
/// 16 bytes that no kernel writes while this one runs, such as its input, if other threads or blocks read them too.
/// PTX: ld.global.nc.v4.u32.
LLAVA_DEVICE vec16 load16_readonly(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
  vec16 x;
#if defined(__CUDACC__)
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.word[0]), "=r"(x.word[1]), "=r"(x.word[2]), "=r"(x.word[3])
               : "l"(global));
#else
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::readonly, at);
#endif
  return x;
}
/// 16 bytes that no kernel writes while this one runs, and that are read once: weights of a matrix-vector product. They
/// do not displace others in L1, and L2 fetches 256 bytes. PTX: ld.global.nc.L1::no_allocate.L2::256B.v4.u32.
LLAVA_DEVICE vec16 load16_streaming(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
  vec16 x;
#if defined(__CUDACC__)
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.word[0]), "=r"(x.word[1]), "=r"(x.word[2]), "=r"(x.word[3])
               : "l"(global));
#else
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::readonly, at);
#endif
  return x;
}
/// 8 bytes, otherwise like load16_streaming(). PTX: ld.global.nc.L1::no_allocate.L2::256B.v2.u32.
LLAVA_DEVICE vec8 load8_streaming(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
  vec8 x;
#if defined(__CUDACC__)
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v2.u32 {%0, %1}, [%2];"
               : "=r"(x.word[0]), "=r"(x.word[1])
               : "l"(global));
#else
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::readonly, at);
#endif
  return x;
}
/// 4 bytes, otherwise like load16_streaming(). PTX: ld.global.nc.L1::no_allocate.L2::256B.u32.
LLAVA_DEVICE std::uint32_t load4_streaming(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
  std::uint32_t x;
#if defined(__CUDACC__)
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.u32 %0, [%1];" : "=r"(x) : "l"(global));
#else
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::readonly, at);
#endif
  return x;
}
/// 16 bytes that are read once but that an earlier kernel writes, such as the KV cache: load16() that does not displace
/// others in L1, and L2 fetches 256 bytes. PTX: ld.global.L1::no_allocate.L2::256B.v4.u32.
LLAVA_DEVICE vec16 load16_once(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
  vec16 x;
#if defined(__CUDACC__)
  asm volatile("ld.global.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.word[0]), "=r"(x.word[1]), "=r"(x.word[2]), "=r"(x.word[3])
               : "l"(global));
#else
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::coherent, at);
#endif
  return x;
}
/// @}

/// Fetches the 128 bytes around `global` into L2, such as weights before wait_for_previous_kernels().
/// PTX: prefetch.global.L2.
LLAVA_DEVICE void prefetch_l2(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
#else
  cuda_host::prefetch(global, at);
#endif
}

/// Stores 16 bytes to global memory. PTX: st.global.v4.u32.
LLAVA_DEVICE void store16(void* global, vec16 x, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  *static_cast<uint4*>(global) = make_uint4(x.word[0], x.word[1], x.word[2], x.word[3]);
#else
  cuda_host::store(global, &x, sizeof x, at);
#endif
}

/// @name Asynchronous copies from global to shared memory
/// A thread issues copies, closes a group of them with cp_async_commit(), and waits for its groups with
/// cp_async_wait<N>(). Until then nobody reads or writes the destination. Other threads see the data after a barrier
/// that follows the wait. A thread waits for all of its copies before it returns.
/// @{

/// Starts to copy 16 bytes past L1. If `valid` is false it writes 16 zero bytes and does not read `global`, which must
/// still be a valid address. PTX: cp.async.cg.shared.global.L2::128B.
LLAVA_DEVICE void cp_async16(void* shared, const void* global, bool valid = true,
                             [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(valid ? 16 : 0)
               : "memory");
#else
  cuda_host::copy_async(shared, global, 16, valid, at);
#endif
}
/// Starts to copy 4 bytes, otherwise like cp_async16(). PTX: cp.async.ca.shared.global.
LLAVA_DEVICE void cp_async4(void* shared, const void* global, bool valid = true,
                            [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(valid ? 4 : 0) : "memory");
#else
  cuda_host::copy_async(shared, global, 4, valid, at);
#endif
}
/// Ends a group: the copies that this thread has started since its last group, perhaps none.
/// PTX: cp.async.commit_group.
LLAVA_DEVICE void cp_async_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  cuda_host::commit_copies();
#endif
}
/// Waits until at most the last `Pending` groups of this thread are unfinished. PTX: cp.async.wait_group.
template <int Pending>
LLAVA_DEVICE void cp_async_wait() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#else
  cuda_host::wait_for_copies(Pending);
#endif
}
/// @}

/// @name 8 bytes of global memory
/// @{

/// PTX: ld.global.v2.u32.
LLAVA_DEVICE vec8 load8(const void* global, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  const uint2 x = *static_cast<const uint2*>(global);
  return {{x.x, x.y}};
#else
  vec8 x;
  cuda_host::load(&x, global, sizeof x, cuda_host::cache::coherent, at);
  return x;
#endif
}
/// PTX: st.global.v2.u32.
LLAVA_DEVICE void store8(void* global, vec8 x, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  *static_cast<uint2*>(global) = make_uint2(x.word[0], x.word[1]);
#else
  cuda_host::store(global, &x, sizeof x, at);
#endif
}
/// @}

LLAVA_CUDA_END
