// SPDX-License-Identifier: Apache-2.0
/// q4_0: 4-bit codes with an f16 scale per 32 elements, byte for byte GGUF's type of that name:
///   block (18 bytes): f16 scale d · 16 bytes of codes c (nibbles.hpp);  element = d · (c − 8)
/// Encoding, as by gguf's own quantiser: d = m / −8, with m the element farthest from zero. c = x / d + 8.5, truncated,
/// at most 15.
#pragma once
#include <cmath>

#include <llava/quant/nibbles.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

/// 4.5 bits per weight.
struct q4_0 {
  static constexpr std::string_view name = "q4_0";
  static constexpr int bits = 4, header_bytes = 0, block_bytes = 18, activation_group = 32;
  static constexpr bool has_row_scale = false;
  using head = q8_0;

  static float row_scale(const std::byte*) { return 1.f; }
  static float block_scale(const std::byte* block) { return to_float(read_number<f16>(block)); }
  static const std::byte* codes(const std::byte* block) { return block + 2; }
  static void decode(const std::byte* block, std::int8_t* values) {
    for (int i = 0; i < block_elements; ++i) values[i] = static_cast<std::int8_t>(nibbles::code(block + 2, i) - 8);
  }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b, row += block_bytes) {
      float block[block_elements];
      load_block(x, n, b, block);
      const float scale = farthest(block) / -8.f, inverse = scale != 0.f ? 1.f / scale : 0.f;
      int codes[block_elements];
      for (int i = 0; i < block_elements; ++i) {
        const float code = block[i] * inverse + 8.5f;
        codes[i] = static_cast<int>(code < 15.f ? (code > 0.f ? code : 0.f) : 15.f);  // NaN becomes 15
      }
      write_number(row, from_float<f16>(scale));
      nibbles::store(codes, row + 2);
    }
  }
  /// The element farthest from zero, the first of equals.
  static float farthest(const float* block) {
    float most = 0.f;
    for (int i = 0; i < block_elements; ++i)
      if (std::fabs(block[i]) > std::fabs(most)) most = block[i];
    return most;
  }
};

LLAVA_END
