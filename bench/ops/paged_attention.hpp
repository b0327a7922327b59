// SPDX-License-Identifier: Apache-2.0
/// Attention over the KV cache as a case: the last `tokens` rows of a sequence of `depth` tokens (causal).
#pragma once
#include "../backends.hpp"
#include "paged.hpp"

namespace bench {

template <class T>
struct paged_attention_case {
  int tokens, depth, heads, kv_heads, dim;

  std::string name() const {
    return "paged_attention/" + std::string(llava::name_of(llava::dtype_of<T>)) + "/depth" + std::to_string(depth) +
           "/T" + std::to_string(tokens) + "/H" + std::to_string(heads) + "of" + std::to_string(kv_heads) + "xd" +
           std::to_string(dim);
  }
  /// Number of visible keys, summed over all rows.
  double seen() const { return tokens * (depth - (tokens - 1) / 2.); }
  double flops() const { return 4. * seen() * heads * dim; }
  double bytes() const { return 2. * sizeof(T) * depth * kv_heads * dim + 8. * tokens * heads * dim; }
  template <class B>
  bool affordable() const {
    return can_afford<B>(flops());
  }

  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const paged_sequence<T> sequence(tokens, depth, kv_heads, dim);
    const array<> q(tokens, heads * dim, 3.f), y(tokens, heads * dim);
    const float scale = 1.f / std::sqrt(static_cast<float>(dim));
    const auto op = [&](std::size_t i) {
      paged_attention(d.queue, y.matrix(), llava::matrix_view<const float>(q), sequence.layer(i), sequence.rows(),
                      llava::attention_parameters{heads, scale});
      d.finish();
    };
    op(0);
    if (!is_right(state, error(sequence, q, y, static_cast<double>(scale)), sizeof(T) == 4 ? 1e-7 : 5e-4)) return;
    time(state, {flops(), bytes()}, op);
  }

 private:
  double error(const paged_sequence<T>& sequence, const array<>& q, const array<>& y, double scale) const {
    nmse sum;
    const auto cache = sequence.layer(0);
    for (std::ptrdiff_t t : spread_indices(tokens, 3))
      for (std::ptrdiff_t h : spread_indices(heads, 3)) {
        const std::ptrdiff_t last = depth - tokens + t, kv = h / (heads / kv_heads);
        std::vector<double> p, out(static_cast<std::size_t>(dim));
        double largest = -1e300, total = 0;
        for (std::ptrdiff_t j = 0; j <= last; ++j) {
          double dot = 0;
          for (int i = 0; i < dim; ++i)
            dot += static_cast<double>(q.matrix()(t, h * dim + i)) * sequence.key(cache, j, kv, i);
          p.push_back(dot * scale);
          largest = std::max(largest, p.back());
        }
        for (double& x : p) total += x = std::exp(x - largest);
        for (std::ptrdiff_t j = 0; j <= last; ++j)
          for (int i = 0; i < dim; ++i)
            out[static_cast<std::size_t>(i)] +=
                p[static_cast<std::size_t>(j)] / total * sequence.value(cache, j, kv, i);
        for (int i = 0; i < dim; ++i)
          sum.add(static_cast<double>(y.matrix()(t, h * dim + i)), out[static_cast<std::size_t>(i)]);
      }
    return sum.value();
  }
};

}  // namespace bench
