// SPDX-License-Identifier: Apache-2.0
/// The frequencies of the rotary embedding (Su et al. 2021), as transformers computes them: f_i = θ^(−2i/d). Scaling
/// stretches them for contexts beyond that of the training, the original context:
///   linear     divides all by `factor`
///   llama3     divides those of long wavelengths (above original context / low_freq_factor), keeps those of short ones
///              (below original context / high_freq_factor), and blends those in between
///   yarn       (Peng et al. 2023) keeps those that turn more than beta_fast times in the original context, divides
///              those that turn fewer than beta_slow times, and blends those in between by their index
///   longrope   (Ding et al. 2024) divides each by a number of its own, short_factor
///   dynamic    changes nothing up to max_position_embeddings, where a conversation ends here
/// transformers' longrope has a second list for sequences beyond the original context. A conversation ends there too,
/// so that frequencies never change under keys that the cache holds (docs/fidelity.md).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {
/// Scales the frequency f.
inline float scaled_by_llama3(float f, const text_config& c) {
  const float wavelength = 6.283185307179586f / f;
  const auto original = static_cast<float>(c.rope_original_context);
  if (wavelength > original / c.rope_low_frequency) return f / c.rope_factor;
  if (wavelength < original / c.rope_high_frequency) return f;
  const float share = (original / wavelength - c.rope_low_frequency) / (c.rope_high_frequency - c.rope_low_frequency);
  return (1.f - share) * f / c.rope_factor + share * f;
}

/// The index, not rounded, of the frequency that turns `turns` times in the original context.
inline double yarn_index(double turns, const text_config& c) {
  return c.head_dim * std::log(c.rope_original_context / (turns * 6.283185307179586)) /
         (2 * std::log(static_cast<double>(c.rope_theta)));
}

inline void scale_by_yarn(std::vector<float>& f, const text_config& c) {
  double low = yarn_index(static_cast<double>(c.rope_beta_fast), c),
         high = yarn_index(static_cast<double>(c.rope_beta_slow), c);
  if (c.rope_truncate) low = std::floor(low), high = std::ceil(high);
  low = (std::max)(low, 0.0), high = (std::min)(high, c.head_dim - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double divided = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] *= static_cast<float>(divided / static_cast<double>(c.rope_factor) + (1.0 - divided));
  }
}
}  // namespace detail

/// Returns the frequencies (d / 2).
inline std::vector<float> rope_frequencies(const text_config& c) {
  std::vector<float> f(static_cast<std::size_t>(c.head_dim / 2));
  for (std::size_t i = 0; i < f.size(); ++i) {
    f[i] = 1.f / std::pow(c.rope_theta, static_cast<float>(2 * i) / static_cast<float>(c.head_dim));
    if (c.scaling == rope_scaling::linear) f[i] /= c.rope_factor;
    if (c.scaling == rope_scaling::longrope) f[i] /= c.rope_short.of[i];
    if (c.scaling == rope_scaling::llama3) f[i] = detail::scaled_by_llama3(f[i], c);
  }
  if (c.scaling == rope_scaling::yarn) detail::scale_by_yarn(f, c);
  return f;
}

LLAVA_END
