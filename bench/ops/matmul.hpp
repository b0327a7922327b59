// SPDX-License-Identifier: Apache-2.0
/// matmul as a case: y (T, N) = act(x (T, K) · w (N, K)ᵀ), with weights of format F from a pool larger than any cache.
#pragma once
#include <llava/ops/matmul.hpp>

#include "../backends.hpp"
#include "../formats.hpp"
#include "../memory.hpp"

namespace bench {

template <class F, class A = llava::no_activation>
struct matmul_case {
  std::ptrdiff_t rows, columns, inner;  // T, N, K

  std::string name() const {
    return std::string("matmul/") + std::string(llava::format<F>::name) + "/N" + std::to_string(columns) + "xK" +
           std::to_string(inner) + "/T" + std::to_string(rows) +
           (std::is_same_v<A, llava::no_activation> ? "" : "/" + std::string(A::name));
  }
  double flops() const {
    return 2. * static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(inner);
  }
  double bytes() const {
    return static_cast<double>(
        llava::format<F>::bytes(static_cast<std::size_t>(columns), static_cast<std::size_t>(inner)) +
        static_cast<std::size_t>(rows * (inner + columns)) * sizeof(float));
  }

  template <class B>
  bool affordable() const {
    return can_afford<B>(flops());
  }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const array<> x(rows, inner), y(rows, columns);
    const weight_pool<B, F> pool(columns, inner);
    const auto product = [&](std::size_t i) {
      matmul(d.queue, y.matrix(), llava::matrix_view<const float>(x), pool.at(i), llava::epilogue<A>{});
      d.finish();
    };
    product(0);
    nmse error;
    std::vector<double> w(static_cast<std::size_t>(inner));
    for (std::ptrdiff_t n : spread_indices(columns, 41)) {
      pool.row(n, w);
      for (std::ptrdiff_t t : spread_indices(rows, 3)) {
        double sum = 0;
        for (std::ptrdiff_t k = 0; k < inner; ++k)
          sum += static_cast<double>(x.matrix()(t, k)) * w[static_cast<std::size_t>(k)];
        error.add(static_cast<double>(y.matrix()(t, n)), static_cast<double>(A::apply(static_cast<float>(sum))));
      }
    }
    constexpr arithmetic kind = arithmetic_of<F>();
    if (!is_right(state, error.value(), kind == arithmetic::int8 ? 5e-4 : 1e-7)) return;
    time(state, {flops(), bytes(), kind}, product);
  }
};

}  // namespace bench
