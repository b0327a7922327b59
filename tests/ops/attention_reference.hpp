// SPDX-License-Identifier: Apache-2.0
/// Attention in double, to which tests compare that of backends.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

/// Softmax attention: row t of q attends to keys first(t) … last(t). slopes: (H), or empty.
template <class First, class Last>
std::vector<double> attention_reference(const std::vector<float>& q, const std::vector<float>& k,
                                        const std::vector<float>& v, int tokens, int heads, int kv_heads, int dim,
                                        First first, Last last, const std::vector<float>& slopes = {}) {
  std::vector<double> out(q.size());
  for (int t = 0; t < tokens; ++t)
    for (int h = 0; h < heads; ++h) {
      const auto at = [&](int j, int i) {
        return static_cast<std::size_t>((j * kv_heads + h / (heads / kv_heads)) * dim + i);
      };
      const auto row = static_cast<std::size_t>((t * heads + h) * dim);
      std::vector<double> p;
      double largest = -1e300, sum = 0;
      for (int j = first(t); j <= last(t); ++j) {
        double dot = 0;
        for (int i = 0; i < dim; ++i)
          dot += static_cast<double>(q[row + static_cast<std::size_t>(i)]) * static_cast<double>(k[at(j, i)]);
        const double slope = slopes.empty() ? 0 : static_cast<double>(slopes[static_cast<std::size_t>(h)]);
        p.push_back(dot / std::sqrt(static_cast<double>(dim)) + slope * (j - last(t)));
        largest = std::max(largest, p.back());
      }
      for (double& x : p) sum += x = std::exp(x - largest);
      for (int i = 0; i < dim; ++i)
        for (std::size_t j = 0; j < p.size(); ++j)
          out[row + static_cast<std::size_t>(i)] +=
              p[j] / sum * static_cast<double>(v[at(first(t) + static_cast<int>(j), i)]);
    }
  return out;
}
