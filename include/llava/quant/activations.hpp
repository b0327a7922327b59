// SPDX-License-Identifier: Apache-2.0
/// Activations as integers, for products with block formats. A row of x is cut into groups of `group` elements along K,
/// each with a scale. Every backend matches this definition bit for bit:
///   m = max|x| in the group;  scale = m / L;  code = x · (L / m), rounded to the nearest integer, ties to even
/// L is 127 for 8-bit codes. It is 8191 for 16-bit codes: 32 products of two such codes just fit into an i32. A group
/// with m ≤ 1e-30 or m ≥ 3e38 has scale and codes 0. If K ends inside a group, the remaining codes are 0. NaN does not
/// count in the maximum, and becomes −L.
///
/// Formats with outliers (F::outlier) have one group for the whole row. Elements of at least that size, and NaN, do not
/// count in its maximum and have code 0. A product adds them as floats.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

/// Writes codes (n rounded up to whole groups; i8 or i16) and scales (one per group) of a row x of n elements.
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
      codes[i] = round_to_code<Code>(usable && i < count ? x[first + i] * inverse : 0.f);
  }
}

/// Whether x is an outlier for format F.
template <class F>
LLAVA_HOST_DEVICE bool is_outlier(float x) {
  return !(std::fabs(x) < F::outlier);
}

/// quantise_activations for a format with outliers. Every group gets the scale of the row.
template <class F, class Code>
void quantise_without_outliers(const float* x, std::ptrdiff_t n, Code* codes, float* scales) {
  constexpr auto largest = static_cast<float>(largest_code<Code>);
  float most = 0.f;
  for (std::ptrdiff_t i = 0; i < n; ++i)
    if (!is_outlier<F>(x[i])) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
  const float inverse = most > 1e-30f ? largest / most : 0.f;
  for (std::ptrdiff_t first = 0; first < n; first += F::activation_group) {
    *scales++ = most > 1e-30f ? most / largest : 0.f;
    for (std::ptrdiff_t i = first; i < first + F::activation_group; ++i)
      *codes++ = round_to_code<Code>(i < n && !is_outlier<F>(x[i]) ? x[i] * inverse : 0.f);
  }
}

LLAVA_END
