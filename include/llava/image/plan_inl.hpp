// SPDX-License-Identifier: Apache-2.0
/// Definitions of plan.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/config_rules.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>

LLAVA_BEGIN

namespace detail {

/// A part of the tiles' map, in image tokens.
struct map_part {
  int top, bottom, left, right;
};

/// The canvas that keeps most of the image's pixels, and of those the one with the least other area; the first of
/// equal ones.
inline canvas_size best_canvas(const tiling_config& c, int width, int height) {
  canvas_size best = c.canvases[0];
  std::int64_t most_kept = -1, least_waste = 0;
  const std::int64_t own = std::int64_t{width} * height;
  for (int i = 0; i < c.count; ++i) {
    const canvas_size& canvas = c.canvases[i];
    const double scale = (std::min)(static_cast<double>(canvas.width) / width,  //
                                    static_cast<double>(canvas.height) / height);
    const auto fitted_width = static_cast<std::int64_t>(width * scale);
    const auto fitted_height = static_cast<std::int64_t>(height * scale);
    const std::int64_t kept = (std::min)(fitted_width * fitted_height, own);
    const std::int64_t waste = std::int64_t{canvas.width} * canvas.height - kept;
    if (kept < most_kept || (kept == most_kept && waste >= least_waste)) continue;
    best = canvas, most_kept = kept, least_waste = waste;
  }
  return best;
}

/// The size of the image on the canvas: one side equals the canvas', the other is rounded up.
inline canvas_size fitted_size(const canvas_size& canvas, int width, int height) {
  const double across = static_cast<double>(canvas.width) / width, down = static_cast<double>(canvas.height) / height;
  if (across < down) return {canvas.width, (std::min)(static_cast<int>(std::ceil(height * across)), canvas.height)};
  return {(std::min)(static_cast<int>(std::ceil(width * down)), canvas.width), canvas.height};
}

/// side · scale as a whole number. transformers rounds to 7 decimals first, which only lifts a product that rounding
/// errors left just below a whole number.
inline int scaled_down(int side, double scale, bool rounds_to_zero) {
  const double exact = side * scale;
  return static_cast<int>(rounds_to_zero ? exact : exact + 5e-8);
}

/// The part of a map of `rows` × `columns` image tokens that shows the image and not the padding around it.
inline map_part unpadded(const tiling_config& c, int rows, int columns, int width, int height) {
  map_part part{0, rows, 0, columns};
  if (static_cast<double>(width) / height > static_cast<double>(columns) / rows) {
    const int kept = scaled_down(height, static_cast<double>(columns) / width, c.rounds_to_zero);
    part.top = (rows - (std::min)(kept, rows)) / 2, part.bottom = rows - part.top;
  } else {
    const int kept = scaled_down(width, static_cast<double>(rows) / height, c.rounds_to_zero);
    part.left = (columns - (std::min)(kept, columns)) / 2, part.right = columns - part.left;
  }
  return part;
}

/// The size of an image whose shorter side is that of the square canvas.
inline canvas_size covering_size(const canvas_size& canvas, int width, int height) {
  const double aspect = static_cast<double>(width) / height;
  if (aspect > 1) return {static_cast<int>(canvas.width * aspect), canvas.height};
  return {canvas.width, static_cast<int>(canvas.height / aspect)};
}

/// Half of n ≥ 0, rounded to the even number: Python's round(n / 2).
inline int half_to_even(int n) { return n / 2 + (n % 2 != 0 && n / 2 % 2 != 0 ? 1 : 0); }

/// The tiles along one side of an image: the first one's corner, in pixels of the resized image, and their number.
struct tile_run {
  int corner, count;
};

/// The tiles in the middle of a side. The middle has `canvas` pixels; if that is odd, Pillow's crop may have one pixel
/// less or more.
inline tile_run middle_tiles(int side, int canvas, int crop) {
  const int begin = half_to_even(side - canvas), pixels = half_to_even(side + canvas) - begin;
  return {begin + pixels % crop / 2, pixels / crop};
}

/// Appends the tiles of an image of the resized size, row by row.
inline void append_tiles(std::vector<image_tile>& tiles, const canvas_size& resized, const tile_run& across,
                         const tile_run& down, int crop, bool padded = false) {
  for (int y = 0; y < down.count; ++y)
    for (int x = 0; x < across.count; ++x)
      tiles.push_back({resized.width, resized.height, across.corner + x * crop, down.corner + y * crop, padded});
}

/// The squares of an image on its canvas.
inline std::vector<image_tile> tiles_of(const image_config& c, const canvas_size& canvas, int width, int height) {
  std::vector<image_tile> tiles;
  if (c.tiling.whole_image) tiles.push_back({c.crop, c.crop, 0, 0});
  const int across = canvas.width / c.crop, down = canvas.height / c.crop;
  if (c.tiling.fit == canvas_fit::pad) {
    append_tiles(tiles, canvas, {0, across}, {0, down}, c.crop, true);
  } else if (c.tiling.fit == canvas_fit::cover) {
    const canvas_size size = covering_size(canvas, width, height);
    append_tiles(tiles, size, middle_tiles(size.width, canvas.width, c.crop),
                 middle_tiles(size.height, canvas.height, c.crop), c.crop);
  } else {
    const canvas_size size = fitted_size(canvas, width, height);
    append_tiles(tiles, size, {-((canvas.width - size.width) / 2), across},
                 {-((canvas.height - size.height) / 2), down}, c.crop);
  }
  return tiles;
}

/// How the tokens of the tiles' map are numbered: among the rows of [squares; newline].
struct tile_map {
  int across, grid, first;  // tiles across, side g of a tile's tokens, square of the first tile

