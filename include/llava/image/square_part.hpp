// SPDX-License-Identifier: Apache-2.0
/// square_part: which part of a resized image the tower's square shows, as image_config::shape says.
#pragma once
#include <algorithm>
#include <cstdint>

#include <llava/config.hpp>
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

/// The sides of the resized image that a square shows, and where they begin in it.
struct square_part {
  resize_side across, down;
  int left, top;
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

}  // namespace detail

LLAVA_END
