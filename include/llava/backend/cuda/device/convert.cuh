// SPDX-License-Identifier: Apache-2.0
/// Conversions between element types, by value and in packed pairs. Storage types are those of base/dtype.hpp. All
/// results are defined to the bit and are the same on the device and the host: a NaN becomes 0x7fff in f16 and bf16,
/// and 0x7f in fp8.
#pragma once
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/device/math.cuh>
#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>
#if !defined(__CUDACC__)
#include <llava_cuda_host.hpp>
#endif

LLAVA_CUDA_BEGIN

/// Two 16-bit floats in one register: `lo`, the one at the lower address, in bits 0 to 15, `hi` in bits 16 to 31.
/// T is f16 or bf16.
template <class T>
struct packed_pair {
  static_assert(std::is_same_v<T, f16> || std::is_same_v<T, bf16>, "llava: a packed pair holds f16 or bf16");
  std::uint32_t bits;
};
/// Two floats.
struct float_pair {
  float lo, hi;
};

/// @name f32 from 16 bits
/// Exact. PTX: cvt.f32.f16; a shift for bf16.
/// @{
LLAVA_DEVICE float to_f32(float x) { return x; }
LLAVA_DEVICE float to_f32(bf16 x) { return float_of(static_cast<std::uint32_t>(x.bits) << 16); }
LLAVA_DEVICE float to_f32(f16 x) {
#if defined(__CUDACC__)
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  return llava::to_float(x);
#endif
}
LLAVA_DEVICE float_pair to_f32(packed_pair<bf16> x) { return {float_of(x.bits << 16), float_of(x.bits & 0xffff0000u)}; }
LLAVA_DEVICE float_pair to_f32(packed_pair<f16> x) {
  return {to_f32(f16{static_cast<std::uint16_t>(x.bits & 0xffffu)}),
          to_f32(f16{static_cast<std::uint16_t>(x.bits >> 16)})};
}
/// @}

/// @name 16 bits from f32
/// To nearest, ties to even; f16 overflows to infinity. PTX: cvt.rn.f16.f32, cvt.rn.bf16.f32, and for pairs
/// cvt.rn.f16x2.f32, cvt.rn.bf16x2.f32.
/// @{

/// T is float, f16 or bf16.
template <class T>
LLAVA_DEVICE T from_f32(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    T y;
#if defined(__CUDACC__)
    if constexpr (std::is_same_v<T, bf16>)
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    else
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
    y = llava::from_float<T>(x);
    if (x != x) y.bits = 0x7fff;
#endif
    return y;
  }
}
/// T is f16 or bf16.
template <class T>
LLAVA_DEVICE packed_pair<T> pack(float lo, float hi) {
  packed_pair<T> y;
#if defined(__CUDACC__)
  if constexpr (std::is_same_v<T, bf16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y.bits) : "f"(hi), "f"(lo));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y.bits) : "f"(hi), "f"(lo));
#else
  y.bits = from_f32<T>(lo).bits | static_cast<std::uint32_t>(from_f32<T>(hi).bits) << 16;
#endif
  return y;
}
/// @}

/// a · b + c in both halves, each rounded once, to nearest, ties to even; subnormals count.
/// PTX: fma.rn.f16x2, fma.rn.bf16x2.
template <class T>
LLAVA_DEVICE packed_pair<T> fused_multiply_add(packed_pair<T> a, packed_pair<T> b, packed_pair<T> c) {
  packed_pair<T> y;
#if defined(__CUDACC__)
  if constexpr (std::is_same_v<T, bf16>)
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(y.bits) : "r"(a.bits), "r"(b.bits), "r"(c.bits));
  else
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(y.bits) : "r"(a.bits), "r"(b.bits), "r"(c.bits));
#else
  const float_pair p = to_f32(a), q = to_f32(b), r = to_f32(c);
  y = pack<T>(cuda_host::multiply_add_to_odd(p.lo, q.lo, r.lo), cuda_host::multiply_add_to_odd(p.hi, q.hi, r.hi));
#endif
  return y;
}
/// a · b in both halves, by fused_multiply_add() with −0.
template <class T>
LLAVA_DEVICE packed_pair<T> multiply(packed_pair<T> a, packed_pair<T> b) {
  return fused_multiply_add(a, b, packed_pair<T>{0x80008000u});
}
/// a + b in both halves, by fused_multiply_add() with 1.
template <class T>
LLAVA_DEVICE packed_pair<T> add(packed_pair<T> a, packed_pair<T> b) {
  return fused_multiply_add(a, packed_pair<T>{std::is_same_v<T, bf16> ? 0x3f803f80u : 0x3c003c00u}, b);
}

/// (a & b) | c in one instruction. PTX: lop3.b32 with the table 0xea.
LLAVA_DEVICE std::uint32_t and_or(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
#if defined(__CUDACC__)
  std::uint32_t y;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
  return y;
#else
  return (a & b) | c;
#endif
}
/// Four bytes out of eight: byte i of the result is byte `(selector >> 4 i) & 7` of b:a, where a has the bytes 0 to 3.
/// PTX: prmt.b32.
LLAVA_DEVICE std::uint32_t select_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
#if defined(__CUDACC__)
  return __byte_perm(a, b, selector);
