// SPDX-License-Identifier: Apache-2.0
/// coded_tiles: products of coded weights with many rows of integer activations, on the tensor cores for bytes.
///   2 T N K multiply-adds for each pair of planes: one for 8-bit activations, two for 14-bit ones, four for q16_0; at
///   the datasheet's 1979 TOP/s (H100, H200), a linear layer of LLaVA-1.5-7B at T = 640 (57.7 GFLOP) takes 29, 58 or
///   117 µs
/// Each 32 elements along K, or 16, the integer sums become floats: an i32 conversion, two multiplications and an
/// addition for each element of y, beside 16 or 32 mma of a warp's 64 × 32 for each such step. On sm_90 that work, not
/// the tensor cores, is expected to be the bound: about the rate of f16.
///
/// Weights come as bytes (expand_rows.cuh), so one kernel serves all formats, and its inner loop unpacks nothing.
///
/// A block computes BM × BN of y, a warp BM / 2 × 32 of it, from two or three stages of 64 along K. At 128 × 128, 8
/// warps have 64 registers of sums each, and as many of scales and fragments; 64 × 64 a warp would spill, as would 128
/// × 128 with two groups, which take 64 × 128. An integer sum has at most 32 products, and is exact. Sums of floats
/// have one order, K ascending: a row's bytes do not depend on T within this kernel.
#pragma once
#include <llava/backend/cuda/matmul/coded_few_rows.cuh>
#include <llava/backend/cuda/matmul/expand_rows.cuh>
#include <llava/backend/cuda/matmul/tile.cuh>

LLAVA_CUDA_BEGIN

/// What outliers add to a sum: nothing.
struct no_outliers {
  LLAVA_DEVICE float sum_of(int, int) const { return 0.f; }
};
/// The products of outliers, with F's packed rows.
template <class F>
struct outliers_of {
  coded_x x;
  const std::byte* w;
  LLAVA_DEVICE float sum_of(int t, int n) const {
    const std::byte* const row = w + n * packed_rows<F>::row_bytes(x.inner);
    return outlier_sum<F>(x, t, row, 0, 1) * packed_row_scale<F>(row, x.inner);
  }
};
/// product_end after outliers.
template <class Outliers, class A>
struct coded_end {
  product_end<A> end;
  Outliers outliers;
  LLAVA_DEVICE void store_four(int t, int n, const float (&sum)[4]) const {
    if constexpr (std::is_same_v<Outliers, no_outliers>) {
      end.store_four(t, n, sum);
    } else {
      if (t >= end.rows) return;
      float all[4] = {sum[0], sum[1], sum[2], sum[3]};
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i)
        if (n + i < end.columns) all[i] += outliers.sum_of(t, n + i);
      end.store_four(t, n, all);
    }
  }
};

/// XPlanes, WPlanes: of activations and weights. Groups: of 32 elements of w, with a scale each.
template <int XPlanes, int WPlanes, int Groups, bool HasMinimums>
struct coded_kind {
  static constexpr int x_planes = XPlanes, w_planes = WPlanes, groups = Groups;
  static constexpr bool has_minimums = HasMinimums;
  static constexpr int largest_bm = Groups == 2 ? 64 : 128;  // rows of a tile without spills
};
template <class F>
using coded_kind_of = coded_kind<packed_rows<F>::x_planes, packed_rows<F>::weight_planes, packed_rows<F>::groups,
                                 expand_rows<F>::has_minimums>;

template <class Kind, int BM, int BN, class Outliers, class A>
struct coded_tiles {
  static constexpr int n_warps = BN / 32, warps = 2 * n_warps, threads = 32 * warps, min_blocks = 256 / threads;
  static constexpr int bk = 64, stages = Kind::w_planes == 2 ? 2 : 3;
  static constexpr int m_tiles = BM / 32, n_tiles = 4;  // 16 × 8 fragments of a warp
  static constexpr int groups = Kind::groups;

