// SPDX-License-Identifier: Apache-2.0
/// sample(queue, ids, logits, draws): the next token of each row.
///   logits (R, V) f32 · ids (R) i32 · draws (R): the sampling parameters of each row
/// Greedy (temperature ≤ 0): the largest logit, the first of equals. Otherwise, in transformers' order: divide by the
/// temperature, keep the top_k largest (0: all), keep the smallest set whose probability reaches top_p, keep those with
/// at least min_p times the largest probability, draw one of these with `uniform`, sorted by falling probability and
/// then by ID.
///
/// A row from which no token can be drawn gets invalid_logits or no_token_left instead.
///
/// logprobs(queue, y, logits, ids): the natural logarithm of a token's probability, from the unmodified logits
///   y (R) f32 · logits (R, V) f32 · ids (R) i32
///   y[r] = log softmax(logits[r])[ids[r]]; NaN if ids[r] < 0
///
/// top_logprobs(queue, y, logits): the K likeliest tokens of each row, with the log-probabilities of logprobs
///   y (R, K) · logits (R, V) f32; K is 1 to V
///   y[r] by falling logit, then by rising ID; all of it {-1, NaN} if a logit of the row is NaN or +infinity, or if all
///   are -infinity
#pragma once
#include <cstdint>

#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/ops/token_logprob.hpp>

LLAVA_BEGIN

/// Sampling parameters of one row of logits.
struct sampling_params {
  float temperature = 0.f;
  float top_p = 1.f;
  std::int32_t top_k = 0;
  float uniform = 0.f;  // in [0, 1)
  float min_p = 0.f;
};

/// @name Results of sample that are not tokens
/// @{
inline constexpr std::int32_t invalid_logits = -1;  ///< a logit is NaN or +infinity
inline constexpr std::int32_t no_token_left = -2;   ///< every logit is −infinity
/// @}

namespace ops {
inline shapes sample_shapes(vector_view<const std::int32_t> ids, matrix_view<const float> logits,
                            vector_view<const sampling_params> draws) {
  shapes s("sample");
  const operand rows{"logits", logits};
  s.require(logits.extent(1) > 0 || logits.extent(0) == 0, "logits has 0 columns, expected at least 1");
  s.expect({"ids", ids}, logits.extent(0), rows);
  s.expect({"draws", draws}, logits.extent(0), rows);
  s.writes(ids);
  return s;
}

inline shapes logprobs_shapes(vector_view<const float> y, matrix_view<const float> logits,
                              vector_view<const std::int32_t> ids) {
  shapes s("logprobs");
  const operand rows{"logits", logits};
  s.expect({"y", y}, logits.extent(0), rows);
  s.expect({"ids", ids}, logits.extent(0), rows);
  s.writes(y);
  return s;
}

inline shapes top_logprobs_shapes(matrix_view<const token_logprob> y, matrix_view<const float> logits) {
  shapes s("top_logprobs");
  s.expect({"y", y}, {logits.extent(0), y.extent(1)}, operand{"logits", logits});
  s.require(y.extent(1) >= 1 && y.extent(1) <= logits.extent(1), "y has ", y.extent(1),
            " columns, expected 1 to the columns of logits, ", logits.extent(1));
  s.writes(y);
  return s;
}

template <class B>
concept has_sample = requires(queue_of<B>& q, vector_view<std::int32_t> ids, matrix_view<const float> logits,
                              vector_view<const sampling_params> draws, vector_view<float> y,
                              vector_view<const std::int32_t> drawn, matrix_view<token_logprob> likeliest) {
  sample(q, ids, logits, draws);
  logprobs(q, y, logits, drawn);
  top_logprobs(q, likeliest, logits);
};
}  // namespace ops

LLAVA_END
