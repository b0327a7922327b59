// SPDX-License-Identifier: Apache-2.0
/// int8: 8-bit codes with one f32 scale a row, and activations without outliers: LLM.int8 (arXiv:2208.07339), in which
/// bitsandbytes loads a model in 8 bits.
///   row: f32 largest |x| m · blocks of 32 × i8 code q;  element = m / 127 · q
/// Encoding, byte for byte as by bitsandbytes: q = x · (127 / m), rounded, ties to even.
///
/// A row of activations has one scale too, so one large element would cost the others their precision. Elements of at
/// least 6 stay floats. bitsandbytes takes whole columns: if one row of a batch has an outlier, that element of every
/// row stays a float. Here each row has its own outliers, so a row does not depend on the batch (R14). For a single row
/// both are the same.
///
/// weights<int8> is LLaVA's --load-8bit: the linear layers of the language model and of the projector are int8, all
/// else is f16.
#pragma once
#include <cmath>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// 8 bits per weight.
struct int8 {
  static constexpr std::string_view name = "int8";
  static constexpr int bits = 8, header_bytes = 4, block_bytes = 32, activation_group = 256;
  static constexpr bool has_row_scale = true;
  static constexpr float outlier = 6.f;
  using head = f16;
  using projector = int8;

  static float row_scale(const std::byte* row) { return read_number<float>(row) * (1.f / 127.f); }
  static float block_scale(const std::byte*) { return 1.f; }
  static void decode(const std::byte* block, std::int8_t* values) { std::memcpy(values, block, block_elements); }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    float most = 0.f;
    for (std::ptrdiff_t i = 0; i < n; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
    const float inverse = most > 0.f ? 127.f / most : 0.f;
    write_number(row, most);
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
      float block[block_elements];
      load_block(x, n, b, block);
      for (int i = 0; i < block_elements; ++i)
        write_number(row + header_bytes + b * block_bytes + i, round_to_code<std::int8_t>(block[i] * inverse));
    }
  }
};

LLAVA_END
