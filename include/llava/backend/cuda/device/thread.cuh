// SPDX-License-Identifier: Apache-2.0
/// Threads, blocks and warps: indices, barriers, shuffles, votes, shared memory and grid dependencies. Blocks are
/// one-dimensional and consist of whole warps; grids have up to three dimensions.
#pragma once
#include <cstdint>
#include <type_traits>

#include <llava/base/macros.hpp>
#if !defined(__CUDACC__)
#include <llava_cuda_host.hpp>
#endif

LLAVA_CUDA_BEGIN

#if defined(__CUDACC__)
/// The place of a call. On the device nobody asks.
struct call_site {
  LLAVA_HOST_DEVICE static constexpr call_site current() { return {}; }
};
#else
/// The place of a call, which the host implementation reports.
using call_site = cuda_host::call_site;
#endif

/// The lanes of a warp.
inline constexpr int warp_size = 32;

/// A position in a grid.
struct index3 {
  int x, y, z;
};
/// The number of blocks of a grid along each axis: x up to 2³¹ − 1, y and z up to 65535.
struct grid_size {
  int x = 1, y = 1, z = 1;
};

/// @name Indices
/// PTX: special registers %tid, %ctaid, %nctaid.
/// @{

/// The index of this thread in its block: 0 ≤ i < K::threads.
LLAVA_DEVICE int thread_index() {
#if defined(__CUDACC__)
  return static_cast<int>(threadIdx.x);
#else
  return cuda_host::thread_index();
#endif
}
/// The index of this thread in its warp: 0 ≤ i < 32.
LLAVA_DEVICE int lane_index() { return thread_index() % warp_size; }
/// The index of this warp in its block.
LLAVA_DEVICE int warp_index() { return thread_index() / warp_size; }
/// The index of this block in the grid.
LLAVA_DEVICE index3 block_index() {
#if defined(__CUDACC__)
  return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
#else
  const auto i = cuda_host::block_index();
  return {i[0], i[1], i[2]};
#endif
}
/// The number of blocks of the grid.
LLAVA_DEVICE grid_size grid_extents() {
#if defined(__CUDACC__)
  return {static_cast<int>(gridDim.x), static_cast<int>(gridDim.y), static_cast<int>(gridDim.z)};
#else
  const auto n = cuda_host::grid_extents();
  return {n[0], n[1], n[2]};
#endif
}
/// @}

/// @name Barriers
/// @{

