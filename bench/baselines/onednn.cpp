// SPDX-License-Identifier: Apache-2.0
#include <dnnl.h>
#include <omp.h>

#include "baselines.hpp"

namespace bench::baselines {

void matmul(onednn_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const float> w,
            epilogue<> e) {
  if (!q.accepts(llava::ops::matmul_shapes(y, x, w, e))) return;
  q.submit([&](llava::workers on) {
    omp_set_num_threads(on.concurrency());
    dnnl_sgemm('N', 'T', x.extent(0), w.extent(0), x.extent(1), 1.f, x.data(), x.stride(), w.data(), w.stride(), 0.f,
               y.data(), y.stride());
  });
}

}  // namespace bench::baselines