  struct Params {
    coded_x x;
    expanded_w w;
    coded_end<Outliers, A> end;
  };
  struct stage {
    tile<BM> x[extent<Kind::x_planes>];
    tile<BN> w[extent<Kind::w_planes>];
    alignas(16) float x_scales[2][extent<BM>];                                          // of the two blocks
    alignas(16) std::int32_t x_sums[extent<(Kind::has_minimums ? 4 : 1)>][extent<BM>];  // of each 16
    alignas(16) float w_scales[extent<2 * groups>][extent<BN>];
    alignas(16) float w_minimums[extent<(Kind::has_minimums ? 2 * groups : 1)>][extent<BN>];
  };
  union Smem {
    stage stages[extent<coded_tiles::stages>];
    float slabs[extent<warps>][16][extent<n_tiles * 8 + 4>];
  };
  static grid_size grid(const Params& p) {
    return {((p.end.end.rows + BM - 1) / BM) * ((p.end.end.columns + BN - 1) / BN)};
  }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int m_blocks = (p.end.end.rows + BM - 1) / BM;
    const int first_t = block_index().x % m_blocks * BM, first_n = block_index().x / m_blocks * BN;
    const int warp_t = warp_index() % 2 * (BM / 2), warp_n = warp_index() / 2 * 32;
    const int steps = p.x.columns / bk;

    const auto load = [&](int step) {
      if (step < steps) load_stage(smem.stages[step % stages], p, first_t, first_n, step);
      cp_async_commit();
    };
    LLAVA_UNROLL
    for (int step = 0; step < stages - 1; ++step) load(step);

