// SPDX-License-Identifier: Apache-2.0
/// Activations as integers, for products with block formats: a row of x is cut into groups of `group` elements along K,
/// each with a scale, and this is the definition that every backend keeps to the bit:
///   m = max|x| in the group;  scale = m / L;  code = x · (L / m), to the nearest whole number, ties to even
/// L is 127 for codes of 8 bits, and 8191 for those of 16: 32 products of two such codes are the most that an i32 can
/// hold. A group whose m is under 1e-30 or over 3e38 has scale and codes 0; where K ends inside a group, the rest is
/// zeros. What is not a number counts in no maximum and becomes −L.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// codes (n, rounded up to whole groups; i8 or i16), scales (one each group) of a row of n elements.
template <class Code>
void quantise_activations(const float* x, std::ptrdiff_t n, int group, Code* codes, float* scales) {
  constexpr auto largest = static_cast<float>(largest_code<Code>);
  for (std::ptrdiff_t first = 0; first < n; first += group, codes += group, ++scales) {
    const std::ptrdiff_t count = n - first < group ? n - first : group;
    float most = 0.f;
    for (std::ptrdiff_t i = first; i < first + count; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
    const bool usable = most > 1e-30f && most < 3e38f;
    const float inverse = usable ? largest / most : 0.f;
    *scales = usable ? most / largest : 0.f;
    for (std::ptrdiff_t i = 0; i < group; ++i)
      codes[i] = whole_code<Code>(usable && i < count ? x[first + i] * inverse : 0.f);
  }
}

LLAVA_END
