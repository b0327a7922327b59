// SPDX-License-Identifier: Apache-2.0
/// The frequencies of the rotary embedding (Su et al. 2021), as transformers computes them: f_i = θ^(−2i/d). Linear
/// scaling divides them by `factor`. llama3 scaling divides those of long wavelengths (above original context /
/// low_freq_factor), keeps those of short ones (below original context / high_freq_factor), and blends those in
/// between.
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

#include <llava/config.hpp>

LLAVA_BEGIN

/// Returns the frequencies (d / 2).
inline std::vector<float> rope_frequencies(const text_config& c) {
  std::vector<float> f(static_cast<std::size_t>(c.head_dim / 2));
  for (std::size_t i = 0; i < f.size(); ++i) {
    f[i] = 1.f / std::pow(c.rope_theta, static_cast<float>(2 * i) / static_cast<float>(c.head_dim));
    if (c.scaling == rope_scaling::linear) f[i] /= c.rope_factor;
    if (c.scaling != rope_scaling::llama3) continue;

    const float wavelength = 6.283185307179586f / f[i];
    const auto original = static_cast<float>(c.rope_original_context);
    if (wavelength > original / c.rope_low_frequency) {
      f[i] /= c.rope_factor;
    } else if (wavelength >= original / c.rope_high_frequency) {
      const float share =
          (original / wavelength - c.rope_low_frequency) / (c.rope_high_frequency - c.rope_low_frequency);
      f[i] = (1.f - share) * f[i] / c.rope_factor + share * f[i];
    }
  }
  return f;
}

LLAVA_END
