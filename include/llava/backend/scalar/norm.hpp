// SPDX-License-Identifier: Apache-2.0
/// rms_norm and layer_norm of the scalar backend (contract: ops/norm.hpp).
#pragma once
#include <cmath>

#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/norm.hpp>

LLAVA_BEGIN

namespace scalar_backend {

template <floating Y>
void rms_norm(queue& q, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w, float eps) {
  if (!q.accepts(ops::rms_norm_shapes(y, x, w))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t d = x.extent(1);
    for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
      float squares = 0.f;
      for (std::ptrdiff_t i = 0; i < d; ++i) squares += x(t, i) * x(t, i);
      const float scale = 1.f / std::sqrt(squares / static_cast<float>(d) + eps);
      for (std::ptrdiff_t i = 0; i < d; ++i) y(t, i) = from_float<Y>(x(t, i) * scale * w(i));
    }
  });
}

template <floating Y>
void layer_norm(queue& q, matrix_view<Y> y, matrix_view<const float> x, vector_view<const float> w,
                vector_view<const float> b, float eps) {
  if (!q.accepts(ops::layer_norm_shapes(y, x, w, b))) return;
  q.submit([&](workers) {
    const std::ptrdiff_t d = x.extent(1);
    for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
      float sum = 0.f, squares = 0.f;
      for (std::ptrdiff_t i = 0; i < d; ++i) sum += x(t, i);
      const float mean = sum / static_cast<float>(d);
      for (std::ptrdiff_t i = 0; i < d; ++i) squares += (x(t, i) - mean) * (x(t, i) - mean);
      const float scale = 1.f / std::sqrt(squares / static_cast<float>(d) + eps);
      for (std::ptrdiff_t i = 0; i < d; ++i)
        y(t, i) = from_float<Y>((x(t, i) - mean) * scale * w(i) + (b.empty() ? 0.f : b(i)));
    }
  });
}

}  // namespace scalar_backend

LLAVA_END
