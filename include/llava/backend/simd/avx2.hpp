// SPDX-License-Identifier: Apache-2.0
/// The kernels for AVX2 with FMA and F16C: sixteen floats are two registers.
#pragma once
#if defined(__x86_64__)
#include <cstdint>

#include <llava/backend/simd/affine_panels.hpp>
#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/nf4_panels.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
LLAVA_TARGET_BEGIN("avx2,fma,f16c")
namespace simd_backend::avx2 {

/// Functions that activations call (kernels/activation_math.inc) are plain inline. Templates of activations have no
/// target attribute, and an always-inline callee with another target is an error in them, even though they are inlined
/// into a kernel.
struct vec {
  __m256 l, h;
  LLAVA_ALWAYS_INLINE vec() : l(_mm256_setzero_ps()), h(_mm256_setzero_ps()) {}
  LLAVA_ALWAYS_INLINE vec(__m256 low, __m256 high) : l(low), h(high) {}
  explicit vec(float x) : l(_mm256_set1_ps(x)), h(l) {}
};
inline vec operator+(const vec& a, const vec& b) { return {_mm256_add_ps(a.l, b.l), _mm256_add_ps(a.h, b.h)}; }
inline vec operator-(const vec& a, const vec& b) { return {_mm256_sub_ps(a.l, b.l), _mm256_sub_ps(a.h, b.h)}; }
inline vec operator*(const vec& a, const vec& b) { return {_mm256_mul_ps(a.l, b.l), _mm256_mul_ps(a.h, b.h)}; }
inline vec operator/(const vec& a, const vec& b) { return {_mm256_div_ps(a.l, b.l), _mm256_div_ps(a.h, b.h)}; }
/// Sixteen truth values.
struct mask {
  __m256 l, h;
};
inline mask operator<(const vec& a, const vec& b) {
  return {_mm256_cmp_ps(a.l, b.l, _CMP_LT_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_LT_OQ)};
}
inline mask operator<=(const vec& a, const vec& b) {
  return {_mm256_cmp_ps(a.l, b.l, _CMP_LE_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_LE_OQ)};
}
inline mask operator==(const vec& a, const vec& b) {
  return {_mm256_cmp_ps(a.l, b.l, _CMP_EQ_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_EQ_OQ)};
}
inline mask operator&&(const mask& a, const mask& b) { return {_mm256_and_ps(a.l, b.l), _mm256_and_ps(a.h, b.h)}; }
inline mask operator||(const mask& a, const mask& b) { return {_mm256_or_ps(a.l, b.l), _mm256_or_ps(a.h, b.h)}; }
inline mask operator!(const mask& a) {
  const __m256 all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
  return {_mm256_andnot_ps(a.l, all), _mm256_andnot_ps(a.h, all)};
}
inline vec select(const mask& condition, const vec& a, const vec& b) {
  return {_mm256_blendv_ps(b.l, a.l, condition.l), _mm256_blendv_ps(b.h, a.h, condition.h)};
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return {_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)};
}
LLAVA_ALWAYS_INLINE vec maximum(const vec& a, const vec& b) {
  return {_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)};
}
LLAVA_ALWAYS_INLINE vec minimum(const vec& a, const vec& b) {
  return {_mm256_min_ps(a.l, b.l), _mm256_min_ps(a.h, b.h)};
}
/// NaN stays NaN.
LLAVA_ALWAYS_INLINE vec clamp(const vec& x, const vec& low, const vec& high) {
  return minimum(high, maximum(low, x));  // of NaN and a number, both return the second operand
}
inline vec abs(const vec& a) {
  const __m256 sign = _mm256_set1_ps(-0.f);
  return {_mm256_andnot_ps(sign, a.l), _mm256_andnot_ps(sign, a.h)};
}
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return {_mm256_blendv_ps(y.l, x.l, _mm256_cmp_ps(a.l, b.l, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.h, x.h, _mm256_cmp_ps(a.h, b.h, _CMP_LT_OQ))};
}
LLAVA_ALWAYS_INLINE __m256 power_of_two(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
LLAVA_ALWAYS_INLINE vec scale(const vec& x, const vec& n) { return x * vec(power_of_two(n.l), power_of_two(n.h)); }
LLAVA_ALWAYS_INLINE __m256 split(__m256 x, __m256& n) {
  const __m256i bits = _mm256_castps_si256(x),
                exponent = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(bits_of_root_half)), 23);
  n = _mm256_cvtepi32_ps(exponent);
  return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23)));
}
/// x = m · 2ⁿ with m in [√½, √2), for positive normal numbers: returns m.
LLAVA_ALWAYS_INLINE vec split(const vec& x, vec& n) { return {split(x.l, n.l), split(x.h, n.h)}; }

