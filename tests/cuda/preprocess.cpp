// SPDX-License-Identifier: Apache-2.0
/// Preprocessing on the device: the bytes of try_cut_squares, which are those of transformers and Pillow.
#include <llava/backend/cuda/elementwise.cuh>
#include <llava/backend/cuda/resize.cuh>
#include <llava/pipeline/squares.hpp>

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

/// Checks the squares of images that have those of `plan` each, and returns the most bytes of the workspace that one
/// run of them took.
std::size_t check_squares(const std::vector<image>& images, const image_config& c, const image_plan& plan) {
  CAPTURE(images[0].width(), images[0].height(), c.resize, c.crop, static_cast<int>(c.shape),
          static_cast<int>(c.filter), c.pillow, static_cast<int>(c.tiling.fit), plan.squares());
  std::vector<std::uint8_t> expected;
  for (const image& img : images) {
    const auto squares = try_cut_squares(img, c, plan);
    REQUIRE(squares);
    for (const image& s : *squares) expected.insert(expected.end(), s.pixels().begin(), s.pixels().end());
  }
  device<cuda> d;
  const auto squares = squares_of<cuda>(d.queue, images, c, plan);
  const auto count = static_cast<std::ptrdiff_t>(images.size()) * plan.squares();
  std::vector<std::uint8_t> found;
  for (std::ptrdiff_t first = 0; first < count; first += squares_at_once) {
    const auto rgb = squares(first, (std::min)(squares_at_once, count - first));
    REQUIRE(rgb);
    std::vector<std::uint8_t> some(static_cast<std::size_t>(rgb->size()));
    download(d.queue, std::span<std::uint8_t>(some), *rgb);
    found.insert(found.end(), some.begin(), some.end());
  }
  CHECK(d.error().empty());
  CHECK(found == expected);
  return d.queue.workspace().peak();
}
std::size_t check_square(const image& img, const image_config& c) { return check_squares({img}, c, {}); }
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

TEST_CASE("cuda: all tiles of an image are cut from one upload", "[cuda]") {
  image_config c;
  c.resize = c.crop = 16;
  c.tiling.canvases[0] = {32, 32}, c.tiling.canvases[1] = {16, 48}, c.tiling.canvases[2] = {64, 32};
  const auto check = [&](int width, int height) {
    const image img = noise(width, height);
    const auto plan = try_plan_image(c, 1, width, height);
    if (!plan) FAIL(plan.error().what());
    const std::size_t peak = check_squares({img}, c, *plan);
    CHECK(peak >= img.pixels().size());
    CHECK(peak < 2 * img.pixels().size() + 40000);
    return plan->squares();
  };
  int most = 0;
  for (const canvas_fit fit : {canvas_fit::contain, canvas_fit::pad})
    for (const auto& [width, height] : {std::pair{150, 120}, {30, 200}, {200, 20}, {5, 5}, {2, 300}}) {
      c.tiling.fit = fit;
      c.tiling.count = fit == canvas_fit::contain ? 3 : 1;
      most = (std::max)(most, check(width, height));
    }
  CHECK(most == 9);  // more than the tower takes at a time
  c.tiling.fit = canvas_fit::cover;
  check(150, 120);
}

TEST_CASE("cuda: squares of frames of any sizes, and of an image that does not fit into the workspace", "[cuda]") {
  image_config c;
  c.shape = aspect::crop;
  c.resize = c.crop = 12;
  std::vector<image> frames;
  for (int i = 0; i < 6; ++i) frames.push_back(noise(20 + i, 30 - i));
  check_squares(frames, c, {});

  CHECK(check_square(noise(200, 300), c) > 200 * 300 * 3);
  CHECK(check_square(noise(900, 900), c) < 10000);  // larger than the workspace: the host cuts it
}

TEST_CASE("cuda: a workspace is planned with room for an image", "[cuda]") {
  serial_executor threads;
  cuda::queue planning(cuda(), threads, arena());
  const image_plan one;
  const std::vector<image> black(1, image(8, 8));
  image_config c;
  c.resize = c.crop = 8;
  REQUIRE(squares_of<cuda>(planning, black, c, one)(0, 1));
  CHECK(planning.workspace().peak() >= static_cast<std::size_t>(image_room));
  // A photograph of 12 megapixels in the squares of LLaVA-1.6.
  const int width = 4032, height = 3024;
  const std::size_t between = std::size_t{3024} * 336 * 3, tables = 2 * 66 * 336 * 4;
  CHECK(static_cast<std::size_t>(image_room) > std::size_t{3} * width * height + between + tables + 1000);
}

TEST_CASE("cuda: preprocessing refuses a configuration that try_cut_squares refuses, by its sentence", "[cuda]") {
  image_config c;
  c.std[1] = 0;
  const std::vector<image> images{noise(4, 4)};
  const auto expected = try_cut_squares(images[0], c, {});
  REQUIRE(!expected);
  device<cuda> d;
  const image_plan one;
  const auto refused = squares_of<cuda>(d.queue, images, c, one)(0, 1);
  REQUIRE(!refused);
  CHECK(refused.error().sentence() == expected.error().sentence());
}
