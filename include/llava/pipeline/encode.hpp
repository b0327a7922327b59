// SPDX-License-Identifier: Apache-2.0
/// Computes the image tokens of an image:
///
///   pixels (S·S·3) -> tower -> features (P, Dv) -> projector -> rows, D            for every square of its plan
///   [rows of all squares; newline] -> one gather -> image tokens (T, D)            if the plan merges them
///
/// The tower takes at most `squares_at_once` squares at a time, which bounds its activations. The projector takes one,
/// because a user's projector may depend on all features of a square.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>
#include <llava/ops/backend.hpp>
#include <llava/ops/operand.hpp>
#include <llava/pipeline/squares.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/tensor/coverage.hpp>

LLAVA_BEGIN

/// use(first square, features): takes the features (n·P, Dv) of n squares.
using features_visitor = function_ref<result<void>(std::ptrdiff_t, matrix_view<const float>)>;

/// Computes the features (n·P, Dv) of n squares of the tower's size. They live as long as the caller's arena_scope.
/// `go_on` is called before the squares are made, and before every layer if the queue runs ops at once; false is
/// errc::cancelled.
template <class M, class B, class P, class Q>
result<matrix_view<const float>> try_features(Q& q, const model_stages<M, B, P>& stages, square_source squares,
                                              std::ptrdiff_t first, std::ptrdiff_t n, function_ref<bool()> go_on) {
  const auto& tower = *stages.tower;
  const matrix_view<float> features =
      allocate_matrix(q, n * tower.config().features(), tower.config().feature_width());  // (n·P, Dv)
  arena_scope scope(q.workspace());
  bool whole = go_on();
  if (whole) {
    LLAVA_TRY(rgb, squares(first, n));
    if constexpr (runs_at_once<Q>)
      whole = tower.forward(q, features, rgb, stages.pixel_table.matrix(), go_on);
    else
      tower.forward(q, features, rgb, stages.pixel_table.matrix(), never_stop);
  }
  if (!whole) return fail(errc::cancelled, "llava: the question was cancelled");
  return matrix_view<const float>(features);
}

/// Computes y (rows, D) of one square's features.
template <class M, class B, class P, class Q>
void project(Q& q, const model_stages<M, B, P>& stages, matrix_view<float> y, matrix_view<const float> features) {
  arena_scope scope(q.workspace());
  stages.projector->forward(q, y, as_operand<operand_of<B, typename P::projector>>(q, features));
}

/// Calls use(first square, features) for the features (n·P, Dv) of each run of at most `squares_at_once` of `count`
/// squares.
template <class M, class B, class P, class Q>
result<void> try_each_features(Q& q, const model_stages<M, B, P>& stages, square_source squares, std::ptrdiff_t count,
                               function_ref<bool()> go_on, features_visitor use) {
  for (std::ptrdiff_t first = 0; first < count; first += squares_at_once) {
    arena_scope scope(q.workspace());
    LLAVA_TRY(features, try_features(q, stages, squares, first, (std::min)(squares_at_once, count - first), go_on));
    LLAVA_CHECK(use(first, features));
  }
  return {};
}

/// Computes the image tokens y (n·rows, D) of n squares, in order. `rows`: image tokens of one square.
template <class M, class B, class P, class Q>
result<void> try_project_squares(Q& q, const model_stages<M, B, P>& stages, matrix_view<float> y, std::ptrdiff_t rows,
                                 square_source squares, std::ptrdiff_t n, function_ref<bool()> go_on) {
  const std::ptrdiff_t features = stages.tower->config().features();
  return try_each_features(q, stages, squares, n, go_on, [&](std::ptrdiff_t first, matrix_view<const float> seen) {
    for (std::ptrdiff_t i = 0; i * features < seen.extent(0); ++i)
      project(q, stages, rows_of(y, (first + i) * rows, rows), rows_of(seen, i * features, features));
    return result<void>();
  });
}

/// Returns the values of rows in the backend's memory.
template <class Q>
result<std::vector<float>> try_read(Q& q, matrix_view<const float> rows) {
  std::vector<float> values(static_cast<std::size_t>(rows.size()));
  download(q, std::span<float>(values), rows);
  LLAVA_CHECK(q.finish());
  return result<std::vector<float>>(std::move(values));
}

