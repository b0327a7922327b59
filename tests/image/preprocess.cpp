// SPDX-License-Identifier: Apache-2.0
#include <llava/image/preprocess.hpp>
#include <llava/image/resize.hpp>
#include <llava/image/square.hpp>

#include <cstring>

#include "images.hpp"

namespace {

/// The same square, computed step by step.
llava::image step_by_step(const llava::image& img, const llava::image_config& c) {
  llava::image square = c.shape == llava::aspect::pad ? *llava::try_pad_to_square(img, llava::pad_colour(c)) : img;
  const int shorter = std::min(square.width(), square.height());
  const auto scaled = [&](int side) { return static_cast<int>(static_cast<double>(c.resize) * side / shorter); };
  return *llava::try_centre_crop(*llava::try_resize(square, scaled(square.width()), scaled(square.height()), c.pillow),
                                 c.crop);
}

}  // namespace

TEST_CASE("preprocessing gives the bytes of transformers' image processors with Pillow") {
  std::size_t compared = 0;
  for (auto& line : images::lines("squares.txt")) {
    std::string kind, numbers, shape, expected;
    int seed = 0, width = 0, height = 0, resize = 0, crop = 0;
    REQUIRE(line >> kind >> seed >> width >> height >> numbers >> shape >> resize >> crop >> expected);
    const llava::image img = images::draw(kind, seed, width, height);
    const llava::image_config c = images::setting(numbers, shape, resize, crop);
    const auto square = llava::try_preprocess(img, c);
    INFO(line.str());
    REQUIRE(square);
    CHECK(images::crc(*square) == expected);
    if (c.shape != llava::aspect::stretch && width < 50 * height && height < 50 * width)
      CHECK(step_by_step(img, c) == *square);
    ++compared;
  }
  CHECK(compared >= 140);
}

TEST_CASE("normalised values of all bytes equal transformers' bit for bit") {
  const std::string bytes = images::read("normalise.f32");
  std::vector<float> expected(bytes.size() / sizeof(float));
  REQUIRE(expected.size() == 2 * 3 * 256);
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  const float* next = expected.data();
  for (const char* numbers : {"clip", "half"})
    for (const auto& channel : llava::normalise_table(images::setting(numbers, "pad", 336, 336)))
      for (const float value : channel) CHECK(value == *next++);
}

TEST_CASE("pixel_values separates the colour channels") {
  const llava::image img = images::draw("noise", 3, 5, 5);
  const llava::byte_table table = llava::normalise_table(llava::image_config{});
  const std::vector<float> values = llava::pixel_values(img, table);
  REQUIRE(values.size() == 75);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 25; ++i) CHECK(values[c * 25 + i] == table[c][img.pixels()[i * 3 + c]]);
}

TEST_CASE("an image of 1 x 16384 is accepted, and invalid settings are refused (R4)") {
  const llava::image thin = images::draw("noise", 1, 1, 16384);
  for (const char* shape : {"pad", "crop", "stretch"}) {
    const auto square = llava::try_preprocess(thin, images::setting("clip", shape, 336, 336));
    REQUIRE(square);
    CHECK(square->width() == 336);
  }
  CHECK(llava::try_preprocess(llava::image(), {}).error().code() == llava::errc::invalid_argument);
  for (const int side : {0, -1, 16385, 1 << 30})
    for (const char* shape : {"pad", "crop", "stretch"})
      CHECK_FALSE(llava::try_preprocess(thin, images::setting("clip", shape, side, side)));
}
