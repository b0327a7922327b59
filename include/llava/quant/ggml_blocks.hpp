// SPDX-License-Identifier: Apache-2.0
/// ggml's tensor types, as GGUF files hold them: one table of their numbers, names, blocks and decoders. A row is a
/// sequence of blocks of `elements` numbers. Decoding is exact in f32: the values have the bits of ggml's. Most types
/// are weight formats as well (ggml_formats.hpp).
///
/// The comment of a decoder lists the fields of a block by their offsets in bytes; d is an f16.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/nibbles.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

/// One of ggml's types. `decode` writes the `elements` values of a block; null: such tensors are recognised only.
struct ggml_type {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t elements, bytes;  ///< of a block
  void (*decode)(const std::byte* block, float* to) = nullptr;
  std::string_view format{};  ///< the name of the weight format with the same bytes; empty: none
};

namespace detail {

template <class T>
void decode_number(const std::byte* block, float* to) {
  *to = to_float(read_number<T>(block));
}

/// Q8_0 is a block format.
inline void decode_q8_0(const std::byte* b, float* to) { decode_row<q8_0>(b, block_elements, to); }
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
    {2, "Q4_0", 32, 18, decode_affine<q4_0_a16>, q4_0::name},
    {3, "Q4_1", 32, 20, decode_affine<q4_1>, q4_1::name},
    {6, "Q5_0", 32, 22, decode_affine<q5_0>, q5_0::name},
    {7, "Q5_1", 32, 24, decode_affine<q5_1>, q5_1::name},
    {8, "Q8_0", 32, 34, detail::decode_q8_0, q8_0::name},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84, decode_affine<q2_k>, q2_k::name},
    {11, "Q3_K", 256, 110, decode_affine<q3_k>, q3_k::name},
    {12, "Q4_K", 256, 144, decode_affine<q4_k>, q4_k::name},
    {13, "Q5_K", 256, 176, decode_affine<q5_k>, q5_k::name},
    {14, "Q6_K", 256, 210, decode_affine<q6_k>, q6_k::name},
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
