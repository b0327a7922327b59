// SPDX-License-Identifier: Apache-2.0
/// Definitions of video_plan.hpp.
#pragma once
#include <cmath>
#include <string>

#include <llava/base/guard.hpp>
#include <llava/config_rules.hpp>
#include <llava/image/plan_inl.hpp>
#include <llava/image/video.hpp>
#include <llava/image/video_plan.hpp>

LLAVA_BEGIN

namespace detail {

/// Appends the token of a block of stride × stride rows of a map; weight 0: its largest values.
inline void append_block(image_plan& plan, int grid, int stride, int y, int x, float weight) {
  for (int down = y * stride; down < (y + 1) * stride; ++down)
    for (int across = x * stride; across < (x + 1) * stride; ++across) {
      plan.token_rows.push_back(down * grid + across);
      if (weight > 0) plan.weights.push_back(weight);
    }
}

/// Appends one token that is one row.
inline void append_row(image_plan& plan, int row, bool weighted) {
  weighted ? append_weighted(plan, {{row, 1.f}}) : append_rows(plan, {row});
}

/// Plans one frame of a g × g map, `side` × `side` of whose tokens remain.
inline image_plan plan_frame(const video_config& c, int grid, int side) {
  image_plan plan;
  const int stride = c.pool_stride, newline = grid * grid;
  const bool weighted = c.pool_mode != spatial_pool::max;
  plan.terms = c.pool_mode == spatial_pool::bilinear ? 4 : stride * stride;
  const float weight = c.pool_mode == spatial_pool::average ? 1.f / static_cast<float>(plan.terms) : 0.f;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x)
      if (c.pool_mode == spatial_pool::bilinear)
        append_interpolated(plan, {1, grid, 0}, {0, grid, 0, grid}, interpolate(grid, side, y),
                            interpolate(grid, side, x));
      else
        append_block(plan, grid, stride, y, x, weight);
    if (c.newline == newline_position::grid) append_row(plan, newline, weighted);
  }
  if (c.newline == newline_position::frame) append_row(plan, newline, weighted);
  plan.tokens = static_cast<int>(plan.token_rows.size()) / plan.terms;
  return plan;
}

}  // namespace detail

LLAVA_INLINE result<video_plan> try_plan_video(const video_config& c, int rows, int frames) {
  return guarded([&]() -> result<video_plan> {
    if (const std::string_view broken = first_broken_rule(c); !broken.empty())
      return fail(errc::invalid_argument, std::string(broken));
    if (frames < 1 || frames > video_limits::frames)
      return fail(errc::invalid_argument,
                  text_of("llava: a video has ", frames, " frames, expected 1 to ", video_limits::frames));
    const int grid = rows < 1 ? 0 : static_cast<int>(std::lround(std::sqrt(static_cast<double>(rows))));
    if (grid < 1 || std::int64_t{grid} * grid != rows)
      return fail(errc::mismatch,
                  text_of("llava: a frame has ", rows, " rows, which is no square grid; its map cannot be pooled"));
    const int stride = c.pool_stride;
    const int side = c.pool_mode == spatial_pool::bilinear ? (grid + stride - 1) / stride : grid / stride;
    if (side < 1)
      return fail(errc::mismatch, text_of("llava: video.pool_stride is ", stride, ", but the map of a frame has ", grid,
                                          " rows; choose a smaller one"));
    if (rows > image_token_limit / frames)
      return fail(errc::unsupported, text_of("llava: a video of ", frames, " frames of ", rows,
                                             " rows has too many image tokens, expected at most ", image_token_limit));
    video_plan plan;
    plan.frames = frames;
    plan.frame = detail::plan_frame(c, grid, side);
    plan.ends_in_newline = c.newline == newline_position::one_token;
    plan.tokens = frames * plan.frame.tokens + (plan.ends_in_newline ? 1 : 0);
    return plan;
  });
}

LLAVA_END
