// SPDX-License-Identifier: Apache-2.0
/// coded_few_rows: products of coded weights with at most 8 rows of integer activations: the decoding of 1 to 8
/// sequences.
///   N K bits / 8 bytes of weights, read once, bound the time: the 4-bit layers of LLaVA-1.5-7B (4.5 bits, 3.6 GB) take
///   1.1 ms on an H100 (3.35 TB/s) and 0.76 ms on an H200 (4.8 TB/s), 8-bit ones (8.5 bits, 6.9 GB) 2.1 and 1.4 ms
/// The work must keep up: a multiprocessor gets 16 bytes for a lane of a warp every 24 cycles, in which it issues 96
/// instructions. A lane multiplies a whole block: 32 codes of 4 bits take 12 instructions to unpack, 8 dot4() for a row
/// of activations of 8 bits and 16 for one of 14, and about 10 for scales and sums. A warp computes two columns of y,
/// so that each load of activations (from L1, 32 or 64 bytes for a block) serves two; a lane has two blocks of each in
/// flight, 2 KiB a warp. The first of them are loaded before the kernel that writes x has ended.
///
/// One row is quantised by each block, into shared memory: that reads K floats from L2, beside the bytes of 16 columns
/// of w, and saves a kernel, which at 4 bits would take as long as the product. Several rows, and formats with
/// outliers, are quantised by a kernel of their own.
///
/// The sum of a block is exact, in integers; those of a lane are added b ascending, then the lanes by a butterfly. This
/// order depends on K alone: a row's bytes do not depend on T ≤ 8.
///
/// The columns may be those of several products with one x (parts.cuh); a warp's two are a tile.
#pragma once
#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/matmul/coded_x.cuh>
#include <llava/backend/cuda/matmul/parts.cuh>

LLAVA_CUDA_BEGIN

/// The products of the outliers of row t with a packed row of w, without the row scale: those of this lane.
template <class F>
LLAVA_DEVICE float outlier_sum(const coded_x& x, int t, const std::byte* row, int first, int step) {
  float sum = 0.f;
  for (int i = first; i < x.outlier_counts[t]; i += step) {
    const int k = x.outliers[std::ptrdiff_t{t} * x.inner + i];
    sum = fused_multiply_add(x.x[t * x.x_stride + k], static_cast<float>(reinterpret_cast<const std::int8_t*>(row)[k]),
                             sum);
  }
  return sum;
}

/// The activations of a block that quantises a row itself.
template <int Planes>
struct own_coded_x {
  static constexpr int most = 16384;  // the largest K, padded
  alignas(16) std::int8_t codes[extent<Planes * most>];
  float scales[extent<most / 32>];
  std::int32_t sums[extent<most / 16>];
};

/// Rows: 1 or 8, at least T. Quantises: x has no codes yet, T is 1, and K at most own_coded_x::most.
template <class F, int Rows, bool Quantises, class A>
struct coded_few_rows {
  static_assert(!Quantises || (Rows == 1 && !has_outliers<F>), "llava: a block quantises one row without outliers");
  using layout = packed_rows<F>;
  static constexpr int threads = 256, min_blocks = Rows == 1 ? 3 : 2, warps = 8, own = 2;
  static constexpr int unrolled = layout::bits == 16 ? 1 : 2;
  static constexpr bool programmatic_launch = true;

  struct Params {
    coded_x x;                      // (T, K)
    product_parts<std::byte, A> w;  // (N, K) in packed rows
  };
  using Smem = std::conditional_t<Quantises, own_coded_x<layout::x_planes>, no_shared_memory>;
  static grid_size grid(const Params& p) { return {(p.w.tiles(own) + warps - 1) / warps}; }

