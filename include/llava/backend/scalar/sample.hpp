// SPDX-License-Identifier: Apache-2.0
/// sample, logprobs and top_logprobs of the scalar backend (contract: ops/sample.hpp).
#pragma once
#include <llava/backend/scalar/queue.hpp>
#include <llava/ops/sample.hpp>

LLAVA_BEGIN

namespace scalar_backend {

LLAVA_INLINE void sample(queue& q, vector_view<std::int32_t> ids, matrix_view<const float> logits,
                         vector_view<const sampling_params> draws);
LLAVA_INLINE void logprobs(queue& q, vector_view<float> y, matrix_view<const float> logits,
                           vector_view<const std::int32_t> ids);
LLAVA_INLINE void top_logprobs(queue& q, matrix_view<token_logprob> y, matrix_view<const float> logits);

}  // namespace scalar_backend

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/backend/scalar/sample_inl.hpp>
#endif
