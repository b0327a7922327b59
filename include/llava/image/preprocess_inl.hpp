// SPDX-License-Identifier: Apache-2.0
/// Definitions of preprocess.hpp.
#pragma once
#include <algorithm>

#include <llava/base/guard.hpp>
#include <llava/config_rules.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/image/resize.hpp>
#include <llava/image/square.hpp>
#include <llava/image/square_part.hpp>

LLAVA_BEGIN

namespace detail {

inline result<image> try_make_square(const image& img, const image_config& c) {
  if (const std::string_view broken = first_broken_rule(c); !broken.empty())
    return fail(errc::invalid_argument, std::string(broken));
  if (img.empty()) return fail(errc::invalid_argument, "llava: the image is empty, expected at least one pixel");
  LLAVA_CHECK(try_check_image_size(c.crop, c.crop, "the square that the vision tower sees"));

  const square_part part = part_of_square(img.width(), img.height(), c);
  image square(c.crop, c.crop);
  resize_part(axis_function_of(c.filter), img, pad_colour(c), part.across, part.down, square, part.left, part.top,
              c.pillow);
  return square;
}

/// The part of a resized side that a square of `crop` pixels shows, the square beginning at `corner`; `in` is resized
/// to `out`, and the image lies in the middle of `in`.
inline resize_side tile_side(int in, int out, int crop, int corner, int size) {
  const int from = (std::max)(corner, 0);
  return {in, out, from, (std::min)(out, corner + crop) - from, (in - size) / 2, size};
}

inline image cut_tile(const image& img, const image_config& c, const image_tile& t) {
  const int longer = (std::max)(img.width(), img.height());
  const int in_width = t.padded ? longer : img.width(), in_height = t.padded ? longer : img.height();
  const resize_side across = tile_side(in_width, t.width, c.crop, t.left, img.width());
  const resize_side down = tile_side(in_height, t.height, c.crop, t.top, img.height());
  image square(c.crop, c.crop);  // black
  if (across.count > 0 && down.count > 0)
    resize_part(axis_function_of(c.filter), img, pad_colour(c), across, down, square, across.from - t.left,
                down.from - t.top, c.pillow);
  return square;
}

}  // namespace detail

LLAVA_INLINE result<std::vector<image>> try_cut_squares(const image& img, const image_config& c,
                                                        const image_plan& plan) {
  return guarded([&]() -> result<std::vector<image>> {
    std::vector<image> squares;
    if (c.tiling.count == 0) {
      LLAVA_TRY(square, detail::try_make_square(img, c));
      squares.push_back(std::move(square));
      return squares;
    }
    LLAVA_TRY(own, try_plan_image(c, 1, img.width(), img.height()));
    if (own.tiles != plan.tiles)
      return fail(errc::invalid_argument,
                  text_of("llava: the plan is not that of an image of ", img.width(), " x ", img.height(), " pixels"));
    squares.reserve(plan.tiles.size());
    for (const image_tile& t : plan.tiles) squares.push_back(detail::cut_tile(img, c, t));
    return squares;
  });
}

LLAVA_INLINE result<image> try_preprocess(const image& img, const image_config& c) {
  return guarded([&] { return detail::try_make_square(img, c); });
}

LLAVA_INLINE byte_table normalise_table(const image_config& c) {
  byte_table table{};
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const auto scaled = static_cast<float>(static_cast<double>(byte) * c.rescale);
      table[channel][byte] =
          c.normalise ? (scaled - static_cast<float>(c.mean[channel])) / static_cast<float>(c.std[channel]) : scaled;
    }
  return table;
}

LLAVA_INLINE std::vector<float> pixel_values(const image& square, const byte_table& table) {
  const std::size_t n = square.pixels().size() / 3;
  std::vector<float> values(n * 3);
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (std::size_t i = 0; i < n; ++i) values[channel * n + i] = table[channel][square.pixels()[i * 3 + channel]];
  return values;
}

LLAVA_END
