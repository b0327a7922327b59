// SPDX-License-Identifier: Apache-2.0
/// packed_rows<F>: the layout of block formats and affine formats in the CUDA backend. Every row of w is packed by
/// itself, as planes that each begin at a multiple of 16 bytes:
///   codes    of each block of 32 elements along K
///            4 and 6 bits: 16 bytes; byte i of word j has the low four bits of elements 8j + i (low half) and
///            8j + 4 + i (high half)
///            8 bits: 32 i8 · 16 bits: 32 i8 `high`, then 32 i8 `low`; code = 128 · high + low, −64 ≤ low ≤ 63
///   high     6 bits only: 8 bytes of each block; bits 2f and 2f + 1 of byte i of word h are the upper two of element
///            16h + 4f + i
///   factors  of each block, if F has them: i8 factors of its groups, then i8 minimums (q4_i8: its offset)
///   scales   f16 of each 32 or 256 elements, each followed by the f16 of the minimums if F has them; or one f32 a row
/// Elements past K have code 0. The size of a weight is that of its file, but for the padding of planes. A lane of a
/// warp loads 16 bytes of codes, all of one block, so a warp reads 512 bytes in one piece; and four operations on a
/// word give four codes as bytes, which dot4() and the tensor cores multiply with activations as they are.
///
/// Codes of 4 and 6 bits are unsigned: element = scale · factor · (code − zero) − minimum (quant/affine_blocks.hpp).
/// Activations of 14 bits are two planes of i8 likewise (coded_x.cuh), so there is one kind of integer product.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <llava/backend/cuda/device.cuh>
#include <llava/quant/layout.hpp>
#include <llava/quant/nibbles.hpp>

LLAVA_CUDA_BEGIN

/// A matrix (N, K) in the layout of this file.
template <class F>
struct packed_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
};

/// v as 128 · high + low, both i8; |v| ≤ 8191.
struct split_code {
  int high, low;
};
LLAVA_HOST_DEVICE constexpr split_code split(int v) {
  const int low = ((v + 64) & 127) - 64;
  return {(v - low) / 128, low};
}

template <row_format F>
struct packed_rows {
  using view = packed_view<F>;
  static constexpr std::string_view name = "rows in planes, 1";
  static constexpr std::ptrdiff_t unit = 1;

  static constexpr bool is_affine = affine_format<F>;
  static constexpr int bits = F::bits;
  static constexpr int weight_planes = bits == 16 ? 2 : 1;
  static constexpr int x_planes = sizeof(activation_code<F>) == 2 ? 2 : 1;
  static constexpr int group = [] {
    if constexpr (is_affine) return int{F::group};
    return block_elements;
  }();
  static constexpr int groups = block_elements / group;  // of a block
  /// The code of 0.
  static constexpr int zero = [] {
    if constexpr (is_affine) return int{F::zero};
    return F::bits == 4 ? 8 : 0;
  }();
  static constexpr bool has_row_scale = F::has_row_scale;
  /// Elements that share an f16 scale.
  static constexpr int scale_elements = [] {
    if constexpr (is_affine) return int{F::elements};
    return block_elements;
  }();
  static constexpr bool has_offset = has_row_scale && bits == 4;  // an integer
  static constexpr bool has_minimum = [] {
    if constexpr (is_affine) return bool{F::has_minimum};
    return false;
  }();
  static constexpr bool has_factors = has_offset || (is_affine && scale_elements > block_elements);