/// Copies numbers of a plan to the backend, for as long as the caller's arena_scope.
template <class T, class Q>
vector_view<T> uploaded(Q& q, std::span<const T> numbers) {
  const auto n = static_cast<std::ptrdiff_t>(numbers.size());
  const vector_view<T> to(q.workspace().template allocate<T>(n), dynamic_shape<1>(n));
  upload(q, to, numbers);
  return to;
}

/// Gathers the image tokens y (T, D) of an image from x, the rows of all squares and the newline. rows (T, K): K rows
/// of each token; weights: (T, K), or empty for their largest values.
template <class Q>
void merge(Q& q, matrix_view<float> y, matrix_view<const float> x, std::span<const std::int32_t> rows,
           std::span<const float> weights) {
  arena_scope scope(q.workspace());
  const vector_view<const std::int32_t> from = uploaded(q, rows);
  const std::ptrdiff_t terms = from.extent(0) / (std::max)(y.extent(0), std::ptrdiff_t{1});
  if (terms == 1 && weights.empty()) return gather_rows(q, y, x, from);
  const dynamic_shape<2> some(y.extent(0), terms);
  const matrix_view<const std::int32_t> of_each(from.data(), some);
  if (weights.empty()) return max_rows(q, y, x, of_each);
  mix_rows(q, y, x, of_each, matrix_view<const float>(uploaded(q, weights).data(), some));
}

/// Runs the encoding of the largest image on a planning queue and returns the number of image tokens of a square.
/// Errors: a projector that makes none or more than `context`, does not write all of them, or does not fit the image's
/// merge; ops whose operands do not fit.
template <class M, class B, class P, class Q>
result<int> try_plan_encoding(Q& q, const model_stages<M, B, P>& stages, const image_config& c, int context) {
  const auto& tower = stages.tower->config();
  const int features = tower.features();
  const std::int64_t made = stages.projector->rows(features);
  if (made < 1 || made > context)
    return fail(errc::mismatch,
                text_of("llava: the projector makes ", made, " image tokens from ", features,
                        " features, expected 1 to ", context, ", the model's context; correct its rows()"));
  LLAVA_CHECK(try_check_image_size(tower.input(), tower.input(), "the square that the vision tower sees"));
  LLAVA_CHECK(try_plan_image(c, static_cast<int>(made), tower.input(), tower.input()));
  arena_scope scope(q.workspace());
  const matrix_view<float> tokens = allocate_matrix(q, made, stages.text->config().hidden);  // (rows, D)
  image_plan most;
  most.tiles.resize(static_cast<std::size_t>(most_squares(c)));
  const auto n = (std::min)(std::ptrdiff_t{most.squares()}, squares_at_once);
  const std::vector<image> black(static_cast<std::size_t>(n), image(tower.input(), tower.input()));
  const auto squares = squares_of<B>(q, black, c, most);
  LLAVA_TRY(seen, try_features(q, stages, squares, 0, n, never_stop));
  LLAVA_CHECK(q.finish());
  coverage written(tokens);
  q.workspace().watch(&written);
  project(q, stages, tokens, rows_of(seen, 0, features));
  q.workspace().watch(nullptr);
  if (const result<void> planned = q.finish(); !planned) {
    const std::string sentence(planned.error().sentence());
    const std::size_t from = sentence.starts_with("llava: ") ? 7 : 0;
    return fail(planned.error().code(), text_of("llava: the projector: ", sentence.substr(from)));
  }
  if (const std::ptrdiff_t row = written.first_missing_row(); row >= 0)
    return fail(errc::mismatch, text_of("llava: the projector makes ", made, " image tokens, as its rows() says, but ",
                                        "no op writes all of row ", row));
  if (c.tiling.count > 0 && c.tiling.merge != tile_merge::flat) {
    const auto all = static_cast<std::size_t>(most_image_tokens(c, static_cast<int>(made)));
    const auto terms = static_cast<std::size_t>(c.tiling.terms());
    const dynamic_shape<2> merged(static_cast<std::ptrdiff_t>(all), tokens.extent(1));
    merge(q, matrix_view<float>(tokens.data(), merged), tokens, std::vector<std::int32_t>(all * terms),
          std::vector<float>(c.tiling.shrinks_to > 0 ? all * terms : 0));
    LLAVA_CHECK(q.finish());
  }
  return static_cast<int>(made);
}

LLAVA_END
