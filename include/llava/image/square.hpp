// SPDX-License-Identifier: Apache-2.0
/// Two ways to a square image that keep the aspect ratio: LLaVA's expand2square, and the centre crop of transformers'
/// image processors. Both return the reference's bytes. `try_preprocess` does the same without intermediate images;
/// these functions are for looking at one step, and for tests.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <llava/base/guard.hpp>
#include <llava/config.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

/// The padding colour: int(mean · 255), (122, 116, 104) for CLIP.
inline std::array<std::uint8_t, 3> pad_colour(const image_config& c) {
  std::array<std::uint8_t, 3> colour{};
  for (std::size_t i = 0; i < 3; ++i) colour[i] = static_cast<std::uint8_t>(std::clamp(c.mean[i] * 255, 0.0, 255.0));
  return colour;
}

/// Centres the image on a square canvas with the side of its longer side; an odd pixel goes right or below. Errors: the
/// canvas is not within the limits.
inline result<image> try_pad_to_square(const image& img, const std::array<std::uint8_t, 3>& colour,
                                       const image_limits& limits = {}) {
  return guarded([&]() -> result<image> {
    const int side = (std::max)(img.width(), img.height());
    LLAVA_CHECK(try_check_image_size(side, side, "the image, padded to a square,", limits));
    if (img.width() == img.height()) return img;
    image square(side, side, limits);
    for (std::size_t i = 0; i < square.pixels().size(); ++i) square.pixels()[i] = colour[i % 3];
    const int left = (side - img.width()) / 2, top = (side - img.height()) / 2;
    for (int y = 0; y < img.height(); ++y)
      std::memcpy(square.row(top + y) + static_cast<std::size_t>(left) * 3, img.row(y), img.row_bytes());
    return square;
  });
}

/// Returns the central side × side pixels, black where there are none. An odd pixel is cut right or below, and an odd
/// black row or column is added left or above.
inline result<image> try_centre_crop(const image& img, int side) {
  return guarded([&]() -> result<image> {
    LLAVA_CHECK(try_check_image_size(side, side, "the centre crop"));
    image square(side, side);
    const int width = (std::min)(side, img.width()), height = (std::min)(side, img.height());
    const int from_x = (img.width() - width) / 2, from_y = (img.height() - height) / 2;
    const int to_x = (side - width + 1) / 2, to_y = (side - height + 1) / 2;
    for (int y = 0; y < height; ++y)
      std::memcpy(square.row(to_y + y) + static_cast<std::size_t>(to_x) * 3,
                  img.row(from_y + y) + static_cast<std::size_t>(from_x) * 3, static_cast<std::size_t>(width) * 3);
    return square;
  });
}

LLAVA_END