    fragment_c sums[extent<m_tiles>][extent<n_tiles>] = {};
    for (int block = 0; block < 2 * steps; ++block) {  // one copy of the code for both halves of a stage
      const int step = block / 2;
      if (block % 2 == 0) {
        cp_async_wait<stages - 2>();
        sync_block();  // this stage is complete, and nobody reads the one that is loaded next
        load(step + stages - 1);
      }
      add_block(sums, smem.stages[step % stages], block % 2, warp_t, warp_n);
    }
    cp_async_wait<0>();
    sync_block();  // slabs lie over the stages
    store_sums(sums, smem.slabs[warp_index()], first_t + warp_t, first_n + warp_n, p.end);
  }

 private:
  LLAVA_DEVICE static void load_stage(stage& to, const Params& p, int first_t, int first_n, int step) {
    LLAVA_UNROLL
    for (int plane = 0; plane < Kind::x_planes; ++plane)
      load_codes(to.x[plane], p.x.codes + (std::ptrdiff_t{plane} * p.x.rows + first_t) * p.x.columns, p.x.columns,
                 step);
    LLAVA_UNROLL
    for (int plane = 0; plane < Kind::w_planes; ++plane)
      load_codes(to.w[plane], p.w.codes + (std::ptrdiff_t{plane} * p.w.rows + first_n) * p.w.columns, p.w.columns,
                 step);
    load_lines(to.x_scales, p.x.scales + first_t, p.x.rows, step);
    load_lines(to.w_scales, p.w.scales + first_n, p.w.rows, step);
    if constexpr (Kind::has_minimums) {
      load_lines(to.x_sums, p.x.sums + first_t, p.x.rows, step);
      load_lines(to.w_minimums, p.w.minimums + first_n, p.w.rows, step);
    }
  }
  /// Starts to load columns 64 step to 64 step + 63 of Rows rows.
  template <int Rows>
  LLAVA_DEVICE static void load_codes(tile<Rows>& to, const std::int8_t* from, int columns, int step) {
    LLAVA_UNROLL
    for (int i = 0; i < Rows * tile<Rows>::pieces / threads; ++i) {
      const int at = i * threads + thread_index(), row = at / tile<Rows>::pieces, piece = at % tile<Rows>::pieces;
      cp_async16(to.at(row, piece), from + std::ptrdiff_t{row} * columns + step * bk + piece * 16);
    }
  }
  /// Starts to load lines Lines step to Lines step + Lines − 1, `stride` apart.
  template <class T, std::size_t Lines, std::size_t Length>
  LLAVA_DEVICE static void load_lines(T (&to)[Lines][Length], const T* from, int stride, int step) {
    constexpr int lines = static_cast<int>(Lines), pieces = static_cast<int>(Length) / 4;
    for (int at = thread_index(); at < lines * pieces; at += threads) {
      const int line = at / pieces, piece = at % pieces;
      cp_async16(&to[line][piece * 4], from + (std::ptrdiff_t{step} * lines + line) * stride + piece * 4);
    }
  }

  /// Adds the products of 32 elements along K to the warp's sums.
  LLAVA_DEVICE static void add_block(fragment_c (&sums)[extent<m_tiles>][extent<n_tiles>], stage& from, int half,
                                     int warp_t, int warp_n) {
    const int lane = lane_index();
    byte_fragment_a a[extent<Kind::x_planes>][extent<m_tiles>];
    float x_scale[extent<m_tiles>][2];                                 // of rows g and g + 8
    [[maybe_unused]] float x_sum[extent<m_tiles>][2][extent<groups>];  // −scale · sum of codes
    LLAVA_UNROLL
    for (int m = 0; m < m_tiles; ++m) {
      LLAVA_UNROLL
      for (int plane = 0; plane < Kind::x_planes; ++plane) {
        const matrices words = from.x[plane].load_a(warp_t + 16 * m, half);
        a[plane][m] = {{words.word[0], words.word[1], words.word[2], words.word[3]}};
      }
      LLAVA_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int row = warp_t + 16 * m + lane / 4 + 8 * i;
        x_scale[m][i] = from.x_scales[half][row];
        if constexpr (Kind::has_minimums) {
          const int first = from.x_sums[2 * half][row], second = from.x_sums[2 * half + 1][row];
          LLAVA_UNROLL
          for (int g = 0; g < groups; ++g)
            x_sum[m][i][g] = -x_scale[m][i] * static_cast<float>(groups == 1 ? first + second
                                                                 : g == 0    ? first
                                                                             : second);
        }
      }
    }
    LLAVA_UNROLL
    for (int pair = 0; pair < n_tiles; pair += 2) {
      byte_fragment_b b[extent<Kind::w_planes>][2];
      LLAVA_UNROLL
      for (int plane = 0; plane < Kind::w_planes; ++plane) {
        const matrices words = from.w[plane].load_b_pair(warp_n + 8 * pair, half);
        b[plane][0] = {{words.word[0], words.word[1]}};
        b[plane][1] = {{words.word[2], words.word[3]}};
      }
      LLAVA_UNROLL
      for (int j = 0; j < 2; ++j) {
        LLAVA_UNROLL
        for (int g = 0; g < groups; ++g) {
          const int column = warp_n + 8 * (pair + j) + lane % 4 * 2;
          const float* const scale = &from.w_scales[half * groups + g][column];
          const float w_scale[2] = {scale[0], scale[1]};
          LLAVA_UNROLL
          for (int m = 0; m < m_tiles; ++m) {
            const integer_fragment_c c = product(a, b, m, j, g);
            LLAVA_UNROLL
            for (int i = 0; i < 4; ++i) {
              float& sum = sums[m][pair + j].value[i];
              sum = fused_multiply_add(static_cast<float>(c.value[i]), x_scale[m][i / 2] * w_scale[i % 2], sum);
            }
          }
          if constexpr (Kind::has_minimums) {
            const float* const minimum = &from.w_minimums[half * groups + g][column];
            const float w_minimum[2] = {minimum[0], minimum[1]};
            LLAVA_UNROLL
            for (int m = 0; m < m_tiles; ++m) {
              LLAVA_UNROLL
              for (int i = 0; i < 4; ++i) {
                float& sum = sums[m][pair + j].value[i];
                sum = fused_multiply_add(x_sum[m][i / 2][g], w_minimum[i % 2], sum);
              }
            }
          }
        }
      }
    }
  }
  /// The integer sums of tile (m, j) over group g: planes by their weights 128² … 1, in the form of Horner.
  LLAVA_DEVICE static integer_fragment_c product(const byte_fragment_a (&a)[extent<Kind::x_planes>][extent<m_tiles>],
                                                 const byte_fragment_b (&b)[extent<Kind::w_planes>][2], int m, int j,
                                                 int g) {
    integer_fragment_c c = {};
    LLAVA_UNROLL
    for (int level = 0; level < Kind::x_planes + Kind::w_planes - 1; ++level) {
      if (level > 0) {
        LLAVA_UNROLL
        for (int& v : c.value) v *= 128;
      }
      LLAVA_UNROLL
      for (int x = 0; x < Kind::x_planes; ++x) {
        LLAVA_UNROLL
        for (int w = 0; w < Kind::w_planes; ++w)
          if (x + w == level) {
            if constexpr (groups == 1)
              c = mma_m16n8k32(a[x][m], b[w][j], c);
            else if (g == 0)
              c = mma_m16n8k16<0>(a[x][m], b[w][j], c);
            else
              c = mma_m16n8k16<1>(a[x][m], b[w][j], c);
          }
      }
    }
    return c;
  }
};

LLAVA_CUDA_END
