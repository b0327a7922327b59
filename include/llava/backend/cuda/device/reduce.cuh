// SPDX-License-Identifier: Apache-2.0
/// Sums and maxima over the lanes of a warp or the threads of a block, in an order that depends only on their number:
/// two runs give the same bits. And the last block of several to arrive, for reductions across blocks in a fixed order.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/device/math.cuh>
#include <llava/backend/cuda/device/thread.cuh>
#include <llava/base/macros.hpp>

LLAVA_CUDA_BEGIN

namespace detail {
/// Joins the x of each aligned group of `Lanes` lanes by a butterfly from distance Lanes / 2 down to 1. `join` is
/// commutative, so all lanes get the same bits.
template <int Lanes, class T, class Join>
LLAVA_DEVICE T butterfly(T x, Join join, call_site at) {
  static_assert(Lanes > 0 && Lanes <= 32 && (Lanes & (Lanes - 1)) == 0, "llava: Lanes is a power of two up to 32");
#if defined(__CUDACC__)
  LLAVA_UNROLL
  for (int mask = Lanes / 2; mask > 0; mask /= 2) x = join(x, shuffle_xor(x, mask, at));
  return x;
#else
  if constexpr (Lanes == 1) return x;
  T all[warp_size];  // one visit to the emulator instead of one for each distance
  cuda_host::gather(x, all, at);
  T* const group = all + lane_index() / Lanes * Lanes;
  for (int half = Lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) group[i] = join(group[i], group[i + half]);
  return group[0];
#endif
}
}  // namespace detail

/// The sum of x over each aligned group of `Lanes` lanes (a power of two up to 32), in all of them: a butterfly from
/// distance Lanes / 2 down to 1. All lanes get the same bits.
template <int Lanes = warp_size, class T>
LLAVA_DEVICE T warp_sum(T x, call_site at = call_site::current()) {
  return detail::butterfly<Lanes>(
      x, [](T a, T b) { return a + b; }, at);
}
/// The largest x of each aligned group of `Lanes` lanes, in all of them.
template <int Lanes = warp_size, class T>
LLAVA_DEVICE T warp_max(T x, call_site at = call_site::current()) {
  return detail::butterfly<Lanes>(
      x, [](T a, T b) { return maximum(a, b); }, at);
}

/// The sum of x over the block, in all its threads: the sums of the warps, added from warp 0 up. `scratch` is in shared
/// memory and has an element per warp: `T scratch[K::threads / 32]`. It has two barriers: what the threads wrote before
/// is visible after it, and `scratch` can be used again at once.
template <class T, std::size_t Warps>
LLAVA_DEVICE T block_sum(T x, T (&scratch)[Warps], call_site at = call_site::current()) {
  x = warp_sum(x, at);
  if (lane_index() == 0) scratch[warp_index()] = x;
  sync_block(at);
  x = scratch[0];
  LLAVA_UNROLL
  for (std::size_t w = 1; w < Warps; ++w) x += scratch[w];
  sync_block(at);
  return x;
}
/// The largest x of the block, in all its threads; otherwise like block_sum().
template <class T, std::size_t Warps>
LLAVA_DEVICE T block_max(T x, T (&scratch)[Warps], call_site at = call_site::current()) {
  x = warp_max(x, at);
  if (lane_index() == 0) scratch[warp_index()] = x;
  sync_block(at);
  x = scratch[0];
  LLAVA_UNROLL
  for (std::size_t w = 1; w < Warps; ++w) x = maximum(x, scratch[w]);
  sync_block(at);
  return x;
}

/// Whether this block is the last of `blocks` to call this with `counter`, which is 0 before the first call of a launch
/// and 0 again after the last. What the other blocks wrote before their calls is then visible to all threads of this
/// one. So partial results are added by one block in the order of their index, whichever block is last. All threads of
/// the block call it; `is_last` is in shared memory. It has two barriers. PTX: atom.inc, fence.
LLAVA_DEVICE bool arrives_last(std::uint32_t* counter, int blocks, bool& is_last, call_site at = call_site::current()) {
  sync_block(at);
  if (thread_index() == 0) {
#if defined(__CUDACC__)
    __threadfence();
    is_last = atomicInc(counter, static_cast<unsigned>(blocks - 1)) == static_cast<unsigned>(blocks - 1);
    __threadfence();
#else
    is_last = cuda_host::arrive(counter, blocks, at);
#endif
  }
  sync_block(at);
  return is_last;
}

LLAVA_CUDA_END