  int row(int y, int x) const {
    return (first + y / grid * across + x / grid) * grid * grid + y % grid * grid + x % grid;
  }
};

/// Appends the tokens of a part of the map, and `newline` after each of its rows; −1: none.
inline void append_part(image_plan& plan, const tile_map& map, const map_part& part, int newline) {
  for (int y = part.top; y < part.bottom; ++y) {
    for (int x = part.left; x < part.right; ++x) plan.token_rows.push_back(map.row(y, x));
    if (newline >= 0) plan.token_rows.push_back(newline);
  }
}

/// The two inputs of an output of a linear interpolation, and the weight of the second.
struct interpolated {
  int low, high;
  float weight;
};

/// Output i of `out`, over `in` inputs; the ends are not aligned (torch: align_corners = false), in floats as in torch.
inline interpolated interpolate(int in, int out, int i) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float at = (std::max)((static_cast<float>(i) + 0.5f) * scale - 0.5f, 0.f);
  const int low = (std::min)(static_cast<int>(at), in - 1);
  return {low, (std::min)(low + 1, in - 1), at - static_cast<float>(low)};
}

/// Appends one token of up to plan.terms rows, without weights.
inline void append_rows(image_plan& plan, std::initializer_list<int> rows) {
  plan.token_rows.insert(plan.token_rows.end(), rows);
  plan.token_rows.insert(plan.token_rows.end(), static_cast<std::size_t>(plan.terms) - rows.size(), -1);
}

/// Appends one token as a weighted sum of up to plan.terms rows.
inline void append_weighted(image_plan& plan, std::initializer_list<std::pair<int, float>> rows) {
  const std::size_t others = static_cast<std::size_t>(plan.terms) - rows.size();
  for (const auto& [row, weight] : rows) plan.token_rows.push_back(row), plan.weights.push_back(weight);
  plan.token_rows.insert(plan.token_rows.end(), others, -1), plan.weights.insert(plan.weights.end(), others, 0.f);
}

/// Appends one token, interpolated between four of a part of the map.
inline void append_interpolated(image_plan& plan, const tile_map& map, const map_part& part, const interpolated& down,
                                const interpolated& across) {
  const int above = part.top + down.low, below = part.top + down.high;
  const int left = part.left + across.low, right = part.left + across.high;
  append_weighted(plan, {{map.row(above, left), (1 - down.weight) * (1 - across.weight)},
                         {map.row(above, right), (1 - down.weight) * across.weight},
                         {map.row(below, left), down.weight * (1 - across.weight)},
                         {map.row(below, right), down.weight * across.weight}});
}

/// a // b of Python's floats.
inline int floor_of_quotient(double a, double b) {
  const double exact = (a - std::fmod(a, b)) / b, below = std::floor(exact);
  return static_cast<int>(exact - below > 0.5 ? below + 1 : below);
}

/// Appends a part of the map, interpolated to `rows` × `columns` tokens, and the newline after each row.
inline void append_shrunk(image_plan& plan, const tile_map& map, const map_part& part, int rows, int columns,
                          int newline) {
  for (int i = 0; i < rows; ++i) {
    const interpolated down = interpolate(part.bottom - part.top, rows, i);
    for (int j = 0; j < columns; ++j)
      append_interpolated(plan, map, part, down, interpolate(part.right - part.left, columns, j));
    append_weighted(plan, {{newline, 1.f}});
  }
}

/// Appends the largest values of each 2 × 2 block of a map; a last odd row or column is ignored.
inline void append_pooled(image_plan& plan, const tile_map& map, int rows, int columns) {
  for (int y = 0; y + 1 < rows; y += 2)
    for (int x = 0; x + 1 < columns; x += 2)
      append_rows(plan, {map.row(y, x), map.row(y, x + 1), map.row(y + 1, x), map.row(y + 1, x + 1)});
}

