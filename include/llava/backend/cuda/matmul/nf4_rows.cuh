// SPDX-License-Identifier: Apache-2.0
/// nf4_rows: the layout of nf4 in the CUDA backend, and its products, with operands of f16: the type in which
/// bitsandbytes computes.
///
/// The layout, if K is a multiple of 64: a row of w has
///   codes    of each 128 elements along K 64 bytes: 4 pieces t of 4 words j; byte i of a word has elements
///            128 b + 32 j + 8 t + 2 i (low half) and the next one (high half)
///   scales   f32 of each 64 elements, padded to whole 16 bytes
/// 4.5 bits per weight: scales are decoded while packing, because a product would spend more on looking them up than on
/// reading three more bytes for 64 elements. Elements past K have the code of 0. A matrix with another K, whose blocks
/// continue in the next row, is stored as rows of f16; no published model has one.
///
/// few rows (T ≤ 16): N K · 9/16 bytes of weights bound the time: 3.6 GB for the layers of LLaVA-1.5-7B take 1.1 ms at
/// 3.35 TB/s and 0.76 ms at 4.8 TB/s. As in few_rows.cuh a lane's bytes become its fragments, here through a table of
/// 256 pairs of f16 in shared memory, one for each byte. It has a copy for every lane, in the lane's own bank: 16 loads
/// for 16 bytes of a lane take 16 of the 24 cycles that the bytes take from memory; with one table, banks would
/// conflict. It has 32 KiB, so a block computes several times 8 columns; it is filled before the kernel that writes x
/// has ended. A sum is scaled once for 64 elements.
///
/// many rows: expand_nf4 writes w as f16 rows, 4096 of them at a time, for tensor_tiles: N K · 2.6 bytes, 13 µs at 3.35
/// TB/s for N = K = 4096, beside 35 µs of tensor cores for T = 640. They stay in L2.
#pragma once
#include <cstddef>
#include <cstring>

#include <llava/backend/cuda/matmul/few_rows.cuh>
#include <llava/quant/layout.hpp>
#include <llava/quant/nf4.hpp>

LLAVA_CUDA_BEGIN

/// A matrix (N, K) in the layout of this file.
struct nf4_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
};

/// The layout of nf4, described at the top of this file.
struct nf4_rows {
  using view = nf4_view;
  static constexpr std::string_view name = "rows in planes, 1";

  static constexpr bool has_codes(std::ptrdiff_t columns) { return columns % nf4::block == 0; }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t runs(std::ptrdiff_t columns) { return (columns + 127) / 128; }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t scales_at(std::ptrdiff_t columns) { return runs(columns) * 64; }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t row_bytes(std::ptrdiff_t columns) {
    return scales_at(columns) + (runs(columns) * 8 + 15) / 16 * 16;
  }
  static constexpr std::ptrdiff_t bytes(std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return has_codes(columns) ? rows * row_bytes(columns) : rows * columns * 2;
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }

  static void pack(std::byte* to, const tensor_view<nf4>& from, executor& threads) {
    const nf4::reader w(from.data, from.rows * from.columns);
    constexpr std::ptrdiff_t piece = 16;  // rows
    parallel_for_dynamic(threads, (from.rows + piece - 1) / piece, [&](std::ptrdiff_t i, std::ptrdiff_t) {
      for (std::ptrdiff_t n = i * piece; n < (i + 1) * piece && n < from.rows; ++n)
        if (has_codes(from.columns))
          pack_row(to + n * row_bytes(from.columns), w, n, from.columns);
        else
          for (std::ptrdiff_t e = n * from.columns; e < (n + 1) * from.columns; ++e)
            write_number(to + 2 * e, from_float<f16>(nf4::book[w.code(e)] * w.scale(e / nf4::block)));
    });
  }

 private:
  static void pack_row(std::byte* to, const nf4::reader& w, std::ptrdiff_t n, std::ptrdiff_t columns) {
    std::memset(to, 0x77, static_cast<std::size_t>(scales_at(columns)));  // 7: the code of 0
    std::memset(to + scales_at(columns), 0, static_cast<std::size_t>(row_bytes(columns) - scales_at(columns)));
    for (std::ptrdiff_t k = 0; k < columns; k += 2) {
      const std::ptrdiff_t e = n * columns + k, in_run = k % 128, word = in_run / 32, lane = in_run % 32 / 8;
      to[k / 128 * 64 + lane * 16 + word * 4 + k % 8 / 2] = static_cast<std::byte>(w.code(e) | w.code(e + 1) << 4);
    }
    for (std::ptrdiff_t b = 0; b < columns / nf4::block; ++b)
      write_number(to + scales_at(columns) + 4 * b, w.scale(n * columns / nf4::block + b));
  }
};

/// The values of codes, as kernels take them: a parameter can be indexed at run time, a constant of a class cannot.
struct nf4_book {
  float value[16];
  static nf4_book make() {
    nf4_book b;
    for (int i = 0; i < 16; ++i) b.value[i] = nf4::book[i];
    return b;
  }
};

/// Rows: 8 or 16, at least T.
template <int Rows, class A>
struct few_nf4_rows {
  static constexpr int threads = 256, min_blocks = 2, warps = 8, unrolled = 2, most_blocks = 264;
  static constexpr bool programmatic_launch = true;

