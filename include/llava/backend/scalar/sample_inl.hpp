// SPDX-License-Identifier: Apache-2.0
/// Definitions of sample.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include <llava/backend/scalar/sample.hpp>

LLAVA_BEGIN

namespace scalar_backend {

namespace detail {
/// Samples a token from one row. `order` (V) and `weight` (V) are scratch memory.
inline std::int32_t draw(const float* logits, std::int32_t vocab, const sampling_params& d, std::int32_t* order,
                         float* weight) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::int32_t best = 0;
  for (std::int32_t i = 0; i < vocab; ++i) {
    if (!(logits[i] < infinity)) return invalid_logits;
    if (logits[i] > logits[best]) best = i;
  }
  if (logits[best] == -infinity) return no_token_left;
  if (!(d.temperature > 0.f)) return best;

  for (std::int32_t i = 0; i < vocab; ++i) order[i] = i;
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  // transformers drops logits below the k-th largest, so logits equal to the k-th stay.
  std::int32_t kept = vocab;
  if (d.top_k > 0 && d.top_k < vocab) {
    std::nth_element(order, order + (d.top_k - 1), order + vocab, larger);
    const float least = logits[order[d.top_k - 1]];
    kept = static_cast<std::int32_t>(
        std::partition(order + d.top_k, order + vocab, [&](std::int32_t i) { return logits[i] >= least; }) - order);
  }
  std::sort(order, order + kept, larger);

  const float largest = logits[best];
  float total = 0.f;
  for (std::int32_t i = 0; i < kept; ++i) total += weight[i] = std::exp((logits[order[i]] - largest) / d.temperature);
  if (d.top_p < 1.f) {
    float reached = 0.f;
    std::int32_t n = 0;
    while (n < kept && reached < d.top_p * total) reached += weight[n++];
    kept = std::max<std::int32_t>(n, 1);
  }
  if (d.min_p > 0.f) {  // the largest weight is 1
    std::int32_t n = 1;
    while (n < kept && weight[n] >= d.min_p) ++n;
    kept = n;
  }
  if (d.top_p < 1.f || d.min_p > 0.f) {
    total = 0.f;
    for (std::int32_t i = 0; i < kept; ++i) total += weight[i];
  }
  const float goal = d.uniform * total;
  float passed = 0.f;
  for (std::int32_t i = 0; i < kept; ++i) {
    passed += weight[i];
    if (passed > goal) return order[i];
  }
  return order[kept - 1];
}

/// log softmax of a row: at() turns a logit into a log-probability, which is NaN if the row has none.
struct log_softmax {
  float largest;
  double log_sum = 0;
  log_softmax(const float* row, std::ptrdiff_t vocab) : largest(*std::max_element(row, row + vocab)) {
    double sum = 0;
    for (std::ptrdiff_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(row[i] - largest));
    log_sum = std::log(sum);
  }
  float at(float logit) const { return static_cast<float>(static_cast<double>(logit - largest) - log_sum); }
};

/// The k likeliest tokens of a row, 1 ≤ k ≤ vocab.
inline void likeliest(token_logprob* y, std::ptrdiff_t k, const float* row, std::ptrdiff_t vocab) {
  const log_softmax of(row, vocab);
  if (std::isnan(of.log_sum)) {
    std::fill(y, y + k, token_logprob{-1, std::numeric_limits<float>::quiet_NaN()});
    return;
  }
  std::ptrdiff_t n = 0;  // y holds n tokens and their logits, sorted
  for (std::ptrdiff_t i = 0; i < vocab; ++i) {
    if (n == k && !(row[i] > y[k - 1].logprob)) continue;
    std::ptrdiff_t at = n < k ? n++ : k - 1;
    for (; at > 0 && row[i] > y[at - 1].logprob; --at) y[at] = y[at - 1];
    y[at] = {static_cast<std::int32_t>(i), row[i]};
  }
  for (std::ptrdiff_t i = 0; i < k; ++i) y[i].logprob = of.at(y[i].logprob);
}
}  // namespace detail

LLAVA_INLINE void sample(queue& q, vector_view<std::int32_t> ids, matrix_view<const float> logits,
                         vector_view<const sampling_params> draws) {
  if (!q.accepts(ops::sample_shapes(ids, logits, draws))) return;
  const std::ptrdiff_t vocab = logits.extent(1);
  arena_scope scope(q.workspace());
  auto* order = q.workspace().allocate<std::int32_t>(vocab);
  auto* weight = q.workspace().allocate<float>(vocab);
  q.submit([&](workers) {
    for (std::ptrdiff_t r = 0; r < ids.extent(0); ++r)
      ids(r) = detail::draw(logits.row(r), static_cast<std::int32_t>(vocab), draws(r), order, weight);
  });
}

LLAVA_INLINE void logprobs(queue& q, vector_view<float> y, matrix_view<const float> logits,
                           vector_view<const std::int32_t> ids) {
  if (!q.accepts(ops::logprobs_shapes(y, logits, ids))) return;
  q.submit([&](workers) {
    for (std::ptrdiff_t r = 0; r < y.extent(0); ++r)
      y(r) = ids(r) < 0 ? std::numeric_limits<float>::quiet_NaN()
                        : detail::log_softmax(logits.row(r), logits.extent(1)).at(logits.row(r)[ids(r)]);
  });
}

LLAVA_INLINE void top_logprobs(queue& q, matrix_view<token_logprob> y, matrix_view<const float> logits) {
  if (!q.accepts(ops::top_logprobs_shapes(y, logits))) return;
  q.submit([&](workers) {
    for (std::ptrdiff_t r = 0; r < y.extent(0); ++r)
      detail::likeliest(y.row(r), y.extent(1), logits.row(r), logits.extent(1));
  });
}

}  // namespace scalar_backend

LLAVA_END
