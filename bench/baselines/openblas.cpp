// SPDX-License-Identifier: Apache-2.0
#include <cblas.h>

#include "baselines.hpp"

namespace bench::baselines {

void matmul(openblas_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const float> w,
            epilogue<> e) {
  if (!q.accepts(llava::ops::matmul_shapes(y, x, w, e))) return;
  q.submit([&](llava::workers on) {
    openblas_set_num_threads(on.concurrency());
    const auto number = [](std::ptrdiff_t n) { return static_cast<blasint>(n); };
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, number(x.extent(0)), number(w.extent(0)), number(x.extent(1)),
                1.f, x.data(), number(x.stride()), w.data(), number(w.stride()), 0.f, y.data(), number(y.stride()));
  });
}

}  // namespace bench::baselines
