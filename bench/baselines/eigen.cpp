// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/eigen.hpp>

#include "baselines.hpp"

namespace bench::baselines {

namespace {
template <class F>
void product(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<> e) {
  llava::eigen_backend::matmul(q, y, x, w, e);
}
}  // namespace

void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::f32> w,
            epilogue<> e) {
  product(q, y, x, w, e);
}
void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::f16> w,
            epilogue<> e) {
  product(q, y, x, w, e);
}
void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::bf16> w,
            epilogue<> e) {
  product(q, y, x, w, e);
}

}  // namespace bench::baselines
