// SPDX-License-Identifier: Apache-2.0
/// q8_0: 8-bit codes with an f16 scale per 32 elements, byte for byte GGUF's type of that name:
///   block (34 bytes): f16 scale d · 32 × i8 code q;  element = d · q
/// Encoding, as by gguf's own quantiser: d = max|x| / 127, q = x / d rounded, halves away from zero.
#pragma once
#include <cmath>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// 8.5 bits per weight; errors of at most max|x| / 254 per block, plus the rounding of d to f16.
struct q8_0 {
  static constexpr std::string_view name = "q8_0";
  static constexpr int bits = 8, header_bytes = 0, block_bytes = 34, activation_group = 32;
  static constexpr bool has_row_scale = false;

  static float row_scale(const std::byte*) { return 1.f; }
  static float block_scale(const std::byte* block) { return to_float(read_number<f16>(block)); }
  static void decode(const std::byte* block, std::int8_t* values) { std::memcpy(values, block + 2, block_elements); }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b, row += block_bytes) {
      float block[block_elements];
      load_block(x, n, b, block);
      float most = 0.f;
      for (const float v : block) most = std::fabs(v) > most ? std::fabs(v) : most;
      const float scale = most / 127.f, inverse = scale > 0.f ? 1.f / scale : 0.f;
      write_number(row, from_float<f16>(scale));
      std::int8_t codes[block_elements];
      for (int i = 0; i < block_elements; ++i) {
        const float size = std::fabs(block[i] * inverse);
        const float bounded = size < 127.f ? size : 127.f;  // NaN becomes 127
        const int whole = static_cast<int>(bounded);
        const int code = whole + (bounded - static_cast<float>(whole) >= 0.5f);
        codes[i] = static_cast<std::int8_t>(block[i] < 0.f ? -code : code);
      }
      std::memcpy(row + 2, codes, block_elements);
    }
  }
};

/// The weights of q8_0 with 14-bit activations. The 8-bit activations of q8_0 cause most of its loss. Products cost as
/// much as q16_0's, and a token still reads 8.5 bits per weight. Accurate enough for every stage: head, tower and
/// projector use it by default.
struct q8_0_a16 : q8_0 {
  using activation = std::int16_t;
  using head = q8_0_a16;
  using tower = q8_0_a16;
};

LLAVA_END
