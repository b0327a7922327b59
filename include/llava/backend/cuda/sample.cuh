// SPDX-License-Identifier: Apache-2.0
/// sample, logprobs and top_logprobs of the CUDA backend (contract: ops/sample.hpp). Each is a few launches whose grids
/// depend on shapes only: whether a row is greedy is read on the device, so a graph holds for all settings. The bytes,
/// floors and tiles are in the files of sample/.
///
/// | op | passes |
/// |---|---|
/// | sample | scan, draw |
/// | logprobs | scan, sums of exponentials, one element per row |
/// | top_logprobs | scan, sums of exponentials, selection and sort |
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/queue.cuh>
#include <llava/backend/cuda/sample/draw.cuh>
#include <llava/backend/cuda/sample/log_softmax.cuh>
#include <llava/backend/cuda/sample/scan.cuh>
#include <llava/backend/cuda/sample/top.cuh>
#include <llava/ops/sample.hpp>

LLAVA_CUDA_BEGIN

namespace detail {
inline logit_rows rows_of_logits(matrix_view<const float> logits) {
  return {logits.data(), logits.stride(), static_cast<int>(logits.extent(0)), static_cast<int>(logits.extent(1))};
}
/// Allocates n elements for each row.
template <class T>
T* allocate_for_rows(queue& q, const logit_rows& rows, std::ptrdiff_t n) {
  return q.workspace().allocate<T>(rows.rows * n);
}
}  // namespace detail

inline void sample(queue& q, vector_view<std::int32_t> ids, matrix_view<const float> logits,
                   vector_view<const sampling_params> draws) {
  if (!q.accepts(ops::sample_shapes(ids, logits, draws))) return;
  arena_scope scope(q.workspace());
  const logit_rows rows = detail::rows_of_logits(logits);
  auto* const largest = detail::allocate_for_rows<largest_logit>(q, rows, rows.chunks());
  auto* const scratch = detail::allocate_for_rows<std::int32_t>(q, rows, std::ptrdiff_t{2} * rows.vocab);
  with_width(
      [&]<int Width>() {
        q.launch<scan_kernel<Width>>({rows, largest});
        q.launch<draw_kernel<Width>>({ids.data(), rows, draws.data(), largest, scratch});
      },
      logits);
}

inline void logprobs(queue& q, vector_view<float> y, matrix_view<const float> logits,
                     vector_view<const std::int32_t> ids) {
  if (!q.accepts(ops::logprobs_shapes(y, logits, ids))) return;
  arena_scope scope(q.workspace());
  const logit_rows rows = detail::rows_of_logits(logits);
  auto* const largest = detail::allocate_for_rows<largest_logit>(q, rows, rows.chunks());
  auto* const sums = detail::allocate_for_rows<double>(q, rows, rows.chunks());
  with_width(
      [&]<int Width>() {
        q.launch<scan_kernel<Width>>({rows, largest});
        q.launch<exp_sum_kernel<Width>>({rows, largest, sums});
      },
      logits);
  q.launch<logprob_kernel>({y.data(), ids.data(), rows, largest, sums});
}

inline void top_logprobs(queue& q, matrix_view<token_logprob> y, matrix_view<const float> logits) {
  if (!q.accepts(ops::top_logprobs_shapes(y, logits))) return;
  arena_scope scope(q.workspace());
  const logit_rows rows = detail::rows_of_logits(logits);
  auto* const largest = detail::allocate_for_rows<largest_logit>(q, rows, rows.chunks());
  auto* const sums = detail::allocate_for_rows<double>(q, rows, rows.chunks());
  auto* const scratch = detail::allocate_for_rows<std::int32_t>(q, rows, std::ptrdiff_t{2} * rows.vocab);
  with_width(
      [&]<int Width>() {
        q.launch<scan_kernel<Width>>({rows, largest});
        q.launch<exp_sum_kernel<Width>>({rows, largest, sums});
        q.launch<top_kernel<Width>>(
            {y.data(), y.stride(), static_cast<int>(y.extent(1)), rows, largest, sums, scratch});
      },
      logits);
}

LLAVA_CUDA_END
