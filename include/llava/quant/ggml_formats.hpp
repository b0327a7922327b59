// SPDX-License-Identifier: Apache-2.0
/// GGUF's types as weight formats, byte for byte, and `ggml`, the format of files that mix them. Each type is an
/// affine_format (affine_blocks.hpp): products use its codes and scales as they are stored, and activations of 14 bits.
/// A comment lists the fields of a block by their offsets in bytes; d, m and dmin are f16. Codes of 4 bits in a block
/// of 32 are nibbles (nibbles.hpp).
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/quant/affine_blocks.hpp>
#include <llava/quant/any_of.hpp>
#include <llava/quant/nibbles.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

namespace detail {

inline int byte_at(const std::byte* block, int i) { return std::to_integer<int>(block[i]); }
inline float half_at(const std::byte* block, int i) { return to_float(read_number<f16>(block + i)); }
inline int signed_at(const std::byte* block, int i) { return static_cast<std::int8_t>(byte_at(block, i)); }

/// Bit i of a little-endian u32.
inline int bit_at(const std::byte* bits, int i) { return byte_at(bits, i >> 3) >> (i & 7) & 1; }
/// Code i of 2 bits of 256 in 64 bytes: four groups of 32 share 32 bytes.
inline int two_bits_at(const std::byte* codes, int i) {
  return byte_at(codes, 32 * (i >> 7) + (i & 31)) >> 2 * (i >> 5 & 3) & 3;
}
/// Nibble i of 256 in 128 bytes: two groups of 32 share 32 bytes.
inline int group_nibble_at(const std::byte* codes, int i) {
  return byte_at(codes, 32 * (i >> 6) + (i & 31)) >> 4 * (i >> 5 & 1) & 15;
}

/// ScaleAt: the offset of a block's scale. That of the minimums follows it.
template <int Bits, int Group, int Zero, bool HasMinimum, int ScaleAt>
struct ggml_codes {
  static constexpr int bits = Bits, group = Group, zero = Zero, scale_at = ScaleAt, activation_group = 32;
  static constexpr bool has_minimum = HasMinimum, has_row_scale = false;
  using activation = std::int16_t;

  static float scale(const std::byte* b) { return half_at(b, ScaleAt); }
  static float least(const std::byte* b) { return HasMinimum ? half_at(b, ScaleAt + 2) : 0.f; }
  static int minimum(const std::byte*, int) { return 0; }
};

/// Blocks of 32 with d at 0: d · (code − Zero).
template <int Bits, int Zero>
struct ggml_scaled : ggml_codes<Bits, 32, Zero, false, 0> {
  static constexpr int elements = 32;
  static int factor(const std::byte*, int) { return 1; }
};
/// Blocks of 32 with d at 0 and m at 2: d · code + m.
template <int Bits>
struct ggml_scaled_and_moved : ggml_codes<Bits, 32, 0, true, 0> {
  static constexpr int elements = 32;
  static float least(const std::byte* b) { return -half_at(b, 2); }
  static int factor(const std::byte*, int) { return 1; }
  static int minimum(const std::byte*, int) { return 1; }
};
/// Blocks of 256 with d at 0, dmin at 2, and a factor and a minimum of 6 bits for each 32 at 4.
template <int Bits>
struct ggml_six_bit_factors : ggml_codes<Bits, 32, 0, true, 0> {
  static constexpr int elements = 256;
  static int factor(const std::byte* b, int g) {
    return g < 4 ? byte_at(b, 4 + g) & 63 : (byte_at(b, 8 + g) & 15) | byte_at(b, g) >> 6 << 4;
  }
  static int minimum(const std::byte* b, int g) {
    return g < 4 ? byte_at(b, 8 + g) & 63 : byte_at(b, 8 + g) >> 4 | byte_at(b, 4 + g) >> 6 << 4;
  }
};

}  // namespace detail

