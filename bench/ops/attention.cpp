// SPDX-License-Identifier: Apache-2.0
// The vision tower's attention: every token attends to every token.
#include <llava/ops/attention.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace {

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
    return bench::can_afford<B>(flops());
  }

  /// Row t of head h, computed in double.
  std::vector<double> reference(const bench::array<>& q, const bench::array<>& k, const bench::array<>& v,
                                std::ptrdiff_t t, std::ptrdiff_t h, double scale) const {
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
    bench::device<B> d;
    const std::ptrdiff_t width = heads * dim;
    const bench::array<> q(tokens, width, 3.f), k(tokens, width, 2.f), v(tokens, width), y(tokens, width);
    const float scale = 1.f / std::sqrt(static_cast<float>(dim));
    const auto op = [&](std::size_t) {
      attention(d.queue, y.matrix(), llava::matrix_view<const float>(q), llava::matrix_view<const float>(k),
                llava::matrix_view<const float>(v), llava::attention_parameters{heads, scale});
      d.finish();
    };
    op(0);
    bench::nmse error;
    for (std::ptrdiff_t t : bench::spread_indices(tokens, 5))
      for (std::ptrdiff_t h : bench::spread_indices(heads, 3)) {
        const auto expected = reference(q, k, v, t, h, static_cast<double>(scale));
        for (std::ptrdiff_t i = 0; i < dim; ++i)
          error.add(static_cast<double>(y.matrix()(t, h * dim + i)), expected[static_cast<std::size_t>(i)]);
      }
    if (!bench::is_right(state, error.value(), 1e-7)) return;
    bench::time(state, {flops(), 16. * static_cast<double>(tokens * width)}, op);
  }
};

const bench::file attentions([] {
  bench::add_for_backends(attention_case{577, 16, 64});  // CLIP ViT-L/14-336
  bench::add_for_backends(attention_case{729, 16, 72});  // SigLIP-so400m/14-384
  bench::add_for_backends(attention_case{50, 16, 64});
});

}  // namespace