/// Sets the order of the tokens of a spatial merge. grid: the side g of a square's image tokens.
inline void merge_tiles(const image_config& c, const canvas_size& canvas, int grid, int width, int height,
                        image_plan& plan) {
  const int across = canvas.width / c.crop, down = canvas.height / c.crop, square = grid * grid;
  const tile_map map{across, grid, c.tiling.whole_image ? 1 : 0};
  if (c.tiling.merge == tile_merge::spatial) {
    for (int i = 0; i < map.first * square; ++i) plan.token_rows.push_back(i);
    return append_part(plan, map, {0, down * grid, 0, across * grid}, -1);
  }
  if (c.tiling.merge == tile_merge::pool) {
    plan.terms = 4;
    for (int i = 0; i < map.first * square; ++i) append_rows(plan, {i});
    return append_pooled(plan, map, down * grid, across * grid);
  }
  const int newline = (map.first + across * down) * square;
  const map_part part = unpadded(c.tiling, down * grid, across * grid, width, height);
  const int rows = part.bottom - part.top, columns = part.right - part.left;
  const double ratio = std::sqrt(static_cast<double>(rows) * columns /
                                 (static_cast<double>((std::max)(c.tiling.shrinks_to, 1)) * square));
  if (c.tiling.shrinks_to == 0 || ratio <= 1.1) {
    for (int i = 0; i < map.first * square; ++i) plan.token_rows.push_back(i);
    return append_part(plan, map, part, newline);
  }
  const int to_rows = floor_of_quotient(rows, ratio), to_columns = floor_of_quotient(columns, ratio);
  if (to_rows < 1 || to_columns < 1) return;  // no token: the references fail here as well
  plan.terms = 4;
  for (int i = 0; i < map.first * square; ++i) append_weighted(plan, {{i, 1.f}});
  append_shrunk(plan, map, part, to_rows, to_columns, newline);
}

inline result<image_plan> try_plan_tiles(const image_config& c, int rows, int width, int height) {
  const canvas_size canvas = best_canvas(c.tiling, width, height);
  image_plan plan;
  plan.tiles = tiles_of(c, canvas, width, height);
  if (plan.tiles.empty())
    return fail(errc::unsupported, text_of("llava: the middle of an image of ", width, " x ", height,
                                           " pixels is smaller than one tile; crop it to a square"));
  const auto too_many = [&](std::int64_t tokens) {
    return fail(errc::unsupported, text_of("llava: an image of ", width, " x ", height, " pixels has ", tokens,
                                           " image tokens, expected at most ", image_token_limit));
  };
  const std::int64_t all = std::int64_t{plan.squares()} * rows;
  if (all > image_token_limit) return too_many(all);
  plan.tokens = static_cast<int>(all);
  if (c.tiling.merge == tile_merge::flat) return plan;
  const int grid = static_cast<int>(std::lround(std::sqrt(static_cast<double>(rows))));
  if (grid * grid != rows)
    return fail(errc::mismatch, text_of("llava: the image tokens of a square are ", rows,
                                        ", which is no square grid; the tiles of an image cannot be merged to a map"));
  merge_tiles(c, canvas, grid, width, height, plan);
  plan.tokens = static_cast<int>(plan.token_rows.size()) / plan.terms;
  if (plan.tokens > image_token_limit) return too_many(plan.tokens);  // the newlines are too many
  if (plan.tokens == 0)
    return fail(errc::unsupported, text_of("llava: an image of ", width, " x ", height,
                                           " pixels is too narrow: it has no image tokens; pad it"));
  return plan;
}

}  // namespace detail

LLAVA_INLINE result<image_plan> try_plan_image(const image_config& c, int rows, int width, int height) {
  return guarded([&]() -> result<image_plan> {
    if (const std::string_view broken = first_broken_rule(c); !broken.empty())
      return fail(errc::invalid_argument, std::string(broken));
    if (width < 1 || height < 1)
      return fail(errc::invalid_argument, "llava: the image is empty, expected at least one pixel");
    LLAVA_CHECK(try_check_image_size(width, height, "the image", image_limits::most()));
    if (rows < 1)
      return fail(errc::invalid_argument, text_of("llava: a square has ", rows, " image tokens, expected at least 1"));
    if (c.tiling.count > 0) return detail::try_plan_tiles(c, rows, width, height);
    image_plan one;
    one.tokens = rows;
    return one;
  });
}

LLAVA_INLINE int most_squares(const image_config& c) {
  int most = 0;
  for (int i = 0; i < c.tiling.count; ++i) {
    const canvas_size& canvas = c.tiling.canvases[i];
    most = (std::max)(most, (canvas.width / c.crop) * (canvas.height / c.crop));
  }
  return most + (most == 0 || c.tiling.whole_image ? 1 : 0);
}

LLAVA_INLINE int most_image_tokens(const image_config& c, int rows) {
  std::int64_t most = std::int64_t{most_squares(c)} * rows;
  if (c.tiling.has_newline()) most *= 2;  // at most one newline for each token
  return static_cast<int>((std::min)(most, image_token_limit));
}

LLAVA_END