  struct Params {
    const f16* x;             // (T, K), rows 16-byte aligned
    std::ptrdiff_t x_stride;  // in elements
    int inner;                // K, a multiple of 64
    nf4_book book;
    product_parts<std::byte, A> w;  // (N, K) in nf4_rows
  };
  struct Smem {
    std::uint32_t pairs[256][warp_size];
    float partial[warps][extent<Rows * 8>];
  };
  static grid_size grid(const Params& p) {
    const int tiles = p.w.tiles(8);
    return {tiles < most_blocks ? tiles : most_blocks};
  }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    const int lane = lane_index(), t = lane % 4;
    for (int byte = warp_index(); byte < 256; byte += warps)
      smem.pairs[byte][lane] = pack<f16>(p.book.value[byte & 15], p.book.value[byte >> 4]).bits;
    sync_block();
    let_next_kernel_start();
    wait_for_previous_kernels();
    const int runs = static_cast<int>(nf4_rows::runs(p.inner)), tiles = p.w.tiles(8);
    for (int index = block_index().x; index < tiles; index += grid_extents().x) {
      const auto tile = p.w.template tile_at<8>(index);
      const std::byte* const w = p.w.template row<8>(tile, lane / 4) + 16 * t;
      const std::byte* const scales[2] = {p.w.template row<8>(tile, 2 * t) + nf4_rows::scales_at(p.inner),
                                          p.w.template row<8>(tile, 2 * t + 1) + nf4_rows::scales_at(p.inner)};
      fragment_c sum = {};
      for (int first = warp_index(); first < runs; first += unrolled * warps) {
        vec16 codes[unrolled];
        LLAVA_UNROLL
        for (int i = 0; i < unrolled; ++i)
          codes[i] = load16_streaming(w + std::ptrdiff_t{minimum(first + i * warps, runs - 1)} * 64);
        LLAVA_UNROLL
        for (int i = 0; i < unrolled; ++i)
          if (const int at = first + i * warps; at < runs) add_run(p, smem, codes[i], scales, at, sum);
      }
      store_sum_of_warps<Rows>(sum, smem.partial, p.w, tile);
      sync_block();  // the next columns use the same memory
    }
  }

 private:
  LLAVA_DEVICE static vec16 x_of(const Params& p, int t, int k) {
    return t < p.w.rows() && k < p.inner ? load16(p.x + t * p.x_stride + k) : vec16{};
  }
  /// Adds the products of 128 elements, 64 with one scale.
  LLAVA_DEVICE static void add_run(const Params& p, const Smem& smem, const vec16& codes,
                                   const std::byte* const (&scales)[2], int run, fragment_c& sum) {
    const int lane = lane_index(), g = lane / 4, t = lane % 4;
    LLAVA_UNROLL
    for (int block = 0; block < 2; ++block) {
      fragment_c inner = {};
      LLAVA_UNROLL
      for (int j = 2 * block; j < 2 * block + 2; ++j) {
        const int k = run * 128 + 32 * j + 8 * t;
        const vec16 low = x_of(p, g, k), high = Rows == 16 ? x_of(p, g + 8, k) : vec16{};
        std::uint32_t pair[4];
        LLAVA_UNROLL
        for (int i = 0; i < 4; ++i) pair[i] = smem.pairs[codes.word[j] >> 8 * i & 0xffu][lane];
        LLAVA_UNROLL
        for (int s = 0; s < 2; ++s)
          mma_m16n8k16(inner,
                       fragment_a<f16>{{low.word[2 * s], high.word[2 * s], low.word[2 * s + 1], high.word[2 * s + 1]}},
                       fragment_b<f16>{{pair[2 * s], pair[2 * s + 1]}});
      }
      LLAVA_UNROLL
      for (int i = 0; i < (Rows == 8 ? 2 : 4); ++i) {
        const float scale = reinterpret_cast<const float*>(scales[i % 2])[2 * run + block];
        sum.value[i] = fused_multiply_add(inner.value[i], scale, sum.value[i]);
      }
    }
  }
};

/// Rows of w as f16: a thread expands a word of codes.
struct expand_nf4 {
  static constexpr int threads = 256, min_blocks = 4;
  struct Params {
    const std::byte* w;  // rows in nf4_rows
    f16* to;             // (rows, K)
    int rows, inner;
    nf4_book book;
  };
  struct Smem {
    float book[16];
  };
  LLAVA_HOST_DEVICE static int words(const Params& p) { return static_cast<int>(nf4_rows::runs(p.inner)) * 16; }
  static grid_size grid(const Params& p) { return {(p.rows * words(p) + threads - 1) / threads}; }

  LLAVA_DEVICE static void run(const Params& p, Smem& smem) {
    if (thread_index() < 16) smem.book[thread_index()] = p.book.value[thread_index()];
    sync_block();
    const int at = block_index().x * threads + thread_index(), n = at / words(p), in_row = at % words(p);
    const int run = in_row / 16, t = in_row % 16 / 4, j = in_row % 4, k = run * 128 + 32 * j + 8 * t;
    if (n >= p.rows || k >= p.inner) return;
    const std::byte* const row = p.w + n * nf4_rows::row_bytes(p.inner);
    const std::uint32_t codes = load4_streaming(row + in_row * 4);
    const float scale = reinterpret_cast<const float*>(row + nf4_rows::scales_at(p.inner))[k / 64];
    vec16 made;
    LLAVA_UNROLL
    for (int i = 0; i < 4; ++i)
      made.word[i] =
          pack<f16>(smem.book[codes >> 8 * i & 15u] * scale, smem.book[codes >> (8 * i + 4) & 15u] * scale).bits;
    store16(p.to + std::ptrdiff_t{n} * p.inner + k, made);
  }
};

LLAVA_CUDA_END
