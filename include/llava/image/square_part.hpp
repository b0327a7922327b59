// SPDX-License-Identifier: Apache-2.0
/// square_part: which part of a resized image a square of the tower shows, as image_config::shape or a tile of a plan
/// says.
#pragma once
#include <algorithm>
#include <cstdint>

#include <llava/config.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/resize.hpp>

LLAVA_BEGIN

namespace detail {

/// The middle of a side, at most `crop` pixels; `in` is resized to `out`, and the image lies in the middle of `in`.
inline resize_side centre_crop_side(int in, int out, int crop, int size) {
  const int count = (std::min)(out, crop);
  return {in, out, (out - count) / 2, count, (in - size) / 2, size};
}

/// The length of `side` when the shorter side changes from `shorter` to `shortest`; truncated.
inline int scaled_side(int side, int shorter, int shortest) {
  return static_cast<int>(static_cast<double>(std::int64_t{shortest} * side) / shorter);
}

/// The sides of the resized image that a square shows, and where they begin in it. The rest of the square is black.
struct square_part {
  resize_side across, down;
  int left, top;

  /// Whether the square shows nothing of the image.
  bool empty() const { return across.count <= 0 || down.count <= 0; }
};
/// The square of try_preprocess.
inline square_part part_of_square(int width, int height, const image_config& c) {
  const bool pads = c.shape == aspect::pad;
  const int longer = (std::max)(width, height);
  const int in_width = pads ? longer : width, in_height = pads ? longer : height;
  const int shorter = (std::min)(in_width, in_height);
  const auto resized = [&](int side) {
    return c.resize == 0 ? side : c.shape == aspect::stretch ? c.resize : scaled_side(side, shorter, c.resize);
  };
  const resize_side across = centre_crop_side(in_width, resized(in_width), c.crop, width);
  const resize_side down = centre_crop_side(in_height, resized(in_height), c.crop, height);
  return {across, down, (c.crop - across.count + 1) / 2, (c.crop - down.count + 1) / 2};
}

/// The part of a resized side that a square of `crop` pixels shows, the square beginning at `corner`; `in` is resized
/// to `out`, and the image lies in the middle of `in`.
inline resize_side tile_side(int in, int out, int crop, int corner, int size) {
  const int from = (std::max)(corner, 0);
  return {in, out, from, (std::min)(out, corner + crop) - from, (in - size) / 2, size};
}

/// The square of a tile.
inline square_part part_of_tile(int width, int height, const image_config& c, const image_tile& t) {
  const int longer = (std::max)(width, height);
  const int in_width = t.padded ? longer : width, in_height = t.padded ? longer : height;
  const resize_side across = tile_side(in_width, t.width, c.crop, t.left, width);
  const resize_side down = tile_side(in_height, t.height, c.crop, t.top, height);
  return {across, down, across.from - t.left, down.from - t.top};
}

}  // namespace detail

LLAVA_END
