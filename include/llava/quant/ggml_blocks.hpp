// SPDX-License-Identifier: Apache-2.0
/// ggml's tensor types, as GGUF files hold them: one table of their numbers, names, blocks and decoders. A row is a
/// sequence of blocks of `elements` numbers. Decoding is exact in f32: the values have the bits of ggml's.
///
/// The comment of a decoder lists the fields of a block by their offsets in bytes; d, m and dmin are f16. Codes of 4
/// bits in a block of 32 are nibbles (nibbles.hpp). A block of 256 has groups of 16 or 32, whose scales are integers
/// times d.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llava/quant/blocks.hpp>
#include <llava/quant/nibbles.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

/// One of ggml's types. `decode` writes the `elements` values of a block; null: such tensors are recognised only.
struct ggml_type {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t elements, bytes;  ///< of a block
  void (*decode)(const std::byte* block, float* to) = nullptr;
};

namespace detail {

inline int byte_at(const std::byte* block, int i) { return std::to_integer<int>(block[i]); }
inline float half_at(const std::byte* block, int i) { return to_float(read_number<f16>(block + i)); }
inline int signed_at(const std::byte* block, int i) { return static_cast<std::int8_t>(byte_at(block, i)); }

/// Bit i of a little-endian u32.
inline int bit_at(const std::byte* bits, int i) { return byte_at(bits, i >> 3) >> (i & 7) & 1; }

template <class T>
void decode_number(const std::byte* block, float* to) {
  *to = to_float(read_number<T>(block));
}

// --- blocks of 32 ---------------------------------------------------------------------------------------------------

/// The formats that this library defines as well.
template <block_format F>
void decode_own(const std::byte* b, float* to) {
  decode_row<F>(b, block_elements, to);
}
/// d at 0, m at 2, codes at 4: d · n + m.
inline void decode_q4_1(const std::byte* b, float* to) {
  const float d = half_at(b, 0), m = half_at(b, 2);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(nibbles::code(b + 4, i)) + m;
}
/// d at 0, the fifth bits of the codes at 2, their nibbles at 6: d · (n − 16).
inline void decode_q5_0(const std::byte* b, float* to) {
  const float d = half_at(b, 0);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>((nibbles::code(b + 6, i) | bit_at(b + 2, i) << 4) - 16);
}
/// d at 0, m at 2, fifth bits at 4, nibbles at 8: d · n + m.
inline void decode_q5_1(const std::byte* b, float* to) {
  const float d = half_at(b, 0), m = half_at(b, 2);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(nibbles::code(b + 8, i) | bit_at(b + 4, i) << 4) + m;
}
/// The values of a 4-bit code that are denser near zero.
inline constexpr std::int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
/// d at 0, codes at 2: d · value.
inline void decode_iq4_nl(const std::byte* b, float* to) {
  const float d = half_at(b, 0);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(iq4_values[nibbles::code(b + 2, i)]);
}
/// An exponent e at 0, codes at 1: 2^(e − 128) times twice the value of an E2M1 float (OCP microscaling formats, 2023).
inline void decode_mxfp4(const std::byte* b, float* to) {
  constexpr std::int8_t values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const auto e = static_cast<std::uint32_t>(byte_at(b, 0));
  const float scale = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  for (int i = 0; i < 32; ++i) to[i] = scale * static_cast<float>(values[nibbles::code(b + 1, i)]);
}

// --- blocks of 256 --------------------------------------------------------------------------------------------------

/// Code i of 2 bits of 256 in 64 bytes: four groups of 32 share 32 bytes.
inline int two_bits_at(const std::byte* codes, int i) {
  return byte_at(codes, 32 * (i >> 7) + (i & 31)) >> 2 * (i >> 5 & 3) & 3;
}
/// Nibble i of 256 in 128 bytes: two groups of 32 share 32 bytes.
inline int group_nibble_at(const std::byte* codes, int i) {
  return byte_at(codes, 32 * (i >> 6) + (i & 31)) >> 4 * (i >> 5 & 1) & 15;
}

/// A scale and a minimum of 4 bits for each 16 at 0, codes at 16, d at 80, dmin at 82: d · scale · q − dmin · minimum.
inline void decode_q2_k(const std::byte* b, float* to) {
  const float d = half_at(b, 80), dmin = half_at(b, 82);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(byte_at(b, g) & 15),
                least = dmin * static_cast<float>(byte_at(b, g) >> 4);
    for (int i = 16 * g; i < 16 * g + 16; ++i) to[i] = scale * static_cast<float>(two_bits_at(b + 16, i)) - least;
  }
}

