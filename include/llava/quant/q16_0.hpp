// SPDX-License-Identifier: Apache-2.0
/// q16_0: 16-bit integer weights in place of f16. x86 processors compute up to twice as many integer products as float
/// products.
///   block (66 bytes): f16 scale d, a power of two · 32 × i16 code q in ±8191;  element = d · q
/// This library defines the format; the name continues GGUF's q8_0. It usually loses less than f16 has already lost: an
/// f16 weight of at least a quarter of its block's largest is exact, and a smaller one is off by at most 2⁻¹³ of that
/// largest. Activations also have 14 bits (quant/activations.hpp).
///
/// Encoding: d is the smallest power of two, from 2⁻²⁴ to 2¹⁵, for which every |x / d| rounds to at most 8191. Codes
/// are q = x / d, rounded, ties to even. Larger values become ±8191 d, and NaN becomes −8191 d.
#pragma once
#include <cmath>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// 16.5 bits per weight; faster than f16 for prefill and image encoding.
struct q16_0 {
  static constexpr std::string_view name = "q16_0";
  static constexpr int bits = 16, header_bytes = 0, block_bytes = 66, activation_group = 32;
  static constexpr bool has_row_scale = false;
  using head = q16_0;
  using tower = q16_0;

  static float row_scale(const std::byte*) { return 1.f; }
  static float block_scale(const std::byte* block) { return to_float(read_number<f16>(block)); }
  /// Clamps codes, so that no file can make a sum overflow.
  static void decode(const std::byte* block, std::int16_t* values) {
    std::memcpy(values, block + 2, block_elements * sizeof(std::int16_t));
    for (int i = 0; i < block_elements; ++i) values[i] = round_to_code<std::int16_t>(values[i]);
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
      for (int i = 0; i < block_elements; ++i) codes[i] = round_to_code<std::int16_t>(block[i] * inverse);
      std::memcpy(row + 2, codes, sizeof(codes));
    }
  }
};

LLAVA_END
