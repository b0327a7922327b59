// SPDX-License-Identifier: Apache-2.0
/// The kernels for AVX-512 (F, VL, BW, DQ): sixteen floats are one register.
#pragma once
#if defined(__x86_64__)
#include <cstdint>

#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/nf4_panels.hpp>
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
LLAVA_TARGET_BEGIN("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")
namespace simd_backend::avx512 {

/// Functions that activations call (kernels/activation_math.inc) are plain inline. Templates of activations have no
/// target attribute, and an always-inline callee with another target is an error in them, even though they are inlined
/// into a kernel.
struct vec {
  __m512 v;
  LLAVA_ALWAYS_INLINE vec() : v(_mm512_setzero_ps()) {}
  LLAVA_ALWAYS_INLINE vec(__m512 x) : v(x) {}
  explicit vec(float x) : v(_mm512_set1_ps(x)) {}
};
inline vec operator+(const vec& a, const vec& b) { return _mm512_add_ps(a.v, b.v); }
inline vec operator-(const vec& a, const vec& b) { return _mm512_sub_ps(a.v, b.v); }
inline vec operator*(const vec& a, const vec& b) { return _mm512_mul_ps(a.v, b.v); }
inline vec operator/(const vec& a, const vec& b) { return _mm512_div_ps(a.v, b.v); }
/// Sixteen truth values.
struct mask {
  __mmask16 bits;
};
inline mask operator<(const vec& a, const vec& b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline mask operator<=(const vec& a, const vec& b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
inline mask operator==(const vec& a, const vec& b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
inline mask operator&&(const mask& a, const mask& b) { return {_mm512_kand(a.bits, b.bits)}; }
inline mask operator||(const mask& a, const mask& b) { return {_mm512_kor(a.bits, b.bits)}; }
inline mask operator!(const mask& a) { return {_mm512_knot(a.bits)}; }
inline vec select(const mask& condition, const vec& a, const vec& b) {
  return _mm512_mask_blend_ps(condition.bits, b.v, a.v);
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
LLAVA_ALWAYS_INLINE vec maximum(const vec& a, const vec& b) { return _mm512_max_ps(a.v, b.v); }
LLAVA_ALWAYS_INLINE vec minimum(const vec& a, const vec& b) { return _mm512_min_ps(a.v, b.v); }
/// NaN stays NaN.
LLAVA_ALWAYS_INLINE vec clamp(const vec& x, const vec& low, const vec& high) {
  return minimum(high, maximum(low, x));  // of NaN and a number, both return the second operand
}
inline vec abs(const vec& a) { return _mm512_abs_ps(a.v); }
/// a < b ? x : y, lane by lane.
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v);
}
/// x · 2ⁿ for integers n in [−126, 127].
LLAVA_ALWAYS_INLINE vec scale(const vec& x, const vec& n) { return _mm512_scalef_ps(x.v, n.v); }
/// x = m · 2ⁿ with m in [√½, √2), for positive normal numbers: returns m.
LLAVA_ALWAYS_INLINE vec split(const vec& x, vec& n) {
  const __m512i bits = _mm512_castps_si512(x.v),
                exponent = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(bits_of_root_half)), 23);
  n = _mm512_cvtepi32_ps(exponent);
  return _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(exponent, 23)));
}

LLAVA_ALWAYS_INLINE vec load(const float* p) { return _mm512_loadu_ps(p); }
LLAVA_ALWAYS_INLINE vec load(const f16* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
LLAVA_ALWAYS_INLINE vec load(const bf16* p) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
LLAVA_ALWAYS_INLINE vec load(const std::int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) { _mm512_storeu_ps(p, a.v); }
LLAVA_ALWAYS_INLINE void store(f16* p, const vec& a) {
  // The masked form: without optimisation, g++ expands the other form to a conversion that it warns about.
  constexpr __mmask16 all = 0xffff;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtps_ph(all, a.v, _MM_FROUND_TO_NEAREST_INT));
}

/// A sum of a product: sixteen partial sums along K.
using lanes = __m512;
inline constexpr int lane_count = 16;
template <class T>
LLAVA_ALWAYS_INLINE lanes load_lanes(const T* p) {
  return load(p).v;
}
LLAVA_ALWAYS_INLINE lanes multiply_add(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
/// to[i] += the sum of the lanes of s[i], i < 4.
LLAVA_ALWAYS_INLINE void add_lanes(float* to, const lanes* s) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1])),
               cd = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3])),
               abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
  _mm_storeu_ps(to,
                _mm_add_ps(_mm_loadu_ps(to), _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1))));
}

/// Adds lanes i and i + 8, then i + 4, i + 2, i + 1: the same tree on every instruction set.
LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_shuffle_ps(z, z, 1)));
}
LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  const __m256 x = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_shuffle_ps(z, z, 1)));
}

/// The book of nf4: one register holds it. A look-up takes the lowest four bits of each lane.
struct code_book {
  __m512 v;
  LLAVA_ALWAYS_INLINE explicit code_book(const nf4_bytes&) : v(_mm512_loadu_ps(nf4::book)) {}
};
using code_words = __m512i;
/// Each lane gets the codes of one column, the first in the lowest bits.
LLAVA_ALWAYS_INLINE void load_words(const code_book&, const std::byte* p, code_words& to) {
  const __m512i columns = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
  to = _mm512_shuffle_epi8(_mm512_loadu_si512(p), columns);
}
/// The values of step i.
LLAVA_ALWAYS_INLINE vec look_up(const code_book& book, const code_words& codes, int i) {
  return _mm512_permutexvar_ps(_mm512_srli_epi32(codes, static_cast<unsigned>(4 * i)), book.v);
}

/// A product has 24 sums in 32 registers. Converting a weight occupies the units that multiply, so packing converts
/// each weight once for all rows.
inline constexpr int product_rows = 6, attention_rows = 12;
inline constexpr int book_rows = 8, book_panels = 2, book_row_panels = 4;
template <class F>
using packed_type = float;
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
// clang-format on

}  // namespace simd_backend::avx512
LLAVA_TARGET_END
LLAVA_END
#endif
