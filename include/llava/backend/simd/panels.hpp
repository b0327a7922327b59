// SPDX-License-Identifier: Apache-2.0
/// panels<F>: the layout of block formats in the simd backend. A unit is a panel of 16 rows of w, which are 16 columns
/// of y and the 16 lanes of a vector. Every instruction set reads the same bytes:
///   codes   of each block: 4 bytes of each of 16 rows, repeated along K
///             16 bits: (16 steps, 16 rows, 2) i16
///             8 bits: (8 steps, 16 rows, 4) i8
///             4 bits: (4, 16 rows, 4) bytes: codes of step s in the low halves, of step s + 4 in the high ones, 0 … 15
///             for −8 … 7
///   scales  of each block: 16 f16; with row scales at 4 bits 16 pairs of i8: factor, offset; at 8 bits none
///   row scales: 16 f32, only in formats that have them
/// The planes follow each other, the size of each rounded up to 64 bytes. Rows past the end of w are zeros.
#pragma once
#include <llava/base/dtype.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/quant/layout.hpp>
#include <llava/quant/nibbles.hpp>

LLAVA_BEGIN

namespace simd_backend {

/// A matrix (N, K) in panels.
template <class F>
struct panel_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
};

/// The layout of format F: of block formats, described at the top of this file; of affine formats, in
/// affine_panels.hpp; of nf4, in nf4_panels.hpp.
template <class F>
struct panels;

template <block_format F>
struct panels<F> {
  using view = panel_view<F>;
  static constexpr std::string_view name = "panels of 16, 2";
  static constexpr std::ptrdiff_t unit = 16;
  static constexpr std::ptrdiff_t code_bytes = unit * block_elements * F::bits / 8;               // of a block
  static constexpr std::ptrdiff_t scale_bytes = F::has_row_scale && F::bits == 8 ? 0 : unit * 2;  // of a block

  static constexpr std::ptrdiff_t scales_at(std::ptrdiff_t columns) { return blocks_of(columns) * code_bytes; }
  static constexpr std::ptrdiff_t row_scales_at(std::ptrdiff_t columns) {
    return scales_at(columns) + (blocks_of(columns) * scale_bytes + 63) / 64 * 64;
  }
  static constexpr std::ptrdiff_t unit_bytes(std::ptrdiff_t columns) {
    return row_scales_at(columns) + (F::has_row_scale ? 64 : 0);
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }

  static void pack(std::byte* to, const std::byte* stored, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    const block_view<F> from{stored, rows, columns};
    std::memset(to, 0, static_cast<std::size_t>(unit_bytes(columns)));
    for (std::ptrdiff_t b = 0; b < blocks_of(columns); ++b)
      for (std::ptrdiff_t r = 0; r < unit; ++r) {
        std::byte* codes = to + b * code_bytes + r * 4;
        if (r < rows)
          pack_codes(codes, from.block(r, b));
        else if (F::bits == 4)
          for (int i = 0; i < 16; ++i) codes[i / 4 * 64 + i % 4] = std::byte{0x88};  // code 8 is 0
        if (r < rows) pack_scale(to + scales_at(columns) + b * scale_bytes + 2 * r, from.block(r, b));
      }
    if constexpr (F::has_row_scale)
      for (std::ptrdiff_t r = 0; r < rows; ++r)
        write_number(to + row_scales_at(columns) + 4 * r, F::row_scale(from.row(r)));
  }

 private:
  static void pack_codes(std::byte* to, const std::byte* block) {
    if constexpr (F::bits == 4) {
      for (int i = 0; i < 16; ++i) {  // byte i: elements i and i + 16
        const int low = nibbles::code(F::codes(block), i), high = nibbles::code(F::codes(block), i + 16);
        to[i / 4 * 64 + i % 4] = static_cast<std::byte>(low | high << 4);
      }
    } else {
      decoded_code<F> values[block_elements];
      F::decode(block, values);
      const auto* bytes = reinterpret_cast<const std::byte*>(values);
      for (std::size_t i = 0; i < sizeof(values); ++i) to[i / 4 * 64 + i % 4] = bytes[i];
    }
  }
  static void pack_scale([[maybe_unused]] std::byte* to, [[maybe_unused]] const std::byte* block) {
    if constexpr (F::has_row_scale && F::bits == 4) {
      write_number(to, static_cast<std::int8_t>(F::factor(block)));
      write_number(to + 1, static_cast<std::int8_t>(F::offset(block)));
    } else if constexpr (!F::has_row_scale) {
      write_number(to, from_float<f16>(F::block_scale(block)));
    }
  }
};

/// Rows of activations as integers (quant/activations.hpp), in the order in which an instruction set multiplies them.
/// The sum of a block begins with its element of `starts`, which cancels the bias of unsigned codes.
struct quantised_rows {
  std::byte* codes;      // (T / together, blocks, together, 32) i8 or i16
  std::int32_t* starts;  // (T / together, blocks, together, start_count)
  float* scales;         // (T / together, groups, together, scale_count)
  std::ptrdiff_t blocks, groups;
  std::ptrdiff_t together;  // number of interleaved rows, those of a tile
  bool few;                 // whether a product with an affine format takes them as bytes (affine_matmul.inc)

  // Of formats with outliers:
  const float* floats;           // x
  std::ptrdiff_t stride, words;  // of a row of x, of a row of `outliers`
  std::uint64_t* outliers;       // (T, words): bit k % 64 of word k / 64 is set if x[t, k] is one

  /// The index of block or group i of row t; a row has `count` of them.
  std::ptrdiff_t at(std::ptrdiff_t t, std::ptrdiff_t i, std::ptrdiff_t count) const {
    return (t / together * count + i) * together + t % together;
  }
};

/// Bytes of a block of activations in products with F.
template <class F>
inline constexpr std::ptrdiff_t activation_bytes = block_elements * sizeof(activation_code<F>);

/// Number of starts of a block of activations in products with F.
inline constexpr std::ptrdiff_t affine_starts = 4;
template <class F>
inline constexpr std::ptrdiff_t start_count = affine_format<F> ? affine_starts : 1;

/// Number of floats of a group of activations in products with F: its scale; if F has minimums, −scale · the sum of the
/// codes for each group of w.
template <class F>
inline constexpr std::ptrdiff_t scale_count = 1;
template <affine_format F>
inline constexpr std::ptrdiff_t scale_count<F> = F::has_minimum ? 1 + block_elements / F::group : 1;

/// y (T, N) = act(x · wᵀ + bias), or y += or *= that; x quantised, w in panels.
template <class F>
struct block_arguments {
  quantised_rows x;
  const std::byte* panels;
  const float* bias;  // or null
  float* y;
  std::ptrdiff_t y_stride;
  std::ptrdiff_t rows, inner, columns;  // T, K, N
  update how;
};

/// Number of panels that a single row takes at a time: four streams get more memory bandwidth than two.
inline constexpr std::ptrdiff_t row_panels = 4;

/// Bytes of codes that all rows are multiplied with before the next. They stay in the first-level cache, and hold whole
/// groups.
inline constexpr std::ptrdiff_t code_block_bytes = std::ptrdiff_t{16} << 10;

}  // namespace simd_backend

LLAVA_END
