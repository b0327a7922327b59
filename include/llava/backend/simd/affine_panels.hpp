// SPDX-License-Identifier: Apache-2.0
/// panels<F> of affine formats in the simd backend: panels of 16 rows of w, like those of block formats.
///   codes    of each 32 elements along K: the low four bits, (4 steps of 8 elements, 16 rows, 4) bytes: elements
///            0 … 3 of a step in the low halves, 4 … 7 in the high ones; with 6 bits, then the upper two bits, (2
///            halves, 16 rows, 4) bytes: byte w has those of elements w, w + 4, w + 8, w + 12 of a half, from the
///            lowest bits on
///   factors  of each 32 elements, unless a block has 32: 16 i8 factors of each group, then as many minimums
///   scales   of each block of F: 16 f16 scales; if F has minimums, then 16 f16 `least`
/// The planes follow each other, the size of each rounded up to 64 bytes. Rows past the end of w are zeros. A few
/// operations on whole registers make bytes of them, four elements of each row.
#pragma once
#include <llava/backend/simd/panels.hpp>
#include <llava/quant/affine_blocks.hpp>

LLAVA_BEGIN

namespace simd_backend {

template <affine_format F>
struct panels<F> {
  using view = panel_view<F>;
  static constexpr std::string_view name = "panels of 16, 2";
  static constexpr std::ptrdiff_t unit = 16;
  static constexpr int groups = block_elements / F::group;                           // of 32 elements
  static constexpr bool has_factors = F::elements > block_elements;                  // else all are 1
  static constexpr std::ptrdiff_t code_bytes = unit * block_elements * F::bits / 8;  // of 32 elements
  static constexpr std::ptrdiff_t high_bits_at = unit * block_elements / 2;          // in the codes of 32 elements
  static constexpr std::ptrdiff_t minimums_at = groups * unit;                       // in the factors of 32 elements
  static constexpr std::ptrdiff_t planes = F::has_minimum ? 2 : 1;
  static constexpr std::ptrdiff_t factor_bytes = has_factors ? planes * groups * unit : 0;  // of 32 elements
  static constexpr std::ptrdiff_t scale_bytes = planes * unit * 2;                          // of a block of F

  static constexpr std::ptrdiff_t factors_at(std::ptrdiff_t columns) { return blocks_of(columns) * code_bytes; }
  static constexpr std::ptrdiff_t scales_at(std::ptrdiff_t columns) {
    return factors_at(columns) + (blocks_of(columns) * factor_bytes + 63) / 64 * 64;
  }
  static constexpr std::ptrdiff_t unit_bytes(std::ptrdiff_t columns) {
    return scales_at(columns) + (columns / F::elements * scale_bytes + 63) / 64 * 64;
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }

  static void pack(std::byte* to, const std::byte* stored, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    const affine_view<F> from{stored, rows, columns};
    std::memset(to, 0, static_cast<std::size_t>(unit_bytes(columns)));
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t k = 0; k < columns; k += F::elements) {
        const std::byte* block = from.block(r, k / F::elements);
        for (int first = 0; first < F::elements; first += block_elements) {
          const std::ptrdiff_t b = (k + first) / block_elements;
          pack_codes(to + b * code_bytes, r, block, first);
          if constexpr (has_factors) pack_factors(to + factors_at(columns) + b * factor_bytes + r, block, first);
        }
        std::byte* scales = to + scales_at(columns) + k / F::elements * scale_bytes + 2 * r;
        write_number(scales, from_float<f16>(F::scale(block)));
        if constexpr (F::has_minimum) write_number(scales + 2 * unit, from_float<f16>(F::least(block)));
      }
  }

 private:
  /// Packs the 32 codes from element `first` on as those of row r.
  static void pack_codes(std::byte* to, std::ptrdiff_t r, const std::byte* block, int first) {
    for (int i = 0; i < block_elements; ++i) {
      const int code = F::code(block, first + i), step = i / 8, in_step = i % 8;
      to[step * 64 + r * 4 + in_step % 4] |= static_cast<std::byte>((code & 15) << (in_step < 4 ? 0 : 4));
      if constexpr (F::bits == 6)
        to[high_bits_at + i / 16 * 64 + r * 4 + i % 4] |= static_cast<std::byte>(code >> 4 << i % 16 / 4 * 2);
    }
  }
  /// Packs the factors and minimums of the 32 elements from `first` on.
  static void pack_factors(std::byte* to, const std::byte* block, int first) {
    for (int g = 0; g < groups; ++g) {
      write_number(to + g * unit, static_cast<std::int8_t>(F::factor(block, first / F::group + g)));
      if constexpr (F::has_minimum)
        write_number(to + minimums_at + g * unit, static_cast<std::int8_t>(F::minimum(block, first / F::group + g)));
    }
  }
};

}  // namespace simd_backend

LLAVA_END
