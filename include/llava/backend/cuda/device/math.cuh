// SPDX-License-Identifier: Apache-2.0
/// Arithmetic of one instruction. The approximations differ from their host counterparts by a few units in the last
/// place, so tests compare results by tolerance where a kernel uses them.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_CUDA_BEGIN

/// The bits of a float.
LLAVA_DEVICE std::uint32_t bits_of(float x) {
#if defined(__CUDACC__)
  return __float_as_uint(x);
#else
  return std::bit_cast<std::uint32_t>(x);
#endif
}
/// The float of these bits.
LLAVA_DEVICE float float_of(std::uint32_t bits) {
#if defined(__CUDACC__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

/// The larger one. For floats: the other one if one is NaN. PTX: max.f32.
LLAVA_DEVICE float maximum(float a, float b) {
#if defined(__CUDACC__)
  return fmaxf(a, b);
#else
  return std::fmax(a, b);
#endif
}
template <class T>
requires std::is_integral_v<T> LLAVA_DEVICE T maximum(T a, T b) { return a < b ? b : a; }
/// The smaller one. For floats: the other one if one is NaN. PTX: min.f32.
LLAVA_DEVICE float minimum(float a, float b) {
#if defined(__CUDACC__)
  return fminf(a, b);
#else
  return std::fmin(a, b);
#endif
}
template <class T>
requires std::is_integral_v<T> LLAVA_DEVICE T minimum(T a, T b) { return b < a ? b : a; }

/// a · b + c, rounded once. PTX: fma.rn.f32.
LLAVA_DEVICE float fused_multiply_add(float a, float b, float c) {
#if defined(__CUDACC__)
  return __fmaf_rn(a, b, c);
#else
  return std::fma(a, b, c);
#endif
}

/// c + Σ a[i] · b[i] over the four signed bytes of two words. PTX: dp4a.s32.s32.
LLAVA_DEVICE int dot4(std::uint32_t a, std::uint32_t b, int c) {
#if defined(__CUDACC__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
#else
  for (int shift = 0; shift < 32; shift += 8)
    c += static_cast<std::int8_t>(a >> shift & 0xffu) * static_cast<std::int8_t>(b >> shift & 0xffu);
  return c;
#endif
}

/// 2ˣ, within 2 units in the last place; results below 2⁻¹²⁶ are 0. PTX: ex2.approx.ftz.f32.
LLAVA_DEVICE float exp2_approx(float x) {
#if defined(__CUDACC__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.f : y;
#endif
}
/// eˣ by exp2_approx(): within 2 + |x| units in the last place.
LLAVA_DEVICE float exp_approx(float x) { return exp2_approx(x * 1.44269504088896341f); }

/// 1 / √x, with a relative error below 2⁻²². PTX: rsqrt.approx.f32.
LLAVA_DEVICE float rsqrt_approx(float x) {
#if defined(__CUDACC__)
  float y;
  asm("rsqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.f / std::sqrt(x);
#endif
}
/// 1 / x, within 1 unit in the last place. PTX: rcp.approx.f32.
LLAVA_DEVICE float reciprocal_approx(float x) {
#if defined(__CUDACC__)
  float y;
  asm("rcp.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.f / x;
#endif
}

LLAVA_CUDA_END
