// SPDX-License-Identifier: Apache-2.0
/// q16_0: 16-bit weights as whole numbers, so that products of integers, of which x86 processors make up to twice as
/// many as of floats, take the place of f16's:
///   block (66 bytes): f16 scale d, a power of two · 32 × i16 code q in ±8191;  element = d · q
/// A format of this library's own; its name goes on where GGUF's q8_0 ends. What it loses is usually less than f16 has
/// lost already: an f16 that is at least a quarter of its block's largest stays what it is, and a smaller one is off by
/// at most 2⁻¹³ of that largest. Activations beside it have 14 bits as well (quant/activations.hpp).
///
/// Made from floats: d is the smallest power of two, from 2⁻²⁴ to 2¹⁵, for which every |x / d| rounds to at most 8191;
/// q = x / d rounded, ties to even. What is larger than d can reach becomes ±8191 d, what is not a number −8191 d.
#pragma once
#include <cmath>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// 16.5 bits a weight; for prefill and image encoding faster than f16.
struct q16_0 {
  static constexpr std::string_view name = "q16_0";
  static constexpr int bits = 16, header_bytes = 0, block_bytes = 66, activation_group = 32;
  static constexpr bool has_row_scale = false;
  using head = q16_0;
  using beside = q16_0;

  static float row_scale(const std::byte*) { return 1.f; }
  static float block_scale(const std::byte* block) { return to_float(read_number<f16>(block)); }
  /// Bounded, so that no file makes a sum that leaves its integer.
  static void decode(const std::byte* block, std::int16_t* values) {
    std::memcpy(values, block + 2, block_elements * sizeof(std::int16_t));
    for (int i = 0; i < block_elements; ++i) values[i] = whole_code<std::int16_t>(values[i]);
  }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b, row += block_bytes) {
      float block[block_elements], most = 0.f;
      load_block(x, n, b, block);
      for (const float v : block) most = std::fabs(v) > most ? std::fabs(v) : most;
      int exponent = 0;
      const float fraction = std::frexp(most, &exponent);
      exponent = most < 3e38f ? exponent - 13 + (fraction * 8192.f >= 8191.5f) : 15;
      exponent = exponent < -24 ? -24 : exponent > 15 ? 15 : exponent;
      write_number(row, from_float<f16>(std::ldexp(1.f, exponent)));
      const float inverse = std::ldexp(1.f, -exponent);
      std::int16_t codes[block_elements];
      for (int i = 0; i < block_elements; ++i) codes[i] = whole_code<std::int16_t>(block[i] * inverse);
      std::memcpy(row + 2, codes, sizeof(codes));
    }
  }
};

LLAVA_END
