// SPDX-License-Identifier: Apache-2.0
/// Computes the image tokens of a video, frame by frame:
///
///   square -> tower -> features (P, Dv) -> projector -> rows (P, D) -> pooled (p, D)      LLaVA-NeXT
///   square -> tower -> features (P, Dv) -> pooled (p, Dv) -> projector -> rows (p, D)     transformers' LlavaNextVideo
///
/// Newlines are rows of a frame's gather, or one row at the end (image/video_plan.hpp). Memory besides the result does
/// not grow with the number of frames.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/image/video_plan.hpp>
#include <llava/pipeline/encode.hpp>

LLAVA_BEGIN

/// Plans a video of so many frames. plan.tokens counts image tokens, behind the projector.
template <class M, class B, class P>
result<video_plan> try_plan_frames(const model_stages<M, B, P>& stages, const video_config& c, int image_rows,
                                   int frames) {
  if (c.newline != newline_position::no_token && !stages.newline)
    return fail(errc::mismatch, "llava: video.newline needs the newline of a merge spatial_unpad; set it to no_token");
  if (!c.pools_features) return try_plan_video(c, image_rows, frames);
  LLAVA_TRY(plan, try_plan_video(c, stages.tower->config().features(), frames));
  const std::int64_t made = stages.projector->rows(plan.frame.tokens);
  if (made < 1 || made > image_token_limit / frames)
    return fail(errc::mismatch, text_of("llava: the projector makes ", made, " image tokens from ", plan.frame.tokens,
                                        " pooled features; correct its rows()"));
  plan.tokens = frames * static_cast<int>(made);
  return plan;
}

/// Computes the image tokens y (T, D) of the frames, one square each.
template <class M, class B, class P, class Q>
result<void> try_encode_frames(Q& q, const model_stages<M, B, P>& stages, const video_config& c, const video_plan& plan,
                               matrix_view<float> y, square_source squares, function_ref<bool()> go_on) {
  arena_scope scope(q.workspace());
  const std::ptrdiff_t features = stages.tower->config().features();
  const std::ptrdiff_t made = (y.extent(0) - (plan.ends_in_newline ? 1 : 0)) / plan.frames;  // tokens of a frame
  const std::ptrdiff_t rows = c.pools_features ? 0 : stages.projector->rows(static_cast<int>(features));
  const bool has_newline = c.newline != newline_position::no_token;
  const matrix_view<float> map = allocate_matrix(q, rows + (has_newline ? 1 : 0), y.extent(1));  // [rows; newline]
  if (has_newline) copy(q, rows_of(map, rows, 1), stages.newline->matrix());
  const auto encode = [&](matrix_view<float> to, matrix_view<const float> seen) {
    if (c.pools_features) {
      arena_scope inner(q.workspace());
      const matrix_view<float> pooled = allocate_matrix(q, plan.frame.tokens, seen.extent(1));  // (p, Dv)
      merge(q, pooled, seen, plan.frame.token_rows, plan.frame.weights);
      project(q, stages, to, matrix_view<const float>(pooled));
    } else {
      project(q, stages, rows_of(map, 0, rows), seen);
      merge(q, to, matrix_view<const float>(map), plan.frame.token_rows, plan.frame.weights);
    }
  };
  const auto use = [&](std::ptrdiff_t first, matrix_view<const float> seen) {
    for (std::ptrdiff_t i = 0; i * features < seen.extent(0); ++i)
      encode(rows_of(y, (first + i) * made, made), rows_of(seen, i * features, features));
    return result<void>();
  };
  LLAVA_CHECK(try_each_features(q, stages, squares, plan.frames, go_on, use));
  if (plan.ends_in_newline) copy(q, rows_of(y, y.extent(0) - 1, 1), stages.newline->matrix());
  return {};
}

/// Runs the encoding of a video on a planning queue. `of_frames`: config_of_frames. Errors: as try_plan_encoding.
template <class M, class B, class P, class Q>
result<void> try_plan_encoding_of_video(Q& q, const model_stages<M, B, P>& stages, const video_config& c,
                                        int image_rows, const image_config& of_frames) {
  const int frames = static_cast<int>(squares_at_once);
  LLAVA_TRY(plan, try_plan_frames(stages, c, image_rows, frames));
  arena_scope scope(q.workspace());
  const matrix_view<float> tokens = allocate_matrix(q, plan.tokens, stages.text->config().hidden);
  const std::vector<image> black(static_cast<std::size_t>(frames), image(of_frames.crop, of_frames.crop));
  const image_plan one;
  LLAVA_CHECK(try_encode_frames(q, stages, c, plan, tokens, squares_of<B>(q, black, of_frames, one), never_stop));
  return q.finish();
}

LLAVA_END
