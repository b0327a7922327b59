// SPDX-License-Identifier: Apache-2.0
/// rope_angles, rope, store_kv and rope_and_store on the device (contracts: ops/rope.hpp, ops/kv_layout.hpp).
///
/// | op | bytes per token and layer, LLaVA-1.5-7B | H100, 3.35 TB/s | H200, 4.8 TB/s |
/// |---|---|---|---|
/// | rope of q and k | 4 · 4096 · 4 = 64 KiB | 20 ns | 14 ns |
/// | store_kv, f16 | 2 · 4096 · (4 + 2) = 48 KiB | 15 ns | 10 ns |
/// | rope_and_store, f16: both, but keys are not written | 80 KiB | 24 ns | 17 ns |
/// | rope_angles, once per step | 128 · 4 = 512 B | – | – |
///
/// For 640 tokens the floor of both is 22 µs per layer on H100, 0.7 ms for 32 layers. In decode all three are launches
/// of a few blocks: their time is that of a launch, so rope_and_store is one in place of three.
///
/// A thread has one pair, one angle, or 16 bytes of the cache; neighbouring lanes have neighbouring addresses. No sum
/// crosses threads, so no tile would save a byte. A key that is stored at once is read twice, the second time from L1:
/// the partners of a thread's elements belong to another thread.
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

/// The pair (a, b) turned by an angle: a · cosine − b · sine, b · cosine + a · sine. The roundings are fixed, so that
/// all kernels give the same bytes.
LLAVA_DEVICE float turned_low(float a, float b, float cosine, float sine) {
  return fused_multiply_add(a, cosine, -(b * sine));
}
LLAVA_DEVICE float turned_high(float a, float b, float cosine, float sine) {
  return fused_multiply_add(b, cosine, a * sine);
}

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
    turn(p.x + t * p.stride, p.angles + t * p.angle_stride, p.half, pair);
  }
  /// Turns a pair of a row.
  LLAVA_DEVICE static void turn(float* row, const float* angle, int half, int pair) {
    const int i = pair % half;
    const float cosine = angle[i], sine = angle[half + i];
    float* const at = row + (pair / half * 2 * half + i);
    const float a = at[0], b = at[half];
    at[0] = turned_low(a, b, cosine, sine);
    at[half] = turned_high(a, b, cosine, sine);
  }
};

/// Writes 16 bytes of a row of the cache, of keys or values, unless the slot is negative. element(head, i) is what it
/// holds of a head, 0 ≤ i < d.
template <kv_element T, class Element>
LLAVA_DEVICE void store_in_cache(const kv_row_view<T>& cache, bool is_key, std::int32_t slot, int index,
                                 Element&& element) {
  constexpr int in16 = 16 / static_cast<int>(sizeof(T));
  const int in_row = cache.row() / in16, head = index / in_row, column = index % in_row * in16;
  if (slot < 0 || head >= cache.heads) return;
  float x[16 / sizeof(T)];
  LLAVA_UNROLL
  for (int i = 0; i < in16; ++i) x[i] = column + i < cache.dim ? element(head, column + i) : 0.f;
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
  const std::ptrdiff_t row = (std::ptrdiff_t{slot / kv_block} * cache.heads + head) * kv_block + slot % kv_block;
  store16((is_key ? cache.keys : cache.values) + row * cache.row() + column, rounded);
}
/// The number of 16 bytes of a token's keys.
template <class T>
LLAVA_HOST_DEVICE int vectors_of_token(const kv_row_view<T>& cache) {
  return cache.heads * (cache.row() * static_cast<int>(sizeof(T)) / 16);
}

/// A thread has 16 bytes of a row of the cache, of keys or values.
template <kv_element T>
struct store_kv_kernel {
  static constexpr int threads = 128, min_blocks = 1;
  struct Params {
    const float *k, *v;  // (T, KV · d)
    std::ptrdiff_t k_stride, v_stride;
    const std::int32_t* slots;  // (T)
    kv_row_view<T> cache;
    int tokens;
  };
  using Smem = no_shared_memory;
  static constexpr bool programmatic_launch = true;
  static grid_size grid(const Params& p) { return {p.tokens, (vectors_of_token(p.cache) + threads - 1) / threads, 2}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    const int t = block_index().x, index = block_index().y * threads + thread_index();
    const bool is_key = block_index().z == 0;
    const float* const from = is_key ? p.k + t * p.k_stride : p.v + t * p.v_stride;
    store_in_cache(p.cache, is_key, p.slots[t], index, [&](int head, int i) { return from[head * p.cache.dim + i]; });
  }
};

/// Blocks of a token turn pairs of its queries; the others store keys, which they turn, or values.
template <kv_element T>
struct rope_and_store_kernel {
  static constexpr int threads = 128, min_blocks = 1;
  struct Params {
    float* q;             // (T, H · d)
    const float *k, *v;   // (T, KV · d)
    const float* angles;  // (T, d)
    std::ptrdiff_t q_stride, k_stride, v_stride, angle_stride;
    const std::int32_t* slots;  // (T)
    kv_row_view<T> cache;
    int tokens, pairs;  // pairs of the queries of a token
  };
  using Smem = no_shared_memory;
  static constexpr bool programmatic_launch = true;
  LLAVA_HOST_DEVICE static int blocks_of(int n) { return (n + threads - 1) / threads; }
  static grid_size grid(const Params& p) {
    return {p.tokens, blocks_of(p.pairs) + 2 * blocks_of(vectors_of_token(p.cache))};
  }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    wait_for_previous_kernels();
    const int t = block_index().x, dim = p.cache.dim, half = dim / 2;
    const float* const angle = p.angles + t * p.angle_stride;
    int block = block_index().y;
    if (block < blocks_of(p.pairs)) {
      if (const int pair = block * threads + thread_index(); pair < p.pairs)
        rope_kernel::turn(p.q + t * p.q_stride, angle, half, pair);
      return;
    }
    block -= blocks_of(p.pairs);
    const int of_keys = blocks_of(vectors_of_token(p.cache));
    const bool is_key = block < of_keys;
    const int index = (is_key ? block : block - of_keys) * threads + thread_index();
    const float* const from = is_key ? p.k + t * p.k_stride : p.v + t * p.v_stride;
    store_in_cache(p.cache, is_key, p.slots[t], index, [&](int head, int i) {
      const float* const x = from + head * dim;
      if (!is_key) return x[i];
      return i < half ? turned_low(x[i], x[i + half], angle[i], angle[half + i])
                      : turned_high(x[i - half], x[i], angle[i - half], angle[i]);
    });
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

template <kv_element T>
void rope_and_store(queue& q, matrix_view<float> queries, matrix_view<const float> k, matrix_view<const float> v,
                    matrix_view<const float> angles, step_rows rows, kv_row_view<T> cache) {
  if (!q.accepts(ops::rope_and_store_shapes(queries, k, v, angles, rows, cache))) return;
  q.launch<detail::rope_and_store_kernel<T>>({queries.data(), k.data(), v.data(), angles.data(), queries.stride(),
                                              k.stride(), v.stride(), angles.stride(), rows.kv_slots.data(), cache,
                                              static_cast<int>(k.extent(0)), static_cast<int>(queries.extent(1) / 2)});
}

LLAVA_CUDA_END
