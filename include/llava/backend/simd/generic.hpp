// SPDX-License-Identifier: Apache-2.0
/// The kernels in plain C++, for a machine with none of the instruction sets above; the compiler makes of them what it can.
/// Without a fused multiply-add in hardware products are rounded before they are added: same bytes on one build (R14), not
/// those of the others.
#pragma once
#include <bit>
#include <cstdint>

#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
namespace simd_backend::generic {

/// What activations use (arithmetic, exp, erf) is plain inline: their templates are of no instruction set, and an
/// always-inline callee of another one is an error in them, even though they are themselves inlined into a kernel.
struct vec {
  float v[16];
  LLAVA_ALWAYS_INLINE vec() : vec(0.f) {}
  explicit vec(float x) {
    for (int i = 0; i < 16; ++i) v[i] = x;
  }
};
/// f on each lane.
template <class F>
LLAVA_ALWAYS_INLINE vec each(F f) {
  vec r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
inline vec operator+(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
inline vec operator-(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
inline vec operator*(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
inline vec operator/(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
LLAVA_ALWAYS_INLINE vec max(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
LLAVA_ALWAYS_INLINE vec min(const vec& a, const vec& b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
LLAVA_ALWAYS_INLINE vec abs(const vec& a) {
  return each([&](int i) { return a.v[i] < 0.f ? -a.v[i] : a.v[i]; });
}
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return each([&](int i) { return a.v[i] < b.v[i] ? x.v[i] : y.v[i]; });
}
LLAVA_ALWAYS_INLINE vec power_of_two(const vec& n) {
  return each([&](int i) { return std::bit_cast<float>((static_cast<std::int32_t>(n.v[i]) + 127) << 23); });
}
template <class T>
LLAVA_ALWAYS_INLINE vec load(const T* p) {
  return each([&](int i) { return to_float(p[i]); });
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
/// A cache line from each of sixteen rows of a matrix, transposed in a small buffer: [k] is column k, in float. A line is
/// read whole.
template <class F>
class columns {
 public:
  static constexpr int depth = 64 / sizeof(F);

  LLAVA_ALWAYS_INLINE void take(const F* w, std::ptrdiff_t pitch) {
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < depth; ++k) at_[k][i] = w[i * pitch + k];
  }
  LLAVA_ALWAYS_INLINE vec operator[](int k) const { return load(at_[k]); }

 private:
  alignas(64) F at_[depth][16];
};

LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  float t[16];
  for (int i = 0; i < 16; ++i) t[i] = a.v[i];
  for (int n = 8; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) t[i] += t[i + n];
  return t[0];
}

LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  float m = a.v[0];
  for (int i = 1; i < 16; ++i) m = a.v[i] > m ? a.v[i] : m;
  return m;
}

inline constexpr int tile_rows = 4, tile_vectors = 1, attention_rows = 4, block_rows = 4;
// clang-format off
#include <llava/backend/simd/kernels/common.inc>
#include <llava/backend/simd/kernels/tile.inc>
#include <llava/backend/simd/kernels/matmul.inc>
#include <llava/backend/simd/kernels/attention.inc>
#include <llava/backend/simd/kernels/rows.inc>
#include <llava/backend/simd/kernels/table.inc>
#include <llava/backend/simd/kernels/block_dot_plain.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::generic
LLAVA_END