  static constexpr int code_bytes = bits == 16 ? 64 : bits == 8 ? 32 : 16;  // of a block, without `high`
  static constexpr int factor_bytes = has_factors ? (has_minimum || has_offset ? 2 * groups : groups) : 0;
  static constexpr int scale_bytes = has_minimum ? 4 : 2;

  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t blocks(std::ptrdiff_t columns) {
    return (columns + block_elements - 1) / block_elements;
  }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t high_at(std::ptrdiff_t columns) {
    return blocks(columns) * code_bytes;
  }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t factors_at(std::ptrdiff_t columns) {
    return high_at(columns) + (bits == 6 ? whole(blocks(columns) * 8) : 0);
  }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t scales_at(std::ptrdiff_t columns) {
    return factors_at(columns) + whole(blocks(columns) * factor_bytes);
  }
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t row_bytes(std::ptrdiff_t columns) {
    return scales_at(columns) +
           whole(has_row_scale ? 4 : (columns + scale_elements - 1) / scale_elements * scale_bytes);
  }
  static constexpr std::ptrdiff_t unit_bytes(std::ptrdiff_t columns) { return row_bytes(columns); }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }

  static void pack(std::byte* to, const std::byte* stored, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    const typename format<F>::view from{stored, rows, columns};
    for (std::ptrdiff_t r = 0; r < rows; ++r, to += row_bytes(columns)) {
      std::memset(to, 0, static_cast<std::size_t>(row_bytes(columns)));
      if constexpr (is_affine)
        pack_affine(to, from, r);
      else
        pack_block_row(to, from, r);
    }
  }

 private:
  LLAVA_HOST_DEVICE static constexpr std::ptrdiff_t whole(std::ptrdiff_t bytes) { return (bytes + 15) / 16 * 16; }

  static void pack_block_row(std::byte* to, const typename format<F>::view& from, std::ptrdiff_t r) {
    const std::ptrdiff_t columns = from.columns;
    if constexpr (has_row_scale) write_number(to + scales_at(columns), F::row_scale(from.row(r)));
    for (std::ptrdiff_t b = 0; b < blocks(columns); ++b) {
      const std::byte* const block = from.block(r, b);
      std::byte* const codes = to + b * code_bytes;
      if constexpr (bits == 4) {
        for (int i = 0; i < block_elements; ++i) put_nibble(codes, i, nibbles::code(F::codes(block), i));
      } else {
        decoded_code<F> values[block_elements];
        F::decode(block, values);
        for (int i = 0; i < block_elements; ++i) {
          if constexpr (bits == 16) {
            write_number(codes + i, static_cast<std::int8_t>(split(values[i]).high));
            write_number(codes + block_elements + i, static_cast<std::int8_t>(split(values[i]).low));
          } else {
            write_number(codes + i, values[i]);
          }
        }
      }
      if constexpr (has_offset) {
        write_number(to + factors_at(columns) + 2 * b, static_cast<std::int8_t>(F::factor(block)));
        write_number(to + factors_at(columns) + 2 * b + 1, static_cast<std::int8_t>(F::offset(block)));
      }
      if constexpr (!has_row_scale)
        write_number(to + scales_at(columns) + 2 * b, from_float<f16>(F::block_scale(block)));
    }
  }
  static void pack_affine(std::byte* to, const typename format<F>::view& from, std::ptrdiff_t r) {
    const std::ptrdiff_t columns = from.columns;
    for (std::ptrdiff_t b = 0; b < blocks(columns); ++b) {
      const std::byte* const block = from.block(r, b * block_elements / F::elements);
      const auto first = static_cast<int>(b * block_elements % F::elements);
      for (int i = 0; i < block_elements; ++i) {
        const int code = F::code(block, first + i);
        put_nibble(to + b * code_bytes, i, code & 15);
        if constexpr (bits == 6)
          to[high_at(columns) + b * 8 + i / 16 * 4 + i % 4] |= static_cast<std::byte>(code >> 4 << i % 16 / 4 * 2);
      }
      if constexpr (has_factors)
        for (int g = 0; g < groups; ++g) {
          std::byte* const factors = to + factors_at(columns) + b * factor_bytes + g;
          write_number(factors, static_cast<std::int8_t>(F::factor(block, first / F::group + g)));
          if constexpr (has_minimum)
            write_number(factors + groups, static_cast<std::int8_t>(F::minimum(block, first / F::group + g)));
        }
      if (first == 0) {
        std::byte* const scales = to + scales_at(columns) + b * block_elements / F::elements * scale_bytes;
        write_number(scales, from_float<f16>(F::scale(block)));
        if constexpr (has_minimum) write_number(scales + 2, from_float<f16>(F::least(block)));
      }
    }
  }
  static void put_nibble(std::byte* codes, int i, int nibble) {
    codes[i / 8 * 4 + i % 4] |= static_cast<std::byte>(nibble << (i % 8 < 4 ? 0 : 4));
  }
};

/// The codes of a block of a packed row, in the registers of a thread.
template <class F>
struct block_codes {
  using rows = packed_rows<F>;
  vec16 code[rows::code_bytes / 16];
  vec8 high;  // 6 bits