/// The third bits of the codes at 0 (clear: 4 less), codes at 32, 16 scales of 6 bits at 96, d at 108.
inline void decode_q3_k(const std::byte* b, float* to) {
  const float d = half_at(b, 108);
  const std::byte* s = b + 96;
  for (int g = 0; g < 16; ++g) {
    const int low = g < 8 ? byte_at(s, g) & 15 : byte_at(s, g - 8) >> 4;
    const int high = byte_at(s, 8 + (g & 3)) >> 2 * (g >> 2) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    for (int i = 16 * g; i < 16 * g + 16; ++i) {
      const int third = byte_at(b, i & 31) >> (i >> 5) & 1;
      to[i] = scale * static_cast<float>(two_bits_at(b + 32, i) - (third ? 0 : 4));
    }
  }
}

/// d at 0, dmin at 2, a scale and a minimum of 6 bits for each 32 at 4, nibbles at `Codes`, fifth bits at `Fifths`
/// (none if 0): d · scale · q − dmin · minimum.
template <int Fifths, int Codes>
void decode_q4_k(const std::byte* b, float* to) {
  const float d = half_at(b, 0), dmin = half_at(b, 2);
  const std::byte* s = b + 4;
  for (int g = 0; g < 8; ++g) {
    const int scale_code = g < 4 ? byte_at(s, g) & 63 : (byte_at(s, g + 4) & 15) | byte_at(s, g - 4) >> 6 << 4;
    const int least_code = g < 4 ? byte_at(s, g + 4) & 63 : byte_at(s, g + 4) >> 4 | byte_at(s, g) >> 6 << 4;
    const float scale = d * static_cast<float>(scale_code), least = dmin * static_cast<float>(least_code);
    for (int i = 32 * g; i < 32 * g + 32; ++i) {
      int code = group_nibble_at(b + Codes, i);
      if constexpr (Fifths != 0) code += (byte_at(b + Fifths, i & 31) >> g & 1) << 4;
      to[i] = scale * static_cast<float>(code) - least;
    }
  }
}

/// Low nibbles at 0, upper two bits at 128, 16 × i8 scale at 192, d at 208: d · scale · (q − 32).
inline void decode_q6_k(const std::byte* b, float* to) {
  const float d = half_at(b, 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i >> 7, quarter = i >> 5 & 3, lane = i & 31;
    const int low = byte_at(b, 64 * half + 32 * (quarter & 1) + lane) >> (quarter < 2 ? 0 : 4) & 15;
    const int high = byte_at(b, 128 + 32 * half + lane) >> 2 * quarter & 3;
    to[i] = d * static_cast<float>(signed_at(b, 192 + (i >> 4))) * static_cast<float>((low | high << 4) - 32);
  }
}

/// d at 0, the upper two bits of 8 scales at 2, their nibbles at 4, codes at 8: d · (scale − 32) · value.
inline void decode_iq4_xs(const std::byte* b, float* to) {
  const float d = half_at(b, 0);
  const int high = read_number<std::uint16_t>(b + 2);
  for (int g = 0; g < 8; ++g) {
    const int scale_code = (byte_at(b, 4 + (g >> 1)) >> 4 * (g & 1) & 15) | (high >> 2 * g & 3) << 4;
    const float scale = d * static_cast<float>(scale_code - 32);
    for (int i = 0; i < 32; ++i)
      to[32 * g + i] = scale * static_cast<float>(iq4_values[nibbles::code(b + 8 + 16 * g, i)]);
  }
}

}  // namespace detail

/// Every type that files hold. Numbers that are not here were withdrawn, or are newer.
inline constexpr ggml_type ggml_types[] = {
    {0, "F32", 1, 4, detail::decode_number<f32>},
    {1, "F16", 1, 2, detail::decode_number<f16>},
    {2, "Q4_0", 32, 18, detail::decode_own<q4_0>},
    {3, "Q4_1", 32, 20, detail::decode_q4_1},
    {6, "Q5_0", 32, 22, detail::decode_q5_0},
    {7, "Q5_1", 32, 24, detail::decode_q5_1},
    {8, "Q8_0", 32, 34, detail::decode_own<q8_0>},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84, detail::decode_q2_k},
    {11, "Q3_K", 256, 110, detail::decode_q3_k},
    {12, "Q4_K", 256, 144, detail::decode_q4_k<0, 16>},
    {13, "Q5_K", 256, 176, detail::decode_q4_k<16, 48>},
    {14, "Q6_K", 256, 210, detail::decode_q6_k},
    {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18, detail::decode_iq4_nl},
    {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136, detail::decode_iq4_xs},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2, detail::decode_number<bf16>},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {39, "MXFP4", 32, 17, detail::decode_mxfp4},
    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
    {42, "Q2_0", 64, 18},
};

/// The type with this number, or null.
constexpr const ggml_type* find_ggml_type(std::uint32_t id) {
  for (const ggml_type& t : ggml_types)
    if (t.id == id) return &t;
  return nullptr;
}

LLAVA_END