/// The bytes of q4_0. Codes at 2.
struct q4_0_a16 : detail::ggml_scaled<4, 8> {
  static constexpr std::string_view name = q4_0::name;
  static constexpr int block_bytes = 18;
  static int code(const std::byte* b, int i) { return nibbles::code(b + 2, i); }
};
/// Codes at 4.
struct q4_1 : detail::ggml_scaled_and_moved<4> {
  static constexpr std::string_view name = "q4_1";
  static constexpr int block_bytes = 20;
  static int code(const std::byte* b, int i) { return nibbles::code(b + 4, i); }
};
/// The fifth bits of the codes at 2, their nibbles at 6.
struct q5_0 : detail::ggml_scaled<6, 16> {
  static constexpr std::string_view name = "q5_0";
  static constexpr int block_bytes = 22;
  static int code(const std::byte* b, int i) { return nibbles::code(b + 6, i) | detail::bit_at(b + 2, i) << 4; }
};
/// Fifth bits at 4, nibbles at 8.
struct q5_1 : detail::ggml_scaled_and_moved<6> {
  static constexpr std::string_view name = "q5_1";
  static constexpr int block_bytes = 24;
  static int code(const std::byte* b, int i) { return nibbles::code(b + 8, i) | detail::bit_at(b + 4, i) << 4; }
};

/// A factor and a minimum of 4 bits for each 16 at 0, codes of 2 bits at 16, d at 80, dmin at 82.
struct q2_k : detail::ggml_codes<4, 16, 0, true, 80> {
  static constexpr std::string_view name = "q2_k";
  static constexpr int elements = 256, block_bytes = 84;
  static int factor(const std::byte* b, int g) { return detail::byte_at(b, g) & 15; }
  static int minimum(const std::byte* b, int g) { return detail::byte_at(b, g) >> 4; }
  static int code(const std::byte* b, int i) { return detail::two_bits_at(b + 16, i); }
};
/// The third bits of the codes at 0, two bits at 32, 16 factors of 6 bits, less 32, at 96, d at 108.
struct q3_k : detail::ggml_codes<4, 16, 4, false, 108> {
  static constexpr std::string_view name = "q3_k";
  static constexpr int elements = 256, block_bytes = 110;
  static int factor(const std::byte* b, int g) {
    const int low = g < 8 ? detail::byte_at(b, 96 + g) & 15 : detail::byte_at(b, 88 + g) >> 4;
    return (low | (detail::byte_at(b, 104 + (g & 3)) >> 2 * (g >> 2) & 3) << 4) - 32;
  }
  static int code(const std::byte* b, int i) {
    return detail::two_bits_at(b + 32, i) | (detail::byte_at(b, i & 31) >> (i >> 5) & 1) << 2;
  }
};
/// Nibbles at 16.
struct q4_k : detail::ggml_six_bit_factors<4> {
  static constexpr std::string_view name = "q4_k";
  static constexpr int block_bytes = 144;
  static int code(const std::byte* b, int i) { return detail::group_nibble_at(b + 16, i); }
};
/// Fifth bits at 16, nibbles at 48.
struct q5_k : detail::ggml_six_bit_factors<6> {
  static constexpr std::string_view name = "q5_k";
  static constexpr int block_bytes = 176;
  static int code(const std::byte* b, int i) {
    return detail::group_nibble_at(b + 48, i) | (detail::byte_at(b, 16 + (i & 31)) >> (i >> 5) & 1) << 4;
  }
};
/// Low nibbles at 0, upper two bits at 128, 16 × i8 factor at 192, d at 208.
struct q6_k : detail::ggml_codes<6, 16, 32, false, 208> {
  static constexpr std::string_view name = "q6_k";
  static constexpr int elements = 256, block_bytes = 210;
  static int factor(const std::byte* b, int g) { return detail::signed_at(b, 192 + g); }
  static int code(const std::byte* b, int i) {
    const int half = i >> 7, quarter = i >> 5 & 3, lane = i & 31;
    const int low = detail::byte_at(b, 64 * half + 32 * (quarter & 1) + lane) >> (quarter < 2 ? 0 : 4) & 15;
    return low | (detail::byte_at(b, 128 + 32 * half + lane) >> 2 * quarter & 3) << 4;
  }
};

/// Each tensor of a GGUF file in its own type: F16, BF16, Q8_0 and the types above as they are stored, every other
/// weight as f16.
struct ggml {
  static constexpr std::string_view name = "ggml";
  using formats = format_list<f16, bf16, q8_0_a16, q4_0_a16, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k>;
  using head = ggml;
};

LLAVA_END