  /// Of block b of the row, whose columns are `columns`.
  LLAVA_DEVICE static block_codes load(const std::byte* row, std::ptrdiff_t columns, int b,
                                       call_site at = call_site::current()) {
    block_codes c;
    LLAVA_UNROLL
    for (int i = 0; i < rows::code_bytes / 16; ++i)
      c.code[i] = load16_streaming(row + std::ptrdiff_t{b} * rows::code_bytes + 16 * i, at);
    c.high = {};
    if constexpr (rows::bits == 6) c.high = load8_streaming(row + rows::high_at(columns) + std::ptrdiff_t{b} * 8, at);
    return c;
  }
  /// Elements 4m to 4m + 3 as bytes; of 16 bits, those of a plane, 0: high, 1: low.
  LLAVA_DEVICE std::uint32_t word(int m, int plane = 0) const {
    if constexpr (rows::bits >= 8) {
      return code[plane * 2 + m / 4].word[m % 4];
    } else {
      const std::uint32_t low = code[0].word[m / 2] >> 4 * (m % 2) & 0x0f0f0f0fu;
      if constexpr (rows::bits == 4) return low;
      return low | (high.word[m / 4] >> 2 * (m % 4) & 0x03030303u) << 4;
    }
  }
  /// word(m) less the code of 0, in each byte.
  LLAVA_DEVICE std::uint32_t signed_word(int m, int plane = 0) const {
    if constexpr (rows::zero == 0) return word(m, plane);
    return ((word(m, plane) | 0x80808080u) - 0x01010101u * unsigned{rows::zero}) ^ 0x80808080u;
  }
};

/// The scales of a block: element = scale · factor[g] · (code − zero) − least · minimum[g], or with an offset,
/// factor · (code − zero) − 8 · offset in units of the scale of the row, which is not in `scale`.
template <class F>
struct block_scales {
  using rows = packed_rows<F>;
  float scale, least;
  int factor[rows::groups], minimum[rows::groups];  // the offset is minimum[0]

  LLAVA_DEVICE static block_scales load(const std::byte* row, std::ptrdiff_t columns, int b) {
    block_scales s;
    s.scale = 1.f, s.least = 0.f;
    LLAVA_UNROLL
    for (int g = 0; g < rows::groups; ++g) s.factor[g] = 1, s.minimum[g] = 1;
    if constexpr (!rows::has_row_scale) {
      const std::byte* const at =
          row + rows::scales_at(columns) + b / (rows::scale_elements / block_elements) * rows::scale_bytes;
      if constexpr (rows::has_minimum) {
        const float_pair both = to_f32(packed_pair<f16>{*reinterpret_cast<const std::uint32_t*>(at)});
        s.scale = both.lo, s.least = both.hi;
      } else {
        s.scale = to_f32(*reinterpret_cast<const f16*>(at));
      }
    }
    if constexpr (rows::has_factors) {
      const std::byte* const at = row + rows::factors_at(columns) + std::ptrdiff_t{b} * rows::factor_bytes;
      std::uint32_t all;
      if constexpr (rows::factor_bytes == 4)
        all = *reinterpret_cast<const std::uint32_t*>(at);
      else if constexpr (rows::factor_bytes == 2)
        all = *reinterpret_cast<const std::uint16_t*>(at);
      else
        all = *reinterpret_cast<const std::uint8_t*>(at);
      LLAVA_UNROLL
      for (int g = 0; g < rows::groups; ++g) {
        s.factor[g] = static_cast<std::int8_t>(all >> 8 * g & 0xffu);
        if constexpr (rows::has_minimum || rows::has_offset)
          s.minimum[g] = static_cast<std::int8_t>(all >> 8 * (rows::groups + g) & 0xffu);
      }
    }
    return s;
  }
};

/// The scale of a packed row; 1 if blocks have scales.
template <class F>
LLAVA_DEVICE float packed_row_scale(const std::byte* row, std::ptrdiff_t columns) {
  if constexpr (packed_rows<F>::has_row_scale)
    return *reinterpret_cast<const float*>(row + packed_rows<F>::scales_at(columns));
  return 1.f;
}

LLAVA_CUDA_END
