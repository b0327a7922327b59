// SPDX-License-Identifier: Apache-2.0
/// From any picture to the square that the vision tower sees, and the numbers of its bytes: LLaVA's expand2square and
/// transformers' CLIP, LLaVA and SigLIP image processors (the ones on Pillow), byte for byte.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include <llava/config.hpp>
#include <llava/image/resize.hpp>

LLAVA_BEGIN

/// On a square canvas of the longer side, in the middle, beside the mean colour: int(mean · 255).
inline image pad_to_square(const image& picture, const image_config& c) {
  const int side = std::max(picture.width(), picture.height());
  if (picture.width() == picture.height()) return picture;
  std::uint8_t fill[3];
  for (int i = 0; i < 3; ++i) fill[i] = static_cast<std::uint8_t>(static_cast<double>(c.mean[i]) * 255);
  image square(side, side);
  const int left = (side - picture.width()) / 2, top = (side - picture.height()) / 2;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int i = 0; i < 3; ++i) {
        const bool inside = x >= left && x < left + picture.width() && y >= top && y < top + picture.height();
        square.row(y)[x * 3 + i] = inside ? picture.row(y - top)[(x - left) * 3 + i] : fill[i];
      }
  return square;
}

/// The middle side × side pixels; black where the picture is smaller.
inline image centre_crop(const image& picture, int side) {
  image square(side, side);
  const auto floor_half = [](int n) { return n >= 0 ? n / 2 : -((1 - n) / 2); };
  const int left = floor_half(picture.width() - side), top = floor_half(picture.height() - side);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const int from_x = x + left, from_y = y + top;
      if (from_x < 0 || from_y < 0 || from_x >= picture.width() || from_y >= picture.height()) continue;
      std::copy_n(picture.row(from_y) + from_x * 3, 3, square.row(y) + x * 3);
    }
  return square;
}

/// The shorter side becomes `shortest`, the longer one int(shortest · long / short).
inline image resize_shortest(const image& picture, int shortest) {
  const int w = picture.width(), h = picture.height();
  const auto longer = [&](int l, int s) { return static_cast<int>(static_cast<double>(std::int64_t{shortest} * l) / s); };
  return w <= h ? resize(picture, shortest, longer(h, w)) : resize(picture, longer(w, h), shortest);
}

/// The square picture that the tower sees.
inline result<image> try_preprocess(const image& picture, const image_config& c) {
  if (picture.width() <= 0 || picture.height() <= 0) return fail(errc::invalid_argument, "llava: the picture is empty");
  if (c.shape == aspect::stretch) return resize(picture, c.resize, c.resize);
  const image whole = c.shape == aspect::pad ? pad_to_square(picture, c) : image();
  const image& source = c.shape == aspect::pad ? whole : picture;
  const std::int64_t shorter = std::min(source.width(), source.height()), longer = std::max(source.width(), source.height());
  LLAVA_CHECK(try_check_image_size(c.resize, std::max<std::int64_t>(1, c.resize * longer / shorter), "the picture, resized to its shorter side,"));
  return centre_crop(resize_shortest(source, c.resize), c.crop);
}

/// (3, 256): the number that stands for a byte in each channel: byte · rescale in double, to float; minus mean, over std in
/// float.
inline std::array<std::array<float, 256>, 3> normalise_table(const image_config& c) {
  std::array<std::array<float, 256>, 3> table{};
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[channel][byte] = (static_cast<float>(static_cast<double>(byte) * c.rescale) - c.mean[channel]) / c.std[channel];
  return table;
}

/// (3, S, S)
inline std::vector<float> pixel_values(const image& square, const std::array<std::array<float, 256>, 3>& table) {
  const std::size_t n = square.pixels().size() / 3;
  std::vector<float> values(n * 3);
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (std::size_t i = 0; i < n; ++i) values[channel * n + i] = table[channel][square.pixels()[i * 3 + channel]];
  return values;
}

LLAVA_END
