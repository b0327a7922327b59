// SPDX-License-Identifier: Apache-2.0
/// Element types: f32, f16 (IEEE 754 binary16) and bf16 (the upper half of a binary32); fp8_e4m3 for KV caches. Those
/// of 16 and 8 bits are storage: arithmetic happens in float. Conversions round to nearest, ties to even, and preserve
/// infinities, which fp8_e4m3 does not have, and NaN.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// IEEE 754 single precision.
using f32 = float;

/// IEEE 754 half precision.
struct f16 {
  std::uint16_t bits = 0;
  friend constexpr bool operator==(f16, f16) = default;
};
/// bfloat16: the upper half of a float.
struct bf16 {
  std::uint16_t bits = 0;
  friend constexpr bool operator==(bf16, bf16) = default;
};
/// The 8-bit float of KV caches: sign, 4 bits of exponent (bias 7), 3 bits of fraction. Largest value 448, smallest
/// subnormal 2⁻⁹, no infinity; 0x7f and 0xff are NaN. OCP 8-bit Floating Point Specification, E4M3.
struct fp8_e4m3 {
  std::uint8_t bits = 0;
  friend constexpr bool operator==(fp8_e4m3, fp8_e4m3) = default;
};

/// @name Conversions
/// @{

/// Converts exactly.
constexpr float to_float(float x) { return x; }
/// Converts exactly.
constexpr float to_float(bf16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }
/// Converts exactly.
constexpr float to_float(f16 x) {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000u} << 16;
  const std::uint32_t exponent = (x.bits >> 10) & 0x1fu;
  const std::uint32_t fraction = x.bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal: exact in binary32
  return sign ? -magnitude : magnitude;
}
/// Converts exactly.
constexpr float to_float(fp8_e4m3 x) {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x80u} << 24, magnitude = x.bits & 0x7fu;
  if (magnitude == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
  return std::bit_cast<float>(sign | magnitude << 20) * 0x1p120f;  // the exponent's bias: 127 − 7
}

/// Rounds to nearest, ties to even. NaN stays NaN. In fp8_e4m3, values beyond ±448 and infinities become ±448.
template <class T>
constexpr T from_float(float x) {
  static_assert(
      std::is_same_v<T, float> || std::is_same_v<T, f16> || std::is_same_v<T, bf16> || std::is_same_v<T, fp8_e4m3>,
      "llava: from_float<T> must return f32, f16, bf16 or fp8_e4m3");
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else if constexpr (std::is_same_v<T, fp8_e4m3>) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return {0x7f};
    // Below 2⁻⁶ the last place is 2⁻⁹: adding 2¹⁴ rounds to it. Otherwise 20 bits of the fraction go.
    const std::uint32_t rounded = a < 0x3c800000u
                                      ? std::bit_cast<std::uint32_t>(std::bit_cast<float>(a) + 0x1p14f) - 0x46800000u
                                      : ((a + 0x7ffffu + (a >> 20 & 1u)) >> 20) - 960u;
    return {static_cast<std::uint8_t>((rounded < 0x7eu ? rounded : 0x7eu) | (u >> 24 & 0x80u))};
  } else if constexpr (std::is_same_v<T, bf16>) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((u >> 16) | 0x40u)};
    return {static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
  } else {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
    const std::uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x1ffu))};
    if (a >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};  // 65520 and above round to infinity
    if (a < 0x38800000u) {  // below the smallest normal: adding 0.5 puts the rounded fraction into the low bits
      const auto r = std::bit_cast<std::uint32_t>(std::bit_cast<float>(a) + 0.5f);
      return {static_cast<std::uint16_t>(sign | (r - 0x3f000000u))};
    }
    const std::uint32_t rounded = a + 0xfffu + ((a >> 13) & 1u);
    return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
  }
}
/// @}

/// The element types of stored tensors that this library reads.
enum class dtype : std::uint8_t { float32, float16, bfloat16, int64, int32, uint8, int8 };

/// Bytes of one element.
constexpr std::size_t size_of(dtype t) {
  switch (t) {
    case dtype::int64:
      return 8;
    case dtype::float32:
    case dtype::int32:
      return 4;
    case dtype::float16:
    case dtype::bfloat16:
      return 2;
    case dtype::uint8:
    case dtype::int8:
      return 1;
  }
  return 0;
}

/// The name: "f32", "f16", …
constexpr std::string_view name_of(dtype t) {
  switch (t) {
    case dtype::float32:
      return "f32";
    case dtype::float16:
      return "f16";
    case dtype::bfloat16:
      return "bf16";
    case dtype::int64:
      return "i64";
    case dtype::int32:
      return "i32";
    case dtype::uint8:
      return "u8";
    case dtype::int8:
      return "i8";
  }
  return "?";
}

/// Whether the elements are floats.
constexpr bool is_floating(dtype t) { return t == dtype::float32 || t == dtype::float16 || t == dtype::bfloat16; }

/// The dtype of a C++ type; uint8 for any type without its own.
template <class T>
inline constexpr dtype dtype_of = [] {
  if constexpr (std::is_same_v<T, float>)
    return dtype::float32;
  else if constexpr (std::is_same_v<T, f16>)
    return dtype::float16;
  else if constexpr (std::is_same_v<T, bf16>)
    return dtype::bfloat16;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return dtype::int64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return dtype::int32;
  else
    return dtype::uint8;
}();

/// f32, f16 or bf16.
template <class T>
concept floating = std::is_same_v<T, float> || std::is_same_v<T, f16> || std::is_same_v<T, bf16>;

LLAVA_END
