// SPDX-License-Identifier: Apache-2.0
/// coded_x: activations as integers (quant/activations.hpp), as products with coded weights read them, and the kernels
/// that make them. For T rows of K elements, padded to whole runs of 128 along K, and to `rows` rows of which those
/// past T are zeros:
///   codes    (planes, rows, columns) i8: 8-bit codes, or of 14 bits `high` and then `low`, code = 128 · high + low
///   scales   (columns / 32, rows) f32 · sums (columns / 16, rows) i32: of each 16 codes
/// Formats with outliers also have, for each row, their number and their columns, ascending.
///
/// The kernels read 4 T K bytes and write T K (planes + 3/8): for T = 640, K = 4096 and two planes, 17 MB, 5.0 µs at
/// 3.35 TB/s and 3.5 µs at 4.8 TB/s; for one row, the time of a launch. A warp takes 128 elements, four neighbouring
/// ones in a lane, so that loads have 16 bytes, stores of codes 4, and all maxima and sums are butterflies.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/matmul/packed_rows.cuh>
#include <llava/quant/activations.hpp>

LLAVA_CUDA_BEGIN

/// Quantised activations, described at the top of this file.
struct coded_x {
  std::int8_t* codes;
  float* scales;
  std::int32_t* sums;
  std::int32_t *outlier_counts, *outliers;  // (T), (T, K); null without outliers
  const float* x;                           // (T, K)
  std::ptrdiff_t x_stride;
  int filled, rows, inner, columns;  // T, T padded, K, K padded

  static constexpr int run = 128;
  /// `count` rows from row t on, or those of them that x has.
  coded_x rows_from(int t, int count) const {
    coded_x some = *this;
    some.codes += std::ptrdiff_t{t} * columns, some.scales += t, some.sums += t;
    if (outliers != nullptr) some.outlier_counts += t, some.outliers += std::ptrdiff_t{t} * inner;
    some.x += t * x_stride, some.filled = filled - t < count ? filled - t : count;
    return some;
  }
  /// Codes 32b to 32b + 31 of a row.
  LLAVA_DEVICE const std::int8_t* block(int plane, int t, int b) const {
    return codes + (std::ptrdiff_t{plane} * rows + t) * columns + b * block_elements;
  }
  /// Writes what lane l of a warp has: the codes of elements k to k + 3 of row t; the scale of their 32.
  template <class Code>
  LLAVA_DEVICE void write(int t, int k, const Code (&code)[4], float scale) const {
    std::uint32_t high = 0, low = 0;
    int sum = 0;
    LLAVA_UNROLL
    for (int i = 0; i < 4; ++i) {
      sum += code[i];
      const split_code two = sizeof(Code) == 2 ? split(code[i]) : split_code{code[i], 0};
      high |= (static_cast<std::uint32_t>(two.high) & 0xffu) << 8 * i;
      low |= (static_cast<std::uint32_t>(two.low) & 0xffu) << 8 * i;
    }
    sum = warp_sum<4>(sum);
    *reinterpret_cast<std::uint32_t*>(codes + std::ptrdiff_t{t} * columns + k) = high;
    if constexpr (sizeof(Code) == 2)
      *reinterpret_cast<std::uint32_t*>(codes + (std::ptrdiff_t{rows} + t) * columns + k) = low;
    if (lane_index() % 4 == 0) sums[std::ptrdiff_t{k / 16} * rows + t] = sum;
    if (lane_index() % 8 == 0) scales[std::ptrdiff_t{k / 32} * rows + t] = scale;
  }
  /// Elements k to k + 3 of row t; zeros past the end.
  LLAVA_DEVICE void read(int t, int k, float (&v)[4]) const {
    const float* const from = x + t * x_stride + k;
    if (t < filled && k + 4 <= inner && reinterpret_cast<std::uintptr_t>(from) % 16 == 0) {
      const vec16 four = load16(from);
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i) v[i] = float_of(four.word[i]);
    } else {
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i) v[i] = t < filled && k + i < inner ? from[i] : 0.f;
    }
  }
};

