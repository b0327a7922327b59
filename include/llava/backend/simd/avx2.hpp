// SPDX-License-Identifier: Apache-2.0
/// The kernels for AVX2 with FMA and F16C: sixteen floats are two registers.
#pragma once
#if defined(__x86_64__)
#include <cstdint>

#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
LLAVA_TARGET_BEGIN("avx2,fma,f16c")
namespace simd_backend::avx2 {

/// What activations use (arithmetic, exp, erf) is plain inline: their templates are of no instruction set, and an
/// always-inline callee of another one is an error in them, even though they are themselves inlined into a kernel.
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
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return {_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)};
}
LLAVA_ALWAYS_INLINE vec max(const vec& a, const vec& b) { return {_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)}; }
LLAVA_ALWAYS_INLINE vec min(const vec& a, const vec& b) { return {_mm256_min_ps(a.l, b.l), _mm256_min_ps(a.h, b.h)}; }
LLAVA_ALWAYS_INLINE vec abs(const vec& a) {
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
LLAVA_ALWAYS_INLINE vec power_of_two(const vec& n) { return {power_of_two(n.l), power_of_two(n.h)}; }

LLAVA_ALWAYS_INLINE vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LLAVA_ALWAYS_INLINE vec load(const f16* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
LLAVA_ALWAYS_INLINE __m256 from_bf16(const __m128i* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
LLAVA_ALWAYS_INLINE vec load(const bf16* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  return {from_bf16(q), from_bf16(q + 1)};
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) { _mm256_storeu_ps(p, a.l), _mm256_storeu_ps(p + 8, a.h); }

/// Eight rows of eight become columns.
LLAVA_ALWAYS_INLINE void transpose_8(__m256 (&r)[8]) {
  __m256 t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2)
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44), r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44), r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
    t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}
LLAVA_ALWAYS_INLINE void transpose(vec (&r)[16]) {
  __m256 a[8], b[8], c[8], d[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) a[i] = r[i].l, b[i] = r[i].h, c[i] = r[i + 8].l, d[i] = r[i + 8].h;
  transpose_8(a), transpose_8(b), transpose_8(c), transpose_8(d);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = {a[i], c[i]}, r[i + 8] = {b[i], d[i]};
}

LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const __m256 x = _mm256_add_ps(a.l, a.h);
  const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_shuffle_ps(z, z, 1)));
}

inline constexpr int tile_rows = 6, tile_vectors = 1, block_rows = 4;
// clang-format off
#include <llava/backend/simd/kernels/common.inc>
#include <llava/backend/simd/kernels/matmul.inc>
#include <llava/backend/simd/kernels/attention.inc>
#include <llava/backend/simd/kernels/rows.inc>
#include <llava/backend/simd/kernels/table.inc>
#include <llava/backend/simd/kernels/block_dot_avx2.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::avx2
LLAVA_TARGET_END
LLAVA_END
#endif
