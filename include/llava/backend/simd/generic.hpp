// SPDX-License-Identifier: Apache-2.0
/// The kernels in plain C++, for machines without the other instruction sets; the compiler optimises them as far as it
/// can. Without a fused multiply-add in hardware, products are rounded before they are added: results have the same
/// bytes within one build (R14), but not those of the other instruction sets.
#pragma once
#include <bit>
#include <cstdint>

#include <llava/backend/simd/affine_panels.hpp>
#include <llava/backend/simd/arguments.hpp>
#include <llava/backend/simd/nf4_panels.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/base/dtype.hpp>

LLAVA_BEGIN
namespace simd_backend::generic {

/// Four floats: GCC and Clang compile arithmetic on this type for every machine.
using floats = float __attribute__((vector_size(16)));
/// The bits of four floats.
using words = std::int32_t __attribute__((vector_size(16)));
using unsigned_words = std::uint32_t __attribute__((vector_size(16)));

/// Functions that activations call (kernels/activation_math.inc) are plain inline, as on every instruction set
/// (avx2.hpp).
struct vec {
  floats q[4];
  LLAVA_ALWAYS_INLINE vec() : vec(0.f) {}
  LLAVA_ALWAYS_INLINE vec(floats a, floats b, floats c, floats d) : q{a, b, c, d} {}
  explicit vec(float x) : q{floats{x, x, x, x}, floats{x, x, x, x}, floats{x, x, x, x}, floats{x, x, x, x}} {}
};
/// f(i) for each register i.
template <class F>
LLAVA_ALWAYS_INLINE vec each(F f) {
  return {f(0), f(1), f(2), f(3)};
}
inline vec operator+(const vec& a, const vec& b) {
  return each([&](int i) { return a.q[i] + b.q[i]; });
}
inline vec operator-(const vec& a, const vec& b) {
  return each([&](int i) { return a.q[i] - b.q[i]; });
}
inline vec operator*(const vec& a, const vec& b) {
  return each([&](int i) { return a.q[i] * b.q[i]; });
}
inline vec operator/(const vec& a, const vec& b) {
  return each([&](int i) { return a.q[i] / b.q[i]; });
}
/// Sixteen truth values.
struct mask {
  words q[4];
};
/// f(i) for each register i.
template <class F>
LLAVA_ALWAYS_INLINE mask each_mask(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
inline mask operator<(const vec& a, const vec& b) {
  return each_mask([&](int i) { return a.q[i] < b.q[i]; });
}
inline mask operator<=(const vec& a, const vec& b) {
  return each_mask([&](int i) { return a.q[i] <= b.q[i]; });
}
inline mask operator==(const vec& a, const vec& b) {
  return each_mask([&](int i) { return a.q[i] == b.q[i]; });
}
inline mask operator&&(const mask& a, const mask& b) {
  return each_mask([&](int i) { return a.q[i] & b.q[i]; });
}
inline mask operator||(const mask& a, const mask& b) {
  return each_mask([&](int i) { return a.q[i] | b.q[i]; });
}
inline mask operator!(const mask& a) {
  return each_mask([&](int i) { return ~a.q[i]; });
}
inline vec select(const mask& condition, const vec& a, const vec& b) {
  return each([&](int i) { return condition.q[i] ? a.q[i] : b.q[i]; });
}
LLAVA_ALWAYS_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
  return each([&](int i) { return a.q[i] * b.q[i] + c.q[i]; });
}
/// a < b ? x : y, lane by lane.
LLAVA_ALWAYS_INLINE vec select_less(const vec& a, const vec& b, const vec& x, const vec& y) {
  return each([&](int i) { return a.q[i] < b.q[i] ? x.q[i] : y.q[i]; });
}
LLAVA_ALWAYS_INLINE vec maximum(const vec& a, const vec& b) { return select_less(b, a, a, b); }
LLAVA_ALWAYS_INLINE vec minimum(const vec& a, const vec& b) { return select_less(a, b, a, b); }
/// NaN stays NaN.
LLAVA_ALWAYS_INLINE vec clamp(const vec& x, const vec& low, const vec& high) { return minimum(high, maximum(low, x)); }
inline vec abs(const vec& a) {
  return each([&](int i) { return std::bit_cast<floats>(std::bit_cast<words>(a.q[i]) & 0x7fffffff); });
}
LLAVA_ALWAYS_INLINE vec scale(const vec& x, const vec& n) {
  return x * each([&](int i) { return std::bit_cast<floats>((__builtin_convertvector(n.q[i], words) + 127) << 23); });
}
/// x = m · 2ⁿ with m in [√½, √2), for positive normal numbers: returns m.
LLAVA_ALWAYS_INLINE vec split(const vec& x, vec& n) {
  return each([&](int i) {
    const auto bits = std::bit_cast<unsigned_words>(x.q[i]);
    const words exponent = std::bit_cast<words>(bits - std::uint32_t{bits_of_root_half}) >> 23;
    n.q[i] = __builtin_convertvector(exponent, floats);
    return std::bit_cast<floats>(bits - (std::bit_cast<unsigned_words>(exponent) << 23));
  });
}

LLAVA_ALWAYS_INLINE vec load(const float* p) {
  vec v;
  __builtin_memcpy(v.q, p, sizeof(v.q));
  return v;
}
/// Not inlined: inlined into every unrolled tile, the conversions took a tenth of a pipeline's compile time.
template <class Half>
[[gnu::noinline]] vec load(const Half* p) {
  float f[16];
  for (int i = 0; i < 16; ++i) f[i] = to_float(p[i]);
  return load(static_cast<const float*>(f));
}
[[gnu::noinline]] inline vec load(const std::int8_t* p) {
  float f[16];
  for (int i = 0; i < 16; ++i) f[i] = static_cast<float>(p[i]);
  return load(static_cast<const float*>(f));
}
LLAVA_ALWAYS_INLINE void store(float* p, const vec& a) { __builtin_memcpy(p, a.q, sizeof(a.q)); }
LLAVA_ALWAYS_INLINE void store(f16* p, const vec& a) {
  float f[16];
  store(f, a);
  for (int i = 0; i < 16; ++i) p[i] = from_float<f16>(f[i]);
}

/// A sum of a product: four partial sums along K.
using lanes = floats;
inline constexpr int lane_count = 4;
LLAVA_ALWAYS_INLINE lanes load_lanes(const float* p) { return lanes{p[0], p[1], p[2], p[3]}; }
template <class Half>
[[gnu::noinline]] lanes load_lanes(const Half* p) {
  return lanes{to_float(p[0]), to_float(p[1]), to_float(p[2]), to_float(p[3])};
}
LLAVA_ALWAYS_INLINE lanes multiply_add(lanes a, lanes b, lanes c) { return a * b + c; }
/// to[i] += the sum of the lanes of s[i], i < 4.
LLAVA_ALWAYS_INLINE void add_lanes(float* to, const lanes* s) {
  for (int i = 0; i < 4; ++i) to[i] += (s[i][0] + s[i][1]) + (s[i][2] + s[i][3]);
}

/// Adds lanes i and i + 8, then i + 4, i + 2, i + 1: the same tree on every instruction set.
LLAVA_ALWAYS_INLINE float sum(const vec& a) {
  const floats s = (a.q[0] + a.q[2]) + (a.q[1] + a.q[3]);
  return (s[0] + s[2]) + (s[1] + s[3]);
}
LLAVA_ALWAYS_INLINE float largest(const vec& a) {
  float t[16];
  store(t, a);
  float m = t[0];
  for (int i = 1; i < 16; ++i) m = t[i] > m ? t[i] : m;
  return m;
}

/// The book of nf4, in memory.
struct code_book {
  LLAVA_ALWAYS_INLINE explicit code_book(const nf4_bytes&) {}
};
struct code_words {
  const std::byte* at;
};
LLAVA_ALWAYS_INLINE void load_words(const code_book&, const std::byte* p, code_words& to) { to.at = p; }
/// The values of step i.
inline vec look_up(const code_book&, const code_words& codes, int i) {
  float f[16];
  for (int n = 0; n < 16; ++n) {
    const unsigned two = static_cast<unsigned>(codes.at[n / 4 * 16 + i / 2 * 4 + n % 4]);
    f[n] = nf4::book[i % 2 ? two >> 4 : two & 15u];
  }
  return load(static_cast<const float*>(f));
}

inline constexpr int product_rows = 2, attention_rows = 1, block_rows = 2, panels_at_once = 1;
inline constexpr int book_rows = 2, book_panels = 1, book_row_panels = 2;
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
#include <llava/backend/simd/kernels/block_dot_plain.inc>
#include <llava/backend/simd/kernels/affine_dot_plain.inc>
#include <llava/backend/simd/kernels/affine_matmul.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::generic
LLAVA_END