/// quantise_activations() of the 128 elements of row t from k on, with groups of 32 or 128; by a warp.
template <class Code, int Group>
LLAVA_DEVICE void quantise_run(const coded_x& x, int t, int k) {
  static_assert(Group == 32 || Group == 128, "llava: a warp quantises groups of 32 or 128 elements");
  k += 4 * lane_index();
  float v[4];
  x.read(t, k, v);
  float most = 0.f;
  LLAVA_UNROLL
  for (int i = 0; i < 4; ++i) most = maximum(most, v[i] < 0.f ? -v[i] : v[i]);
  most = warp_max<Group / 4>(most);
  constexpr auto largest = static_cast<float>(largest_code<Code>);
  const bool usable = most > 1e-30f && most < 3e38f;
  const float inverse = usable ? largest / most : 0.f;
  Code codes[4];
  LLAVA_UNROLL
  for (int i = 0; i < 4; ++i) codes[i] = round_to_code<Code>(usable ? v[i] * inverse : 0.f);
  x.write(t, k, codes, usable ? most / largest : 0.f);
}

/// quantise_activations() with groups of 32 or 128 elements.
template <class Code, int Group>
struct quantise_rows {
  static constexpr int threads = 256, min_blocks = 4, warps = 8;
  static constexpr bool programmatic_launch = true;
  using Params = coded_x;
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {(p.rows * (p.columns / Params::run) + warps - 1) / warps}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    let_next_kernel_start();
    wait_for_previous_kernels();
    const int runs = p.columns / Params::run, at = block_index().x * warps + warp_index();
    if (at / runs < p.rows) quantise_run<Code, Group>(p, at / runs, at % runs * Params::run);
  }
};

/// quantise_without_outliers() of F. A block takes a row; its warps list the outliers of an eighth each.
template <class F>
struct quantise_rows_without_outliers {
  using Code = activation_code<F>;
  static constexpr int threads = 256, min_blocks = 4, warps = 8;
  static constexpr bool programmatic_launch = true;
  using Params = coded_x;
  struct Smem {
    float most[warps];
    std::int32_t counts[warps];
  };
  static grid_size grid(const Params& p) { return {p.rows}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int t = block_index().x, lane = lane_index(), warp = warp_index();
    let_next_kernel_start();
    wait_for_previous_kernels();
    float most = 0.f;
    for (int k = 4 * thread_index(); k < p.columns; k += 4 * threads) {
      float v[4];
      p.read(t, k, v);
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i)
        if (!is_outlier<F>(v[i])) most = maximum(most, v[i] < 0.f ? -v[i] : v[i]);
    }
    most = block_max(most, smem.most);
    constexpr auto largest = static_cast<float>(largest_code<Code>);
    const bool usable = most > 1e-30f;
    const float inverse = usable ? largest / most : 0.f;
    for (int first = warp * Params::run; first < p.columns; first += warps * Params::run) {
      const int k = first + 4 * lane;
      float v[4];
      p.read(t, k, v);
      Code codes[4];
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i) codes[i] = round_to_code<Code>(is_outlier<F>(v[i]) ? 0.f : v[i] * inverse);
      p.write(t, k, codes, usable ? most / largest : 0.f);
    }
    if (t >= p.filled) return;  // the whole block
    const float* const x = p.x + t * p.x_stride;
    const int share = (p.inner + warps * warp_size - 1) / (warps * warp_size) * warp_size;
    const int begin = minimum(warp * share, p.inner), end = minimum(begin + share, p.inner);
    int count = 0;
    for (int k = begin; k < end; k += warp_size)
      count += count_bits(warp_ballot(k + lane < end && is_outlier<F>(x[k + lane])));
    if (lane == 0) smem.counts[warp] = count;
    sync_block();
    int before = 0;
    for (int w = 0; w < warp; ++w) before += smem.counts[w];
    if (warp == warps - 1 && lane == 0) p.outlier_counts[t] = before + count;
    for (int k = begin; k < end; k += warp_size) {
      const bool out = k + lane < end && is_outlier<F>(x[k + lane]);
      const std::uint32_t all = warp_ballot(out);
      if (out) p.outliers[std::ptrdiff_t{t} * p.inner + before + count_bits(all & ((1u << lane) - 1u))] = k + lane;
      before += count_bits(all);
    }
  }
};

LLAVA_CUDA_END
