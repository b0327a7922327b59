// SPDX-License-Identifier: Apache-2.0
/// Preprocessing on the device: the bytes of try_preprocess, which are those of transformers and Pillow.
#include <llava/backend/cuda/resize.cuh>
#include <llava/image/preprocess_on_device.hpp>

#include "backend/backends.hpp"

using namespace llava;
static_assert(ops::has_resize<cuda>);

namespace {
image noise(int width, int height) {
  image img(width, height);
  std::mt19937 engine(static_cast<unsigned>(width * 1000 + height));
  for (std::uint8_t& v : img.pixels()) v = static_cast<std::uint8_t>(engine() % 3 == 0 ? 255 : engine());
  return img;
}
std::vector<std::uint8_t> bytes_of(const image& img) { return {img.pixels().begin(), img.pixels().end()}; }

void check_square(const image& img, const image_config& c) {
  CAPTURE(img.width(), img.height(), c.resize, c.crop, static_cast<int>(c.shape), static_cast<int>(c.filter), c.pillow);
  const auto expected = try_preprocess(img, c);
  REQUIRE(expected);
  device<cuda> d;
  const auto pixels = d.put(bytes_of(img), img.height());
  const auto square = d.put(std::vector<std::uint8_t>(static_cast<std::size_t>(3 * c.crop * c.crop), 77), c.crop);
  preprocess_on_device(d.queue, square.matrix(), matrix_view<const std::uint8_t>(pixels), c);
  CHECK(d.get(square) == bytes_of(*expected));
}
}  // namespace

TEST_CASE("cuda: preprocessing has the bytes of the CPU, for all shapes, filters and releases", "[cuda]") {
  for (const auto& [width, height] : {std::pair{40, 23}, {23, 61}, {9, 9}, {1, 200}, {300, 2}})
    for (const aspect shape : {aspect::pad, aspect::crop, aspect::stretch}) {
      image_config c;
      c.shape = shape;
      c.resize = c.crop = 17;
      c.filter = width == 40 ? resampling::bilinear : width == 23 ? resampling::lanczos : resampling::bicubic;
      c.pillow = height == 61 ? 12 : 13;
      check_square(noise(width, height), c);
    }
}

TEST_CASE("cuda: preprocessing crops, and leaves black where there is no image", "[cuda]") {
  image_config c;
  c.shape = aspect::crop;
  c.resize = 12, c.crop = 20;  // narrower than the square
  check_square(noise(30, 24), c);
  check_square(noise(90, 24), c);
  c.resize = 30;  // cropped on all sides
  check_square(noise(45, 64), c);
  c.resize = 0;  // not resized
  check_square(noise(31, 15), c);
}

TEST_CASE("cuda: preprocessing refuses a configuration that try_preprocess refuses, by its sentence", "[cuda]") {
  image_config c;
  c.crop = 0;
  const auto expected = try_preprocess(noise(4, 4), c);
  REQUIRE(!expected);
  device<cuda> d;
  const auto pixels = d.put(bytes_of(noise(4, 4)), 4);
  preprocess_on_device(d.queue, matrix_view<std::uint8_t>(), matrix_view<const std::uint8_t>(pixels), c);
  CHECK(d.error() == expected.error().sentence());
}
