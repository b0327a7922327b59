// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/matmul_inl.hpp>

namespace llava::simd_backend {
using y = matrix_view<float>;
using x = matrix_view<const float>;
using w = matrix_view<const f32>;
template void matmul(queue&, y, x, w, epilogue<no_activation>);
template void matmul(queue&, y, x, w, epilogue<quick_gelu>);
template void matmul(queue&, y, x, w, epilogue<gelu>);
template void matmul(queue&, y, x, w, epilogue<gelu_tanh>);
template void matmul(queue&, y, x, w, epilogue<silu>);
}  // namespace llava::simd_backend
