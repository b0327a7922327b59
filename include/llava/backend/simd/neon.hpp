// SPDX-License-Identifier: Apache-2.0
/// The kernels for 64-bit ARM: sixteen floats are four registers.
#pragma once
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstdint>

#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
namespace simd_backend::neon {

/// What activations use (arithmetic, exp, erf) is plain inline: their templates are of no instruction set, and an
/// always-inline callee of another one is an error in them, even though they are themselves inlined into a kernel.
struct vec {
  float32x4_t q[4];
  LLAVA_ALWAYS_INLINE vec() : vec(0.f) {}
  LLAVA_ALWAYS_INLINE vec(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) : q{a, b, c, d} {}
  explicit vec(float x) : q{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)} {}
};
/// f on each register.
template <class F>
LLAVA_ALWAYS_INLINE vec each(F f) {
  return {f(0), f(1), f(2), f(3)};
}
inline vec operator+(const vec& a, const vec& b) {
  return each([&](int i) { return vaddq_f32(a.q[i], b.q[i]); });
}
inline vec operator-(const vec& a, const vec& b) {
  return each([&](int i) { return vsubq_f32(a.q[i], b.q[i]); });
}
inline vec operator*(const vec& a, const vec& b) {
  return each([&](int i) { return vmulq_f32(a.q[i], b.q[i]); });
}
inline vec operator/(const vec& a, const vec& b) {
  return each([&](int i) { return vdivq_f32(a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return each([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec max(const vec& a, const vec& b) {
  return each([&](int i) { return vmaxnmq_f32(a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec min(const vec& a, const vec& b) {
  return each([&](int i) { return vminnmq_f32(a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec abs(const vec& a) {
  return each([&](int i) { return vabsq_f32(a.q[i]); });
}
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return each([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), x.q[i], y.q[i]); });
}
LLAVA_ALWAYS_INLINE vec power_of_two(const vec& n) {
  return each([&](int i) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.q[i]), vdupq_n_s32(127)), 23));
  });
}

LLAVA_ALWAYS_INLINE vec load(const float* p) {
  return each([&](int i) { return vld1q_f32(p + 4 * i); });
}
LLAVA_ALWAYS_INLINE vec load(const f16* p) {
  return each([&](int i) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p) + 4 * i)));
  });
}
LLAVA_ALWAYS_INLINE vec load(const bf16* p) {
  return each([&](int i) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p) + 4 * i), 16));
  });
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.q[i]);
}
LLAVA_ALWAYS_INLINE void transpose(vec (&r)[16]) {
  vec t[16];
  for (int i = 0; i < 16; i += 4)  // rows
    for (int j = 0; j < 4; ++j) {  // columns, four by four
      const float32x4x2_t ab = vtrnq_f32(r[i].q[j], r[i + 1].q[j]), cd = vtrnq_f32(r[i + 2].q[j], r[i + 3].q[j]);
      t[4 * j].q[i / 4] = vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0]));
      t[4 * j + 1].q[i / 4] = vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1]));
      t[4 * j + 2].q[i / 4] = vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0]));
      t[4 * j + 3].q[i / 4] = vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1]));
    }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}
LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const float32x4_t low = vaddq_f32(a.q[0], a.q[2]), high = vaddq_f32(a.q[1], a.q[3]), y = vaddq_f32(low, high);
  const float32x2_t z = vadd_f32(vget_low_f32(y), vget_high_f32(y));
  return vget_lane_f32(z, 0) + vget_lane_f32(z, 1);
}

inline constexpr int tile_rows = 6, tile_vectors = 1, block_rows = 4;
// clang-format off
#include <llava/backend/simd/kernels/common.inc>
#include <llava/backend/simd/kernels/matmul.inc>
#include <llava/backend/simd/kernels/attention.inc>
#include <llava/backend/simd/kernels/rows.inc>
#include <llava/backend/simd/kernels/table.inc>
#include <llava/backend/simd/kernels/block_dot_neon.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::neon
LLAVA_END
#endif
