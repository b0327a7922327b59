// SPDX-License-Identifier: Apache-2.0
/// rope_angles, rope and store_kv on the device (contracts: ops/rope.hpp, ops/kv_layout.hpp).
///
/// | op | bytes per token and layer, LLaVA-1.5-7B | H100, 3.35 TB/s | H200, 4.8 TB/s |
/// |---|---|---|---|
/// | rope of q and k | 4 · 4096 · 4 = 64 KiB | 20 ns | 14 ns |
/// | store_kv, f16 | 2 · 4096 · (4 + 2) = 48 KiB | 15 ns | 10 ns |
/// | rope_angles, once per step | 128 · 4 = 512 B | – | – |
///
/// For 640 tokens the floor of both is 22 µs per layer on H100, 0.7 ms for 32 layers. In decode all three are launches
/// of a few blocks: their time is that of a launch.
///
/// A thread has one pair, one angle, or 16 bytes of the cache; neighbouring lanes have neighbouring addresses. No sum
/// crosses threads, so no tile would save a byte.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/kv_layout.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/rope.hpp>

LLAVA_CUDA_BEGIN

namespace detail {

/// The cosine (lo) and sine (hi) of x, both within 0.51 units in the last place for |x| < 2²⁰. cosf() and sinf() of the
/// device keep an array in local memory for x above 105615, and a model reaches 131072.
LLAVA_DEVICE float_pair cosine_and_sine(float x) {
  // x = n · π/2 + r. The first part of π/2 has 33 bits, so its product with n is exact.
  const double n = static_cast<double>(
      static_cast<long long>(static_cast<double>(x) * 0.63661977236758134308 + (x < 0.f ? -0.5 : 0.5)));
  const double r = static_cast<double>(x) - n * 0x1.921fb544p+0 - n * 0x1.0b4611a626331p-34, rr = r * r;
  // Taylor series: the next terms are below 3e-14 for |r| ≤ π/4.
  const double s =
      r + r * rr *
              (-1. / 6 +
               rr * (1. / 120 + rr * (-1. / 5040 + rr * (1. / 362880 + rr * (-1. / 39916800 + rr / 6227020800.)))));
  const double c =
      1. +
      rr * (-1. / 2 + rr * (1. / 24 + rr * (-1. / 720 + rr * (1. / 40320 + rr * (-1. / 3628800 + rr / 479001600.)))));
  const int quadrant = static_cast<int>(static_cast<long long>(n) & 3);
  const auto cosine = static_cast<float>(quadrant % 2 == 0 ? c : s),
             sine = static_cast<float>(quadrant % 2 == 0 ? s : c);
  return {quadrant == 1 || quadrant == 2 ? -cosine : cosine, quadrant >= 2 ? -sine : sine};
}

struct rope_angles_kernel {
  static constexpr int threads = 128, min_blocks = 1;
  struct Params {
    float* angles;  // (T, 2 · half)
    std::ptrdiff_t stride;
    const std::int32_t* positions;  // (T)
    const float* frequencies;       // (half)
    int tokens, half;
  };
  using Smem = no_shared_memory;
  static constexpr bool programmatic_launch = true;
  static grid_size grid(const Params& p) { return {p.tokens, (p.half + threads - 1) / threads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    const int t = block_index().x, i = block_index().y * threads + thread_index();
    if (i >= p.half) return;
    const float_pair turn = cosine_and_sine(static_cast<float>(p.positions[t]) * p.frequencies[i]);
    float* const row = p.angles + t * p.stride;
    row[i] = turn.lo;
    row[p.half + i] = turn.hi;
  }
};

struct rope_kernel {
  static constexpr int threads = 256, min_blocks = 1;
  struct Params {
    float* x;             // (T, n · 2 · half)
    const float* angles;  // (T, 2 · half)
    std::ptrdiff_t stride, angle_stride;
    int tokens, half, pairs;  // pairs of a row
  };
  using Smem = no_shared_memory;
  static constexpr bool programmatic_launch = true;
  static grid_size grid(const Params& p) { return {p.tokens, (p.pairs + threads - 1) / threads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    const int t = block_index().x, pair = block_index().y * threads + thread_index();
    if (pair >= p.pairs) return;
    const int i = pair % p.half;
    const float* const angle = p.angles + t * p.angle_stride;
    const float cosine = angle[i], sine = angle[p.half + i];
    float* const at = p.x + t * p.stride + (pair / p.half * 2 * p.half + i);
    const float a = at[0], b = at[p.half];
    at[0] = a * cosine - b * sine;
    at[p.half] = b * cosine + a * sine;
  }
};

/// A thread has the elements of 16 bytes of a row of the cache, of keys or values.
template <kv_element T>
struct store_kv_kernel {
  static constexpr int threads = 128, min_blocks = 1;
  static constexpr int in16 = 16 / static_cast<int>(sizeof(T));
  struct Params {
    const float *k, *v;  // (T, KV · d)
    std::ptrdiff_t k_stride, v_stride;
    const std::int32_t* slots;  // (T)
    kv_row_view<T> cache;
    int tokens;
  };
  using Smem = no_shared_memory;
  static constexpr bool programmatic_launch = true;
  static grid_size grid(const Params& p) {
    return {p.tokens, (p.cache.heads * (p.cache.row() / in16) + threads - 1) / threads, 2};
  }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    const int t = block_index().x, index = block_index().y * threads + thread_index();
    const int in_row = p.cache.row() / in16, head = index / in_row, column = index % in_row * in16;
    if (head >= p.cache.heads) return;
    const std::int32_t slot = p.slots[t];
    if (slot < 0) return;
    const bool is_key = block_index().z == 0;
    const float* const from = (is_key ? p.k + t * p.k_stride : p.v + t * p.v_stride) + head * p.cache.dim + column;
    float x[16 / sizeof(T)];
    LLAVA_UNROLL
    for (int i = 0; i < in16; ++i) x[i] = column + i < p.cache.dim ? from[i] : 0.f;
    vec16 rounded;
    LLAVA_UNROLL
    for (int w = 0; w < 4; ++w) {
      if constexpr (sizeof(T) == 4)
        rounded.word[w] = bits_of(x[w]);
      else if constexpr (sizeof(T) == 2)
        rounded.word[w] = pack<T>(x[2 * w], x[2 * w + 1]).bits;
      else
        rounded.word[w] =
            pack_fp8(x[4 * w], x[4 * w + 1]) | static_cast<std::uint32_t>(pack_fp8(x[4 * w + 2], x[4 * w + 3])) << 16;
    }
    const std::ptrdiff_t row = (std::ptrdiff_t{slot / kv_block} * p.cache.heads + head) * kv_block + slot % kv_block;
    store16((is_key ? p.cache.keys : p.cache.values) + row * p.cache.row() + column, rounded);
  }
};

}  // namespace detail

inline void rope_angles(queue& q, matrix_view<float> angles, vector_view<const std::int32_t> positions,
                        vector_view<const float> inverse_frequencies) {
  if (!q.accepts(ops::rope_angles_shapes(angles, positions, inverse_frequencies))) return;
  q.launch<detail::rope_angles_kernel>({angles.data(), angles.stride(), positions.data(), inverse_frequencies.data(),
                                        static_cast<int>(positions.extent(0)),
                                        static_cast<int>(inverse_frequencies.extent(0))});
}

inline void rope(queue& q, matrix_view<float> x, matrix_view<const float> angles) {
  if (!q.accepts(ops::rope_shapes(x, angles))) return;
  q.launch<detail::rope_kernel>({x.data(), angles.data(), x.stride(), angles.stride(), static_cast<int>(x.extent(0)),
                                 static_cast<int>(angles.extent(1) / 2), static_cast<int>(x.extent(1) / 2)});
}

template <kv_element T>
void store_kv(queue& q, matrix_view<const float> k, matrix_view<const float> v, step_rows rows, kv_row_view<T> cache) {
  if (!q.accepts(ops::store_kv_shapes(k, v, rows, cache))) return;
  q.launch<detail::store_kv_kernel<T>>(
      {k.data(), v.data(), k.stride(), v.stride(), rows.kv_slots.data(), cache, static_cast<int>(k.extent(0))});
}

LLAVA_CUDA_END