  LLAVA_DEVICE static void run(const Params& p, [[maybe_unused]] Smem& smem) {
    const int lane = lane_index(), columns = p.x.inner, blocks = static_cast<int>(layout::blocks(columns));
    const auto tile = p.w.template tile_at<own>(block_index().x * warps + warp_index());
    const std::byte* row[own];
    LLAVA_UNROLL
    for (int r = 0; r < own; ++r) row[r] = p.w.template row<own>(tile, r);

    float sums[own][extent<Rows>] = {};
    block_codes<F> codes[extent<unrolled>][own];
    block_scales<F> scales[extent<unrolled>][own];
    const auto load = [&](int first) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i) {
        LLAVA_UNROLL
        for (int r = 0; r < own; ++r) {
          const int b = minimum(first + i * warp_size, blocks - 1);
          codes[i][r] = block_codes<F>::load(row[r], columns, b);
          scales[i][r] = block_scales<F>::load(row[r], columns, b);
        }
      }
    };
    int first = lane;
    load(first);
    let_next_kernel_start();
    wait_for_previous_kernels();
    coded_x x = p.x;
    if constexpr (Quantises) {
      x.codes = smem.codes, x.scales = smem.scales, x.sums = smem.sums;
      for (int k = warp_index() * coded_x::run; k < x.columns; k += warps * coded_x::run)
        quantise_run<activation_code<F>, F::activation_group>(x, 0, k);
      sync_block();
    }
    for (; first < blocks; first += unrolled * warp_size) {
      LLAVA_UNROLL
      for (int i = 0; i < unrolled; ++i)
        if (const int b = first + i * warp_size; b < blocks) {
          LLAVA_UNROLL
          for (int t = 0; t < Rows; ++t)
            if (t < p.x.filled) {
              const x_block of_x = x_block::load(x, t, b);
              LLAVA_UNROLL
              for (int r = 0; r < own; ++r) sums[r][t] = add_block(codes[i][r], scales[i][r], of_x, sums[r][t]);
            }
        }
      if (first + unrolled * warp_size < blocks) load(first + unrolled * warp_size);
    }
    if constexpr (has_outliers<F>)
      for (int t = 0; t < p.x.filled; ++t) {
        LLAVA_UNROLL
        for (int r = 0; r < own; ++r) {
          const float more = outlier_sum<F>(p.x, t, row[r], lane, warp_size);
          LLAVA_UNROLL
          for (int i = 0; i < Rows; ++i)
            if (i == t) sums[r][i] += more;
        }
      }
    float mine = 0.f;  // of the column lane / Rows, row lane % Rows
    LLAVA_UNROLL
    for (int r = 0; r < own; ++r) {
      LLAVA_UNROLL
      for (int t = 0; t < Rows; ++t) {
        const float all = warp_sum(sums[r][t]);
        if (lane == r * Rows + t) mine = all;
      }
    }
    const int c = minimum(lane / Rows, own - 1);
    const float scale = packed_row_scale<F>(c == 0 ? row[0] : row[1], columns);
    const float next = shuffle_xor(mine, Rows), next_scale = shuffle_xor(scale, Rows);  // of column c + 1
    if (lane < own * Rows) p.w.template store<own>(tile, lane % Rows, c, mine, scale, next, next_scale);
  }

 private:
  /// A block of a row of activations.
  struct x_block {
    vec16 code[layout::x_planes][2];
    float scale;
    int sum[2];  // of each 16 codes

    LLAVA_DEVICE static x_block load(const coded_x& x, int t, int b) {
      x_block made;
      LLAVA_UNROLL
      for (int plane = 0; plane < layout::x_planes; ++plane) {
        LLAVA_UNROLL
        for (int i = 0; i < 2; ++i) made.code[plane][i] = load(x.block(plane, t, b) + 16 * i);
      }
      made.scale = x.scales[std::ptrdiff_t{b} * x.rows + t];
      LLAVA_UNROLL
      for (int i = 0; i < 2; ++i) made.sum[i] = x.sums[std::ptrdiff_t{2 * b + i} * x.rows + t];
      return made;
    }
    LLAVA_DEVICE static vec16 load(const std::int8_t* from) {
      if constexpr (Quantises)
        return *reinterpret_cast<const vec16*>(from);
      else
        return load16(from);
    }
    LLAVA_DEVICE std::uint32_t word(int m, int plane) const { return code[plane][m / 4].word[m % 4]; }
    /// The sum of the codes of group g of w.
    LLAVA_DEVICE int sum_of(int g) const { return layout::groups == 2 ? sum[g] : sum[0] + sum[1]; }
  };

  /// sum + the products of a block (ops/matmul.hpp).
  LLAVA_DEVICE static float add_block(const block_codes<F>& w, const block_scales<F>& s, const x_block& x, float sum) {
    int whole = 0;
    LLAVA_UNROLL
    for (int g = 0; g < layout::groups; ++g) {
      int own_sum = group_sum(w, x, g);
      if constexpr (layout::zero != 0) own_sum -= layout::zero * x.sum_of(g);
      whole += s.factor[g] * own_sum;
    }
    if constexpr (layout::has_offset) whole -= 8 * s.minimum[0] * x.sum_of(0);
    sum = fused_multiply_add(static_cast<float>(whole), x.scale * s.scale, sum);
    if constexpr (layout::has_minimum) {
      LLAVA_UNROLL
      for (int g = 0; g < layout::groups; ++g)
        sum = fused_multiply_add(-(x.scale * static_cast<float>(x.sum_of(g))),
                                 s.least * static_cast<float>(s.minimum[g]), sum);
    }
    return sum;
  }
  /// Σ x · w over group g, with codes as they are stored.
  LLAVA_DEVICE static int group_sum(const block_codes<F>& w, const x_block& x, int g) {
    constexpr int words = layout::group / 4;
    int sum = 0;
    LLAVA_UNROLL
    for (int wp = 0; wp < layout::weight_planes; ++wp) {
      int in_plane = 0;
      LLAVA_UNROLL
      for (int xp = 0; xp < layout::x_planes; ++xp) {
        int own_sum = 0;
        LLAVA_UNROLL
        for (int m = g * words; m < (g + 1) * words; ++m) own_sum = dot4(w.word(m, wp), x.word(m, xp), own_sum);
        in_plane = 128 * in_plane + own_sum;
      }
      sum = 128 * sum + in_plane;
    }
    return sum;
  }
};

LLAVA_CUDA_END