#else
  const std::uint64_t bytes = static_cast<std::uint64_t>(b) << 32 | a;
  std::uint32_t y = 0;
  for (unsigned i = 0; i < 4; ++i)
    y |= static_cast<std::uint32_t>(bytes >> 8 * (selector >> 4 * i & 7u) & 0xffu) << 8 * i;
  return y;
#endif
}

/// @name Small integers to pairs
/// Exact, without integer-to-float conversions: an integer that is placed into the low bits of the fraction of a power
/// of two is that power plus the integer.
/// @{

/// Nibbles i (lo) and i + 4 (hi) of `word`, each minus Zero, for 0 ≤ i < 4; nibble n is in bits 4n to 4n + 3.
template <class T, int Zero = 8>
LLAVA_DEVICE packed_pair<T> int4_pair(std::uint32_t word, int i) {
  static_assert(Zero >= 0 && Zero <= 16, "llava: a nibble is 0 to 15");
  constexpr bool wide = std::is_same_v<T, bf16>;
  constexpr std::uint32_t power = wide ? 0x43004300u : 0x64006400u;                   // 128 in bf16, 1024 in f16
  constexpr std::uint32_t offset = wide ? 0xc300u + Zero : 0xe400u + unsigned{Zero};  // −(128 + Zero), −(1024 + Zero)
  return add(packed_pair<T>{and_or(word >> 4 * i, 0x000f000fu, power)}, packed_pair<T>{offset | offset << 16});
}

/// The signed bytes 2 i (lo) and 2 i + 1 (hi) of `word`, for i = 0 or 1.
template <class T>
LLAVA_DEVICE packed_pair<T> int8_pair(std::uint32_t word, int i) {
  const std::uint32_t bytes = word ^ 0x80808080u;  // each plus 128
  if constexpr (std::is_same_v<T, f16>) {
    const std::uint32_t x = select_bytes(bytes, 0x64646464u, i == 0 ? 0x4140u : 0x4342u);  // 1024 + byte
    return add(packed_pair<T>{x}, packed_pair<T>{0xe480e480u});                            // −1152
  } else {
    // bf16 has no room for 8 bits below a power: 2²³ + byte in f32, whose upper half is then exact.
    const float lo = float_of(select_bytes(bytes, 0x4b000000u, i == 0 ? 0x7540u : 0x7542u)) - 8388736.f;
    const float hi = float_of(select_bytes(bytes, 0x4b000000u, i == 0 ? 0x7541u : 0x7543u)) - 8388736.f;
    return {select_bytes(bits_of(lo), bits_of(hi), 0x7632u)};
  }
}
/// @}

/// @name fp8
/// PTX: cvt.rn.satfinite.e4m3x2.f32 and cvt.rn.f16x2.e4m3x2 (sm_89 and later); before, the same in integers.
/// @{

namespace detail {
LLAVA_DEVICE std::uint8_t fp8_bits(float x) {
  const std::uint32_t u = bits_of(x), a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return 0x7f;
  // Below 2⁻⁶ the last place is 2⁻⁹: adding 2¹⁴ rounds to it. Otherwise 20 bits of the fraction go.
  const std::uint32_t r =
      a < 0x3c800000u ? bits_of(float_of(a) + 16384.f) - 0x46800000u : ((a + 0x7ffffu + (a >> 20 & 1u)) >> 20) - 960u;
  return static_cast<std::uint8_t>((r < 0x7eu ? r : 0x7eu) | (u >> 24 & 0x80u));
}
LLAVA_DEVICE float fp8_value(std::uint32_t bits) {
  const std::uint32_t m = bits & 0x7fu;
  if (m == 0x7fu) return float_of(0x7fffffffu);
  return float_of(m << 20 | (bits & 0x80u) << 24) * 0x1p120f;
}
}  // namespace detail

/// To nearest, ties to even; beyond ±448, and infinity, become ±448. `lo` is in the low byte.
LLAVA_DEVICE std::uint16_t pack_fp8(float lo, float hi) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  std::uint16_t y;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(y) : "f"(hi), "f"(lo));
  return y;
#else
  return static_cast<std::uint16_t>(detail::fp8_bits(lo) | detail::fp8_bits(hi) << 8);
#endif
}
/// Exact. The low byte is `lo`.
LLAVA_DEVICE packed_pair<f16> unpack_fp8(std::uint16_t pair) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  packed_pair<f16> y;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(y.bits) : "h"(pair));
  return y;
#else
  return pack<f16>(detail::fp8_value(pair & 0xffu), detail::fp8_value(static_cast<std::uint32_t>(pair) >> 8));
#endif
}
/// To nearest, ties to even; beyond ±448, and infinity, become ±448.
template <class T>
requires std::is_same_v<T, fp8_e4m3> LLAVA_DEVICE fp8_e4m3 from_f32(float x) {
  return {static_cast<std::uint8_t>(pack_fp8(x, 0.f) & 0xffu)};
}
/// Exact.
LLAVA_DEVICE float to_f32(fp8_e4m3 x) { return to_f32(unpack_fp8(x.bits)).lo; }
/// @}

LLAVA_CUDA_END
