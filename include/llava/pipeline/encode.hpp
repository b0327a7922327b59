// SPDX-License-Identifier: Apache-2.0
/// Computes the image tokens of an image:
///
///   pixels (S·S·3) -> tower -> features (P, Dv) -> projector -> image tokens (rows, D)
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/ops/backend.hpp>
#include <llava/ops/operand.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/tensor/coverage.hpp>

LLAVA_BEGIN

/// Computes the features (P, Dv) of a square image of the tower's size. They live as long as the caller's arena_scope.
/// `go_on` is called before the tower runs, and before every layer if the queue runs ops at once; false is
/// errc::cancelled.
template <class M, class B, class P, class Q, class GoOn>
result<matrix_view<const float>> try_features(Q& q, const model_stages<M, B, P>& stages,
                                              std::span<const std::uint8_t> pixels, GoOn&& go_on) {
  const auto& tower = *stages.tower;
  const matrix_view<float> features = allocate_matrix(q, tower.config().features(), tower.config().hidden);  // (P, Dv)
  arena_scope scope(q.workspace());
  const auto bytes = static_cast<std::ptrdiff_t>(pixels.size());
  const vector_view<std::uint8_t> rgb(q.workspace().template allocate<std::uint8_t>(bytes), dynamic_shape<1>(bytes));
  bool whole = go_on();
  if (whole) {
    upload(q, rgb, pixels);
    if constexpr (runs_at_once<Q>)
      whole = tower.forward(q, features, rgb, stages.pixel_table.matrix(), go_on);
    else
      tower.forward(q, features, rgb, stages.pixel_table.matrix(), [] { return true; });
  }
  if (!whole) return fail(errc::cancelled, "llava: the question was cancelled");
  return matrix_view<const float>(features);
}

/// Computes the image tokens y (rows, D) of an image's features.
template <class M, class B, class P, class Q>
void project(Q& q, const model_stages<M, B, P>& stages, matrix_view<float> y, matrix_view<const float> features) {
  arena_scope scope(q.workspace());
  stages.projector->forward(q, y, as_operand<operand_of<B, typename P::projector>>(q, features));
}

/// Runs an image on a planning queue and returns its number of image tokens. Errors: a projector that makes none or
/// more than `context`, or does not write all of them; ops whose operands do not fit.
template <class M, class B, class P, class Q>
result<int> try_plan_image(Q& q, const model_stages<M, B, P>& stages, int context) {
  const auto& tower = stages.tower->config();
  const int features = tower.features();
  const std::int64_t made = stages.projector->rows(features);
  if (made < 1 || made > context)
    return fail(errc::mismatch,
                text_of("llava: the projector makes ", made, " image tokens from ", features,
                        " features, expected 1 to ", context, ", the model's context; correct its rows()"));
  arena_scope scope(q.workspace());
  const matrix_view<float> tokens = allocate_matrix(q, made, stages.text->config().hidden);  // (rows, D)
  const std::vector<std::uint8_t> black(static_cast<std::size_t>(std::int64_t{tower.image} * tower.image * 3));
  LLAVA_TRY(seen, try_features(q, stages, black, [] { return true; }));
  LLAVA_CHECK(q.finish());
  coverage written(tokens);
  q.workspace().watch(&written);
  project(q, stages, tokens, seen);
  q.workspace().watch(nullptr);
  if (const result<void> planned = q.finish(); !planned) {
    const std::string sentence(planned.error().sentence());
    const std::size_t from = sentence.starts_with("llava: ") ? 7 : 0;
    return fail(planned.error().code(), text_of("llava: the projector: ", sentence.substr(from)));
  }
  if (const std::ptrdiff_t row = written.first_missing_row(); row >= 0)
    return fail(errc::mismatch, text_of("llava: the projector makes ", made, " image tokens, as its rows() says, but ",
                                        "no op writes all of row ", row));
  return static_cast<int>(made);
}

LLAVA_END
