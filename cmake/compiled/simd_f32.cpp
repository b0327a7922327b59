// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/matmul_inl.hpp>

using w = llava::matrix_view<const llava::f32>;
#include "simd_products.inc"

namespace llava::simd_backend {
template void activate(queue&, matrix_view<float>, matrix_view<const float>, no_activation, update);
template void activate(queue&, matrix_view<float>, matrix_view<const float>, quick_gelu, update);
template void activate(queue&, matrix_view<float>, matrix_view<const float>, gelu, update);
template void activate(queue&, matrix_view<float>, matrix_view<const float>, gelu_tanh, update);
template void activate(queue&, matrix_view<float>, matrix_view<const float>, silu, update);
}  // namespace llava::simd_backend