LLAVA_ALWAYS_INLINE __m256 load_lanes(const float* p) { return _mm256_loadu_ps(p); }
LLAVA_ALWAYS_INLINE __m256 load_lanes(const f16* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LLAVA_ALWAYS_INLINE __m256 load_lanes(const bf16* p) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16));
}
LLAVA_ALWAYS_INLINE __m256 load_lanes(const std::int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <class T>
LLAVA_ALWAYS_INLINE vec load(const T* p) {
  return {load_lanes(p), load_lanes(p + 8)};
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) { _mm256_storeu_ps(p, a.l), _mm256_storeu_ps(p + 8, a.h); }
LLAVA_ALWAYS_INLINE void store(f16* p, const vec& a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a.l, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(a.h, _MM_FROUND_TO_NEAREST_INT));
}

/// A sum of a product: eight partial sums along K.
using lanes = __m256;
inline constexpr int lane_count = 8;
LLAVA_ALWAYS_INLINE lanes multiply_add(lanes a, lanes b, lanes c) {
  c = _mm256_fmadd_ps(a, b, c);
#if defined(__clang__)
  __asm__("" : "+x"(c));  // keeps c in a register: without this clang keeps it in memory, with this g++ does
#endif
  return c;
}
/// to[i] += the sum of the lanes of s[i], i < 4.
LLAVA_ALWAYS_INLINE void add_lanes(float* to, const lanes* s) {
  const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(s[0], s[1]), _mm256_unpackhi_ps(s[0], s[1])),
               cd = _mm256_add_ps(_mm256_unpacklo_ps(s[2], s[3]), _mm256_unpackhi_ps(s[2], s[3])),
               abcd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  _mm_storeu_ps(to,
                _mm_add_ps(_mm_loadu_ps(to), _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1))));
}

LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const __m256 x = _mm256_add_ps(a.l, a.h);
  const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_shuffle_ps(z, z, 1)));
}
LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  const __m256 x = _mm256_max_ps(a.l, a.h);
  const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_shuffle_ps(z, z, 1)));
}

/// The book of nf4 as four tables, one for each byte of a float.
struct code_book {
  __m256i byte[4];
  LLAVA_ALWAYS_INLINE explicit code_book(const nf4_bytes& tables) {
    for (int b = 0; b < 4; ++b)
      byte[b] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(tables.of[b])));
  }
};
/// The values of 8 elements of 16 columns, in memory. Three shuffles for eight values cost less than looking up dwords.
struct code_words {
  float values[8][16];
};
/// Stores the values of the even or the odd steps of eight columns.
LLAVA_ALWAYS_INLINE void store_values(const code_book& book, __m256i codes, float* to) {
  __m256i bytes[4];
#pragma GCC unroll 4
  for (int b = 0; b < 4; ++b) bytes[b] = _mm256_shuffle_epi8(book.byte[b], codes);
  const __m256i low[2] = {_mm256_unpacklo_epi8(bytes[0], bytes[1]), _mm256_unpackhi_epi8(bytes[0], bytes[1])},
                high[2] = {_mm256_unpacklo_epi8(bytes[2], bytes[3]), _mm256_unpackhi_epi8(bytes[2], bytes[3])};
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    _mm256_storeu_ps(to + 64 * i, _mm256_castsi256_ps(_mm256_unpacklo_epi16(low[i], high[i])));
    _mm256_storeu_ps(to + 64 * i + 32, _mm256_castsi256_ps(_mm256_unpackhi_epi16(low[i], high[i])));
  }
}
LLAVA_ALWAYS_INLINE void load_words(const code_book& book, const std::byte* p, code_words& to) {
  const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * half));
    store_values(book, _mm256_and_si256(codes, nibble), to.values[0] + 8 * half);
    store_values(book, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble), to.values[1] + 8 * half);
  }
}
/// The values of step i.
LLAVA_ALWAYS_INLINE vec look_up(const code_book&, const code_words& codes, int i) {
  return load(static_cast<const float*>(codes.values[i]));
}

/// A product has twelve sums in sixteen registers: rows of x and one row of w use the others, and the conversion of a
/// weight while loading is free. Attention has eight sums, which hide the latency of a multiplication; a group of
/// queries often has four rows.
inline constexpr int product_rows = 3, attention_rows = 4, block_rows = 4, panels_at_once = 1;
inline constexpr int book_rows = 4, book_panels = 1, book_row_panels = 2;
template <class F>
using packed_type = F;
// clang-format off
#include <llava/backend/simd/kernels/common.inc>
#include <llava/backend/simd/kernels/activation_math.inc>
#include <llava/backend/simd/kernels/tile.inc>
#include <llava/backend/simd/kernels/matmul.inc>
#include <llava/backend/simd/kernels/attention.inc>
#include <llava/backend/simd/kernels/nf4_matmul.inc>
#include <llava/backend/simd/kernels/rope.inc>
#include <llava/backend/simd/kernels/rows.inc>
#include <llava/backend/simd/kernels/table.inc>
#include <llava/backend/simd/kernels/block_dot_avx2.inc>
#include <llava/backend/simd/kernels/affine_dot_avx2.inc>
#include <llava/backend/simd/kernels/affine_matmul.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::avx2
LLAVA_TARGET_END
LLAVA_END
#endif
