// SPDX-License-Identifier: Apache-2.0
/// The kernels for 64-bit ARM: sixteen floats are four registers.
#pragma once
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstdint>

#include <llava/backend/simd/affine_panels.hpp>
#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/nf4_panels.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
namespace simd_backend::neon {

/// Functions that activations call (kernels/activation_math.inc) are plain inline, as on every instruction set
/// (avx2.hpp).
struct vec {
  float32x4_t q[4];
  LLAVA_ALWAYS_INLINE vec() : vec(0.f) {}
  LLAVA_ALWAYS_INLINE vec(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) : q{a, b, c, d} {}
  explicit vec(float x) : q{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)} {}
};
/// f(i) for each register i.
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
/// Sixteen truth values.
struct mask {
  uint32x4_t q[4];
};
/// f(i) for each register i.
template <class F>
LLAVA_ALWAYS_INLINE mask each_mask(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline mask operator<(const vec& a, const vec& b) {
  return each_mask([&](int i) { return vcltq_f32(a.q[i], b.q[i]); });
}
inline mask operator<=(const vec& a, const vec& b) {
  return each_mask([&](int i) { return vcleq_f32(a.q[i], b.q[i]); });
}
inline mask operator==(const vec& a, const vec& b) {
  return each_mask([&](int i) { return vceqq_f32(a.q[i], b.q[i]); });
}
inline mask operator&&(const mask& a, const mask& b) {
  return each_mask([&](int i) { return vandq_u32(a.q[i], b.q[i]); });
}
inline mask operator||(const mask& a, const mask& b) {
  return each_mask([&](int i) { return vorrq_u32(a.q[i], b.q[i]); });
}
inline mask operator!(const mask& a) {
  return each_mask([&](int i) { return vmvnq_u32(a.q[i]); });
}
inline vec select(const mask& condition, const vec& a, const vec& b) {
  return each([&](int i) { return vbslq_f32(condition.q[i], a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return each([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec maximum(const vec& a, const vec& b) {
  return each([&](int i) { return vmaxnmq_f32(a.q[i], b.q[i]); });
}
LLAVA_ALWAYS_INLINE vec minimum(const vec& a, const vec& b) {
  return each([&](int i) { return vminnmq_f32(a.q[i], b.q[i]); });
}
/// NaN stays NaN.
LLAVA_ALWAYS_INLINE vec clamp(const vec& x, const vec& low, const vec& high) {
  return each([&](int i) { return vminq_f32(vmaxq_f32(x.q[i], low.q[i]), high.q[i]); });
}
inline vec abs(const vec& a) {
  return each([&](int i) { return vabsq_f32(a.q[i]); });
}
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return each([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), x.q[i], y.q[i]); });
}
LLAVA_ALWAYS_INLINE vec scale(const vec& x, const vec& n) {
  return x * each([&](int i) {
           return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.q[i]), vdupq_n_s32(127)), 23));
         });
}
/// x = m · 2ⁿ with m in [√½, √2), for positive normal numbers: returns m.
LLAVA_ALWAYS_INLINE vec split(const vec& x, vec& n) {
  return each([&](int i) {
    const int32x4_t bits = vreinterpretq_s32_f32(x.q[i]),
                    exponent = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(bits_of_root_half)), 23);
    n.q[i] = vcvtq_f32_s32(exponent);
    return vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(exponent, 23)));
  });
}

LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.q[i]);
}
LLAVA_ALWAYS_INLINE void store(f16* p, const vec& a) {
  for (int i = 0; i < 4; ++i)
    vst1_u16(reinterpret_cast<std::uint16_t*>(p) + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
/// A sum of a product: four partial sums along K.
using lanes = float32x4_t;
inline constexpr int lane_count = 4;
LLAVA_ALWAYS_INLINE lanes load_lanes(const float* p) { return vld1q_f32(p); }
LLAVA_ALWAYS_INLINE lanes load_lanes(const f16* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p))));
}
LLAVA_ALWAYS_INLINE lanes load_lanes(const bf16* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p)), 16));
}
LLAVA_ALWAYS_INLINE lanes load_lanes(const std::int8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))))));
}
LLAVA_ALWAYS_INLINE lanes multiply_add(lanes a, lanes b, lanes c) { return vfmaq_f32(c, a, b); }
template <class T>
LLAVA_ALWAYS_INLINE vec load(const T* p) {
  return each([&](int i) { return load_lanes(p + 4 * i); });
}
/// to[i] += the sum of the lanes of s[i], i < 4.
LLAVA_ALWAYS_INLINE void add_lanes(float* to, const lanes* s) {
  vst1q_f32(to, vaddq_f32(vld1q_f32(to), vpaddq_f32(vpaddq_f32(s[0], s[1]), vpaddq_f32(s[2], s[3]))));
}

LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const float32x4_t low = vaddq_f32(a.q[0], a.q[2]), high = vaddq_f32(a.q[1], a.q[3]), y = vaddq_f32(low, high);
  const float32x2_t z = vadd_f32(vget_low_f32(y), vget_high_f32(y));
  return vget_lane_f32(z, 0) + vget_lane_f32(z, 1);
}

LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.q[0], a.q[2]), vmaxq_f32(a.q[1], a.q[3])));
}

/// The book of nf4 as a table of 64 bytes. A look-up takes the four bytes of each value.
struct code_book {
  uint8x16x4_t v;
  LLAVA_ALWAYS_INLINE explicit code_book(const nf4_bytes&)
      : v(vld1q_u8_x4(reinterpret_cast<const std::uint8_t*>(nf4::book))) {}
};
struct code_words {
  uint32x4_t q[4];
};
/// Each lane gets the codes of one column, the first in the lowest bits.
LLAVA_ALWAYS_INLINE void load_words(const code_book&, const std::byte* p, code_words& to) {
  alignas(16) static constexpr std::uint8_t columns[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  for (int i = 0; i < 4; ++i)
    to.q[i] = vreinterpretq_u32_u8(
        vqtbl1q_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(p) + 16 * i), vld1q_u8(columns)));
}
/// The values of step i.
LLAVA_ALWAYS_INLINE vec look_up(const code_book& book, const code_words& codes, int i) {
  return each([&](int r) {
    const uint32x4_t code = vandq_u32(vshlq_u32(codes.q[r], vdupq_n_s32(-4 * i)), vdupq_n_u32(15));
    const uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100), code, vdupq_n_u32(0x04040404));
    return vreinterpretq_f32_u8(vqtbl4q_u8(book.v, vreinterpretq_u8_u32(bytes)));
  });
}

inline constexpr int product_rows = 6, attention_rows = 6, block_rows = 4, panels_at_once = 1;
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
#include <llava/backend/simd/kernels/block_dot_neon.inc>
#include <llava/backend/simd/kernels/affine_dot_neon.inc>
#include <llava/backend/simd/kernels/affine_matmul.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::neon
LLAVA_END
#endif
