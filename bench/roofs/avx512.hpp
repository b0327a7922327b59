// SPDX-License-Identifier: Apache-2.0
/// The roofs of AVX-512, with and without VNNI. With VNNI, the 8-bit dot product is one instruction (vpdpbusd) instead
/// of three, and the 16-bit one is one (vpdpwssd) instead of two.
#pragma once
#if defined(__x86_64__)
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <llava/base/macros.hpp>

#include "probe.hpp"

LLAVA_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
namespace bench::roof_avx512 {

using floats = __m512;
using bytes = __m512i;
inline constexpr int accumulators = 12, dot_accumulators = 6;

LLAVA_ALWAYS_INLINE floats spread(float x) { return _mm512_set1_ps(x); }
LLAVA_ALWAYS_INLINE floats fma(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
LLAVA_ALWAYS_INLINE float sum(floats x) {
  float lanes[16], total = 0.f;
  _mm512_storeu_ps(lanes, x);
  for (float lane : lanes) total += lane;
  return total;
}
LLAVA_ALWAYS_INLINE bytes all_bytes(char x) { return _mm512_set1_epi8(x); }
template <unsigned Width>
LLAVA_ALWAYS_INLINE bytes dot(bytes total, bytes u, bytes s) {
  bytes pairs;
  if constexpr (Width == 2)
    __asm__ volatile("vpmaddwd %2, %1, %0" : "=v"(pairs) : "v"(u), "v"(s));
  else
    __asm__ volatile("vpmaddubsw %2, %1, %0" : "=v"(pairs) : "v"(u), "v"(s));
  return _mm512_add_epi32(total, Width == 2 ? pairs : _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
LLAVA_ALWAYS_INLINE bytes read(const char* p) { return _mm512_load_si512(p); }
LLAVA_ALWAYS_INLINE bytes mix(bytes a, bytes b) { return _mm512_xor_si512(a, b); }
LLAVA_ALWAYS_INLINE int first_int(bytes x) { return _mm_cvtsi128_si32(_mm512_castsi512_si128(x)); }

#include "probe.inc"

}  // namespace bench::roof_avx512
LLAVA_TARGET_END

LLAVA_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")
namespace bench::roof_avx512vnni {

using floats = __m512;
using bytes = __m512i;
inline constexpr int accumulators = 12, dot_accumulators = 12;

LLAVA_ALWAYS_INLINE floats spread(float x) { return _mm512_set1_ps(x); }
LLAVA_ALWAYS_INLINE floats fma(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
LLAVA_ALWAYS_INLINE float sum(floats x) {
  float lanes[16], total = 0.f;
  _mm512_storeu_ps(lanes, x);
  for (float lane : lanes) total += lane;
  return total;
}
LLAVA_ALWAYS_INLINE bytes all_bytes(char x) { return _mm512_set1_epi8(x); }
template <unsigned Width>
LLAVA_ALWAYS_INLINE bytes dot(bytes total, bytes u, bytes s) {
  if constexpr (Width == 2)
    __asm__ volatile("vpdpwssd %2, %1, %0" : "+v"(total) : "v"(u), "v"(s));
  else
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(u), "v"(s));
  return total;
}
LLAVA_ALWAYS_INLINE bytes read(const char* p) { return _mm512_load_si512(p); }
LLAVA_ALWAYS_INLINE bytes mix(bytes a, bytes b) { return _mm512_xor_si512(a, b); }
LLAVA_ALWAYS_INLINE int first_int(bytes x) { return _mm_cvtsi128_si32(_mm512_castsi512_si128(x)); }

#include "probe.inc"

}  // namespace bench::roof_avx512vnni
LLAVA_TARGET_END
#endif