/// Waits until all threads of the block have come here. What they wrote before is visible to all of them after it.
/// No thread of the block may have returned. PTX: barrier.sync.
LLAVA_DEVICE void sync_block([[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  __syncthreads();
#else
  cuda_host::sync_block(at);
#endif
}
/// sync_block() that returns whether `any` is true in any thread. PTX: barrier.red.or.pred.
LLAVA_DEVICE bool sync_block_or(bool any, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  return __syncthreads_or(any) != 0;
#else
  return cuda_host::sync_block_or(any, at);
#endif
}
/// Waits until all lanes of the warp have come here. What they wrote before is visible to all of them after it;
/// shuffles, votes and mma do not give that. PTX: bar.warp.sync.
LLAVA_DEVICE void sync_warp([[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  __syncwarp();
#else
  cuda_host::sync_warp(at);
#endif
}
/// @}

/// @name Shuffles
/// Each lane gets the `x` of another lane. T has 4 or 8 bytes: float, int, std::uint32_t, long long, double.
/// PTX: shfl.sync.
/// @{

template <class T>
inline constexpr bool can_shuffle = std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);

/// The x of lane `lane` (modulo 32).
template <class T>
LLAVA_DEVICE T shuffle(T x, int lane, [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(can_shuffle<T>, "llava: shuffle() takes a number of 4 or 8 bytes");
#if defined(__CUDACC__)
  return __shfl_sync(0xffffffffu, x, lane);
#else
  return cuda_host::shuffle(x, lane & (warp_size - 1), cuda_host::warp_op::shuffle, at);
#endif
}
/// The x of lane `lane_index() ^ mask`.
template <class T>
LLAVA_DEVICE T shuffle_xor(T x, int mask, [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(can_shuffle<T>, "llava: shuffle_xor() takes a number of 4 or 8 bytes");
#if defined(__CUDACC__)
  return __shfl_xor_sync(0xffffffffu, x, mask);
#else
  return cuda_host::shuffle(x, lane_index() ^ mask, cuda_host::warp_op::shuffle_xor, at);
#endif
}
/// The x of lane `lane_index() - by`; x itself in the lanes below `by`.
template <class T>
LLAVA_DEVICE T shuffle_up(T x, int by, [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(can_shuffle<T>, "llava: shuffle_up() takes a number of 4 or 8 bytes");
#if defined(__CUDACC__)
  return __shfl_up_sync(0xffffffffu, x, static_cast<unsigned>(by));
#else
  return cuda_host::shuffle(x, lane_index() < by ? lane_index() : lane_index() - by, cuda_host::warp_op::shuffle_up,
                            at);
#endif
}
/// The x of lane `lane_index() + by`; x itself in the last `by` lanes.
template <class T>
LLAVA_DEVICE T shuffle_down(T x, int by, [[maybe_unused]] call_site at = call_site::current()) {
  static_assert(can_shuffle<T>, "llava: shuffle_down() takes a number of 4 or 8 bytes");
#if defined(__CUDACC__)
  return __shfl_down_sync(0xffffffffu, x, static_cast<unsigned>(by));
#else
  const int from = lane_index() + by;
  return cuda_host::shuffle(x, from < warp_size ? from : lane_index(), cuda_host::warp_op::shuffle_down, at);
#endif
}
/// @}

/// @name Votes
/// PTX: vote.sync.
/// @{

/// Bit i is `vote` of lane i.
LLAVA_DEVICE std::uint32_t warp_ballot(bool vote, [[maybe_unused]] call_site at = call_site::current()) {
#if defined(__CUDACC__)
  return __ballot_sync(0xffffffffu, vote);
#else
  return cuda_host::ballot(vote, at);
#endif
}
/// Whether `vote` is true in any lane.
LLAVA_DEVICE bool any_lane(bool vote, call_site at = call_site::current()) { return warp_ballot(vote, at) != 0; }
/// Whether `vote` is true in all lanes.
LLAVA_DEVICE bool all_lanes(bool vote, call_site at = call_site::current()) {
  return warp_ballot(vote, at) == 0xffffffffu;
}
/// The number of one bits.
LLAVA_DEVICE int count_bits(std::uint32_t x) {
#if defined(__CUDACC__)
  return __popc(x);
#else
  return __builtin_popcount(x);
#endif
}
/// @}

/// The shared memory of this block as an S, aligned to 128 bytes and with unspecified contents. Only the entry point of
/// kernel.cuh calls it, once. PTX: .shared.
template <class S>
LLAVA_DEVICE S& shared() {
  static_assert(alignof(S) <= 128, "llava: shared memory is aligned to 128 bytes");
#if defined(__CUDACC__)
  extern __shared__ __align__(128) unsigned char llava_shared_memory[];
  return *reinterpret_cast<S*>(llava_shared_memory);
#else
  return *static_cast<S*>(cuda_host::shared_memory());
#endif
}

/// @name Grid dependencies
/// A kernel with `programmatic_launch` may start before the kernel that precedes it in its stream has ended. Before
/// sm_90 both functions do nothing, and kernels do not overlap. PTX: griddepcontrol.
/// @{

/// Waits until all kernels before this one have ended and what they wrote is visible. Each thread calls it before it
/// reads what they wrote, or writes what they read; weights may be read before.
LLAVA_DEVICE void wait_for_previous_kernels([[maybe_unused]] call_site at = call_site::current()) {
#if !defined(__CUDACC__)
  cuda_host::wait_for_previous_kernels(at);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// Lets the next kernel start once all threads of this grid have called this or returned. It is a hint about time: the
/// next kernel sees what this one writes only after its wait_for_previous_kernels().
LLAVA_DEVICE void let_next_kernel_start() {
#if defined(__CUDACC__) && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/// @}

LLAVA_CUDA_END
