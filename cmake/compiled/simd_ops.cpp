// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/scalar/sample_inl.hpp>
#include <llava/backend/simd/ops_inl.hpp>

namespace llava::simd_backend {
template void store_kv(queue&, matrix_view<const float>, matrix_view<const float>, step_rows, kv_view<f32>);
template void store_kv(queue&, matrix_view<const float>, matrix_view<const float>, step_rows, kv_view<f16>);
template void store_kv(queue&, matrix_view<const float>, matrix_view<const float>, step_rows, kv_view<bf16>);
template void paged_attention(queue&, matrix_view<float>, matrix_view<const float>, kv_view<f32>, step_rows,
                              attention_parameters);
template void paged_attention(queue&, matrix_view<float>, matrix_view<const float>, kv_view<f16>, step_rows,
                              attention_parameters);
template void paged_attention(queue&, matrix_view<float>, matrix_view<const float>, kv_view<bf16>, step_rows,
                              attention_parameters);
}  // namespace llava::simd_backend
