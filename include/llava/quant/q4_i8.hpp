// SPDX-License-Identifier: Apache-2.0
/// q4_i8: 4-bit weights that are whole numbers of one byte: two levels of scales, the lower of them an integer.
///   row: f32 scale S · blocks (17 bytes): i8 factor s in ±1 … ±15 · 16 bytes of codes c (nibbles.hpp)
///   element = S · (s · (c − 8)),  and s · (c − 8) fits into an i8
/// So a product with 8-bit activations stays exact in integers as far as the activations share a scale, 128 elements, where
/// q4_0 must go to floats after 32: faster, at 4.25 bits a weight. A format of this library's own.
///
/// Made from floats: a block's scale is first q4_0's; S is the largest of a row / 15; then of the factors next to
/// (block's scale / S) the one with the smallest squared error; at last S is fitted to all codes by least squares.
#pragma once
#include <cmath>

#include <llava/quant/q4_0.hpp>

LLAVA_BEGIN

/// 4.25 bits a weight, integer scales inside a row.
struct q4_i8 {
  static constexpr std::string_view name = "q4_i8";
  static constexpr int bits = 4, header_bytes = 4, block_bytes = 17, activation_group = 128;
  static constexpr bool has_row_scale = true;
  using head = q8_0;
  /// The largest factor for which 8 of them fit into an i8.
  static constexpr int most_factor = 15;

  static float row_scale(const std::byte* row) { return read_number<float>(row); }
  static float block_scale(const std::byte*) { return 1.f; }
  static const std::byte* codes(const std::byte* block) { return block + 1; }
  /// Bounded, so that no file makes an integer that leaves the byte.
  static int factor(const std::byte* block) {
    const int s = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(block[0]));
    return s > most_factor ? most_factor : s < -most_factor ? -most_factor : s;
  }
  static void decode(const std::byte* block, std::int8_t* values) {
    const int s = factor(block);
    for (int i = 0; i < block_elements; ++i)
      values[i] = static_cast<std::int8_t>(s * (nibbles::code(codes(block), i) - 8));
  }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    float most = 0.f, block[block_elements];
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
      load_block(x, n, b, block);
      const float size = std::fabs(q4_0::farthest(block)) / 8.f;
      most = size > most ? size : most;
    }
    // What is not finite, or too small to divide by, becomes zeros.
    const float step = most > 1e-30f && most < 1e30f ? most / static_cast<float>(most_factor) : 0.f;
    double dot = 0, square = 0;
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
      load_block(x, n, b, block);
      const trial best = step > 0.f ? best_of(block, q4_0::farthest(block) / -8.f / step, step) : trial{};
      std::byte* stored = row + header_bytes + b * block_bytes;
      stored[0] = static_cast<std::byte>(static_cast<std::int8_t>(best.factor));
      int codes[block_elements];
      float block_dot = 0.f, block_square = 0.f;
      for (int i = 0; i < block_elements; ++i) {
        codes[i] = static_cast<int>(best.codes[i]) + 8;
        block_dot += best.codes[i] * block[i];
        block_square += best.codes[i] * best.codes[i];
      }
      dot += static_cast<double>(best.factor) * static_cast<double>(block_dot);
      square += static_cast<double>(best.factor * best.factor) * static_cast<double>(block_square);
      nibbles::store(codes, stored + 1);
    }
    write_number(row, square > 0 ? static_cast<float>(dot / square) : 0.f);
  }

 private:
  /// Codes −8 … 7 of a block for one factor, and their squared error.
  struct trial {
    int factor = 1;
    float codes[block_elements] = {};
    float error = 0.f;
  };
  static trial tried(const float* block, int factor, float step) {
    trial t;
    t.factor = factor;
    const float scale = static_cast<float>(factor) * step, inverse = 1.f / scale;
    for (int i = 0; i < block_elements; ++i) {
      const float rounded = (block[i] * inverse + 12582912.f) - 12582912.f;  // 1.5 · 2²³ rounds to whole numbers
      t.codes[i] = rounded >= -8.f ? (rounded < 7.f ? rounded : 7.f) : -8.f;
      const float off = block[i] - t.codes[i] * scale;
      t.error += off * off;
    }
    return t;
  }
  /// The best of the three factors around `wanted`.
  static trial best_of(const float* block, float wanted, float step) {
    const int sign = wanted < 0.f ? -1 : 1, near = static_cast<int>(std::fabs(wanted) + 0.5f);
    trial best;
    bool first = true;
    for (int size = near - 1; size <= near + 1; ++size) {
      if (size < 1 || size > most_factor) continue;
      const trial t = tried(block, sign * size, step);
      if (first || t.error < best.error) best = t;
      first = false;
    }
    return best;
  }
};

LLAVA_END
