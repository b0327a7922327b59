// SPDX-License-Identifier: Apache-2.0
/// The roofs of AVX2 with FMA. Its 8-bit dot product is three instructions (vpmaddubsw, vpmaddwd, vpaddd), its 16-bit
/// one the last two.
#pragma once
#if defined(__x86_64__)
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <llava/base/macros.hpp>

#include "probe.hpp"

LLAVA_TARGET_BEGIN("avx2,fma")
namespace bench::roof_avx2 {

using floats = __m256;
using bytes = __m256i;
inline constexpr int accumulators = 12, dot_accumulators = 6;

LLAVA_ALWAYS_INLINE floats spread(float x) { return _mm256_set1_ps(x); }
LLAVA_ALWAYS_INLINE floats fma(floats a, floats b, floats c) { return _mm256_fmadd_ps(a, b, c); }
LLAVA_ALWAYS_INLINE float sum(floats x) {
  float lanes[8], total = 0.f;
  _mm256_storeu_ps(lanes, x);
  for (float lane : lanes) total += lane;
  return total;
}
LLAVA_ALWAYS_INLINE bytes all_bytes(char x) { return _mm256_set1_epi8(x); }
template <unsigned Width>
LLAVA_ALWAYS_INLINE bytes dot(bytes total, bytes u, bytes s) {
  bytes pairs;
  if constexpr (Width == 2)
    __asm__ volatile("vpmaddwd %2, %1, %0" : "=x"(pairs) : "x"(u), "x"(s));
  else
    __asm__ volatile("vpmaddubsw %2, %1, %0" : "=x"(pairs) : "x"(u), "x"(s));
  return _mm256_add_epi32(total, Width == 2 ? pairs : _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
LLAVA_ALWAYS_INLINE bytes read(const char* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
LLAVA_ALWAYS_INLINE bytes mix(bytes a, bytes b) { return _mm256_xor_si256(a, b); }
LLAVA_ALWAYS_INLINE int first_int(bytes x) { return _mm_cvtsi128_si32(_mm256_castsi256_si128(x)); }

#include "probe.inc"

}  // namespace bench::roof_avx2
LLAVA_TARGET_END
#endif
