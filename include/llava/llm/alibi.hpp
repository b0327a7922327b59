// SPDX-License-Identifier: Apache-2.0
/// The slopes of ALiBi (Press et al. 2022), as MPT computes them: with n the smallest power of two ≥ H, slope i is
/// 2^(−i · alibi / n), i = 1 … n. If H < n, the heads take slopes 2, 4, 6, …, and then 1, 3, 5, ….
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

#include <llava/config.hpp>

LLAVA_BEGIN

/// Returns the slope of each head (H).
inline std::vector<float> alibi_slopes(const text_config& c) {
  int n = 1;
  while (n < c.heads) n *= 2;
  const float step = c.alibi / static_cast<float>(n);
  std::vector<float> slopes(static_cast<std::size_t>(c.heads));
  for (int h = 0; h < c.heads; ++h) {
    const int i = n == c.heads ? h + 1 : h < n / 2 ? 2 * h + 2 : 2 * (h - n / 2) + 1;
    slopes[static_cast<std::size_t>(h)] = std::exp2(-static_cast<float>(i) * step);
  }
  return slopes;
}

LLAVA_END
