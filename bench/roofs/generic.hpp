// SPDX-License-Identifier: Apache-2.0
/// The roofs of plain C++, as the compiler translates it for the architecture's baseline.
#pragma once
#include <cstring>
#include <type_traits>

#include <llava/base/macros.hpp>

#include "probe.hpp"

namespace bench::roof_generic {

struct floats {
  float v[4];
};
struct bytes {
  int v[4];  // as an operand: four bytes each
};
inline constexpr int accumulators = 8, dot_accumulators = 4;

LLAVA_ALWAYS_INLINE floats spread(float x) { return {{x, x, x, x}}; }
LLAVA_ALWAYS_INLINE floats fma(floats a, floats b, floats c) {
  for (int i = 0; i < 4; ++i) a.v[i] = a.v[i] * b.v[i] + c.v[i];
  return a;
}
LLAVA_ALWAYS_INLINE float sum(floats x) { return x.v[0] + x.v[1] + x.v[2] + x.v[3]; }
LLAVA_ALWAYS_INLINE bytes all_bytes(char x) {
  bytes b;
  std::memset(&b, x, sizeof b);
  return b;
}
template <unsigned Width>
LLAVA_ALWAYS_INLINE bytes dot(bytes total, bytes u, bytes s) {
  __asm__ volatile("" : "+m"(u));
  constexpr unsigned in_lane = 4 / Width;
  std::conditional_t<Width == 2, short, signed char> a[4 * in_lane], b[4 * in_lane];
  std::memcpy(a, &u, 16);
  std::memcpy(b, &s, 16);
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned k = 0; k < in_lane; ++k) total.v[i] += a[in_lane * i + k] * b[in_lane * i + k];
  return total;
}
LLAVA_ALWAYS_INLINE bytes read(const char* p) {
  bytes b;
  std::memcpy(&b, p, sizeof b);
  return b;
}
LLAVA_ALWAYS_INLINE bytes mix(bytes a, bytes b) {
  for (int i = 0; i < 4; ++i) a.v[i] ^= b.v[i];
  return a;
}
LLAVA_ALWAYS_INLINE int first_int(bytes x) { return x.v[0]; }

#include "probe.inc"

}  // namespace bench::roof_generic
