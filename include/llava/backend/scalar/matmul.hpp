// SPDX-License-Identifier: Apache-2.0
/// matmul of the scalar backend: the sum of the contract, as it is written there (ops/matmul.hpp).
#pragma once
#include <cmath>

#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_BEGIN

namespace scalar_backend {

template <floating F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<A> e) {
  q.submit([&] {
    q.split(w.extent(0), 4 * q.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t n = first; n < last; ++n)
        for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
          float sum = 0.f;
          for (std::ptrdiff_t k = 0; k < x.extent(1); ++k) sum = std::fma(x(t, k), to_float(w(n, k)), sum);
          if (!e.bias.empty()) sum += e.bias(n);
          sum = A::apply(sum);
          y(t, n) = e.add ? y(t, n) + sum : sum;
        }
    });
  });
}

}  // namespace scalar_backend

LLAVA_END
