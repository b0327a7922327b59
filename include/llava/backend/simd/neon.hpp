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
LLAVA_ALWAYS_INLINE void store(f16* p, const vec& a) {
  for (int i = 0; i < 4; ++i)
    vst1_u16(reinterpret_cast<std::uint16_t*>(p) + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
/// Eight elements of eight rows: c[i] becomes column i.
LLAVA_ALWAYS_INLINE void transpose_halves(uint16x8_t (&c)[8], const void* w, std::ptrdiff_t pitch) {
  const auto* p = static_cast<const std::uint16_t*>(w);
  uint16x8_t t[8];
  uint32x4_t r[8];
  for (int i = 0; i < 8; i += 2) {
    const uint16x8_t a = vld1q_u16(p + i * pitch), b = vld1q_u16(p + (i + 1) * pitch);
    t[i] = vzip1q_u16(a, b), t[i + 1] = vzip2q_u16(a, b);
  }
  for (int i = 0; i < 8; i += 4)  // two columns of four rows
    for (int j = 0; j < 2; ++j) {
      const uint32x4_t a = vreinterpretq_u32_u16(t[i + j]), b = vreinterpretq_u32_u16(t[i + j + 2]);
      r[i + 2 * j] = vzip1q_u32(a, b), r[i + 2 * j + 1] = vzip2q_u32(a, b);
    }
  for (int i = 0; i < 4; ++i) {
    const uint64x2_t a = vreinterpretq_u64_u32(r[i]), b = vreinterpretq_u64_u32(r[i + 4]);
    c[2 * i] = vreinterpretq_u16_u64(vzip1q_u64(a, b)), c[2 * i + 1] = vreinterpretq_u16_u64(vzip2q_u64(a, b));
  }
}

/// A cache line from each of sixteen rows of a matrix, transposed in a small buffer: [k] is column k, in float. It is taken in
/// quarters, and a line is read whole.
template <class F>
class columns {
 public:
  static constexpr int depth = 64 / sizeof(F);

  LLAVA_ALWAYS_INLINE void take_quarter(int quarter, const float* w, std::ptrdiff_t pitch) {
    const int row = 8 * (quarter / 2), column = 8 * (quarter % 2);
    for (int i = row; i < row + 8; i += 4)
      for (int k = column; k < column + 8; k += 4) {
        const float* p = w + i * pitch + k;
        const float32x4x2_t ab = vtrnq_f32(vld1q_f32(p), vld1q_f32(p + pitch)),
                            cd = vtrnq_f32(vld1q_f32(p + 2 * pitch), vld1q_f32(p + 3 * pitch));
        vst1q_f32(at_[k] + i, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
        vst1q_f32(at_[k + 1] + i, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
        vst1q_f32(at_[k + 2] + i, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
        vst1q_f32(at_[k + 3] + i, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
      }
  }
  template <class Half>
  LLAVA_ALWAYS_INLINE void take_quarter(int quarter, const Half* w, std::ptrdiff_t pitch) {
    const int row = 8 * (quarter / 2), column = 16 * (quarter % 2);
    for (int k = column; k < column + 16; k += 8) {
      uint16x8_t c[8];
      transpose_halves(c, w + row * pitch + k, pitch);
      for (int j = 0; j < 8; ++j) vst1q_u16(reinterpret_cast<std::uint16_t*>(at_[k + j]) + row, c[j]);
    }
  }
  LLAVA_ALWAYS_INLINE vec operator[](int k) const { return load(static_cast<const F*>(at_[k])); }

 private:
  alignas(64) F at_[depth][16];
};

LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const float32x4_t low = vaddq_f32(a.q[0], a.q[2]), high = vaddq_f32(a.q[1], a.q[3]), y = vaddq_f32(low, high);
  const float32x2_t z = vadd_f32(vget_low_f32(y), vget_high_f32(y));
  return vget_lane_f32(z, 0) + vget_lane_f32(z, 1);
}

LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.q[0], a.q[2]), vmaxq_f32(a.q[1], a.q[3])));
}

inline constexpr int tile_rows = 6, tile_vectors = 1, attention_rows = 6, block_rows = 4, unrolled_columns = 32;
// clang-format off
#include <llava/backend/simd/kernels/common.inc>
#include <llava/backend/simd/kernels/tile.inc>
#include <llava/backend/simd/kernels/matmul.inc>
#include <llava/backend/simd/kernels/attention.inc>
#include <llava/backend/simd/kernels/rope.inc>
#include <llava/backend/simd/kernels/rows.inc>
#include <llava/backend/simd/kernels/table.inc>
#include <llava/backend/simd/kernels/block_dot_neon.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::neon
LLAVA_END
#endif
