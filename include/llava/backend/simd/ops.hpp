// SPDX-License-Identifier: Apache-2.0
/// The ops of the simd backend. Each cuts its work into independent pieces and calls the kernels of the queue's
/// instruction set (contracts: ops/*.hpp). The number of pieces changes no byte. F: f32, f16, bf16, a row format or
/// nf4; A: an activation; T: the element type of the KV cache.
#pragma once
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd/affine_panels.hpp>
#include <llava/backend/simd/nf4_panels.hpp>
#include <llava/backend/simd/panels.hpp>
#include <llava/backend/simd/queue.hpp>
#include <llava/ops/activate.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/ops/rope.hpp>

LLAVA_BEGIN

namespace simd_backend {

template <floating F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<A> e);
template <row_format F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, panel_view<F> w, epilogue<A> e);
template <class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, panel_view<nf4> w, epilogue<A> e);
/// w in a mixed format.
template <class B, class F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, const mixed_view<B, F>& w, epilogue<A> e) {
  w.visit([&](const auto& own) { matmul(q, y, x, own, e); });
}
template <class A>
void activate(queue& q, matrix_view<float> y, matrix_view<const float> z, A, update how);
LLAVA_INLINE void rms_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                           float eps);
LLAVA_INLINE void layer_norm(queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w,
                             vector_view<const float> b, float eps);
LLAVA_INLINE void add(queue& q, matrix_view<float> y, matrix_view<const float> x);
LLAVA_INLINE void rope(queue& q, matrix_view<float> x, matrix_view<const float> angles);
template <floating T>
void store_kv(queue& q, matrix_view<const float> k, matrix_view<const float> v, step_rows rows, kv_view<T> cache);
LLAVA_INLINE void attention(queue& q, matrix_view<float> y, matrix_view<const float> queries,
                            matrix_view<const float> k, matrix_view<const float> v, const attention_parameters p);
template <floating T>
void paged_attention(queue& q, matrix_view<float> y, matrix_view<const float> queries, kv_view<T> cache, step_rows rows,
                     const attention_parameters p);
/// There is no kernel for a cache of fp8_e4m3, and the ops of scalar, the base, are too slow to take their place.
void store_kv(queue& q, matrix_view<const float> k, matrix_view<const float> v, step_rows rows,
              kv_view<fp8_e4m3> cache) = delete;
void paged_attention(queue& q, matrix_view<float> y, matrix_view<const float> queries, kv_view<fp8_e4m3> cache,
                     step_rows rows, const attention_parameters p) = delete;

}  // namespace simd_backend

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/backend/simd/block_matmul_inl.hpp>
#include <llava/backend/simd/matmul_inl.hpp>
#include <llava/backend/simd/nf4_matmul_inl.hpp>
#include <llava/backend/simd/ops_inl.hpp>
#endif
