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

inline result<void> try_check_square(const image& img, const image_config& c) {
  if (const std::string_view broken = first_broken_rule(c); !broken.empty())
    return fail(errc::invalid_argument, std::string(broken));
  if (img.empty()) return fail(errc::invalid_argument, "llava: the image is empty, expected at least one pixel");
  return try_check_image_size(c.crop, c.crop, "the square that the vision tower sees");
}

inline image cut_square(const image& img, const image_config& c, const square_part& part) {
  image square(c.crop, c.crop);  // black
  if (!part.empty())
    resize_part(axis_function_of(c.filter), img, pad_colour(c), part.across, part.down, square, part.left, part.top,
                c.pillow);
  return square;
}

LLAVA_INLINE result<std::vector<square_part>> try_parts(const image& img, const image_config& c,
                                                        const image_plan& plan) {
  std::vector<square_part> parts;
  if (c.tiling.count == 0) {
    LLAVA_CHECK(try_check_square(img, c));
    parts.push_back(part_of_square(img.width(), img.height(), c));
    return parts;
  }
  LLAVA_TRY(own, try_plan_image(c, 1, img.width(), img.height()));
  if (own.tiles != plan.tiles)
    return fail(errc::invalid_argument,
                text_of("llava: the plan is not that of an image of ", img.width(), " x ", img.height(), " pixels"));
  for (const image_tile& t : plan.tiles) parts.push_back(part_of_tile(img.width(), img.height(), c, t));
  return parts;
}

}  // namespace detail

LLAVA_INLINE result<std::vector<image>> try_cut_squares(const image& img, const image_config& c,
                                                        const image_plan& plan) {
  return guarded([&]() -> result<std::vector<image>> {
    LLAVA_TRY(parts, detail::try_parts(img, c, plan));
    std::vector<image> squares;
    squares.reserve(parts.size());
    for (const detail::square_part& part : parts) squares.push_back(detail::cut_square(img, c, part));
    return squares;
  });
}

LLAVA_INLINE result<image> try_preprocess(const image& img, const image_config& c) {
  return guarded([&]() -> result<image> {
    LLAVA_CHECK(detail::try_check_square(img, c));
    return detail::cut_square(img, c, detail::part_of_square(img.width(), img.height(), c));
  });
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
