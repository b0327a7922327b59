// SPDX-License-Identifier: Apache-2.0
/// The vision tower's attention as a case: every token attends to every token.
#pragma once
#include <llava/ops/attention.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace bench {

struct attention_case {
  std::ptrdiff_t tokens;
  int heads;
  std::ptrdiff_t dim;

  std::string name() const {
    return "attention/T" + std::to_string(tokens) + "/H" + std::to_string(heads) + "xd" + std::to_string(dim);
  }
  double flops() const { return 4. * static_cast<double>(tokens * tokens * heads * dim); }
  template <class B>
  bool affordable() const {
    return can_afford<B>(flops());
  }

  /// Row t of head h, computed in double.
  std::vector<double> reference(const array<>& q, const array<>& k, const array<>& v, std::ptrdiff_t t,
                                std::ptrdiff_t h, double scale) const {
    std::vector<double> p, out(static_cast<std::size_t>(dim));
    double largest = -1e300, sum = 0;
    for (std::ptrdiff_t j = 0; j < tokens; ++j) {
      double dot = 0;
      for (std::ptrdiff_t i = h * dim; i < (h + 1) * dim; ++i)
        dot += static_cast<double>(q.matrix()(t, i)) * static_cast<double>(k.matrix()(j, i));
      p.push_back(dot * scale);
      largest = std::max(largest, p.back());
    }
    for (double& x : p) sum += x = std::exp(x - largest);
    for (std::ptrdiff_t j = 0; j < tokens; ++j)
      for (std::ptrdiff_t i = 0; i < dim; ++i)
        out[static_cast<std::size_t>(i)] +=
            p[static_cast<std::size_t>(j)] / sum * static_cast<double>(v.matrix()(j, h * dim + i));
    return out;
  }

  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const std::ptrdiff_t width = heads * dim;
    const array<> q(tokens, width, 3.f), k(tokens, width, 2.f), v(tokens, width), y(tokens, width);
    const float scale = 1.f / std::sqrt(static_cast<float>(dim));
    const auto op = [&](std::size_t) {
      attention(d.queue, y.matrix(), llava::matrix_view<const float>(q), llava::matrix_view<const float>(k),
                llava::matrix_view<const float>(v), llava::attention_parameters{heads, scale});
      d.finish();
    };
    op(0);
    nmse error;
    for (std::ptrdiff_t t : spread_indices(tokens, 5))
      for (std::ptrdiff_t h : spread_indices(heads, 3)) {
        const auto expected = reference(q, k, v, t, h, static_cast<double>(scale));
        for (std::ptrdiff_t i = 0; i < dim; ++i)
          error.add(static_cast<double>(y.matrix()(t, h * dim + i)), expected[static_cast<std::size_t>(i)]);
      }
    if (!is_right(state, error.value(), 1e-7)) return;
    time(state, {flops(), 16. * static_cast<double>(tokens * width)}, op);
  }
};

}  // namespace bench
