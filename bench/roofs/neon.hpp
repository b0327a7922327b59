// SPDX-License-Identifier: Apache-2.0
/// The roofs of NEON as every 64-bit ARM has it. The 8-bit dot product is smull and sadalp (a pairwise sum), the 16-bit
/// one is smlal.
#pragma once
#if defined(__aarch64__)
#include <arm_neon.h>

#include <llava/base/macros.hpp>

#include "probe.hpp"

namespace bench::roof_neon {

using floats = float32x4_t;
using bytes = int8x16_t;
inline constexpr int accumulators = 12, dot_accumulators = 8;

LLAVA_ALWAYS_INLINE floats spread(float x) { return vdupq_n_f32(x); }
LLAVA_ALWAYS_INLINE floats fma(floats a, floats b, floats c) { return vfmaq_f32(c, a, b); }
LLAVA_ALWAYS_INLINE float sum(floats x) { return vaddvq_f32(x); }
LLAVA_ALWAYS_INLINE bytes all_bytes(char x) { return vdupq_n_s8(static_cast<signed char>(x)); }
template <unsigned Width>
LLAVA_ALWAYS_INLINE bytes dot(bytes total, bytes u, bytes s) {
  __asm__ volatile("" : "+w"(u));
  if constexpr (Width == 2) {
    const int16x8_t a = vreinterpretq_s16_s8(u), b = vreinterpretq_s16_s8(s);
    const int32x4_t low = vmlal_s16(vreinterpretq_s32_s8(total), vget_low_s16(a), vget_low_s16(b));
    return vreinterpretq_s8_s32(vmlal_high_s16(low, a, b));
  }
  const int32x4_t low = vpadalq_s16(vreinterpretq_s32_s8(total), vmull_s8(vget_low_s8(u), vget_low_s8(s)));
  return vreinterpretq_s8_s32(vpadalq_s16(low, vmull_high_s8(u, s)));
}
LLAVA_ALWAYS_INLINE bytes read(const char* p) { return vld1q_s8(reinterpret_cast<const signed char*>(p)); }
LLAVA_ALWAYS_INLINE bytes mix(bytes a, bytes b) { return veorq_s8(a, b); }
LLAVA_ALWAYS_INLINE int first_int(bytes x) { return vgetq_lane_s32(vreinterpretq_s32_s8(x), 0); }

#include "probe.inc"

}  // namespace bench::roof_neon
#endif
