// SPDX-License-Identifier: Apache-2.0
#include <llava/image/resize.hpp>

#include "images.hpp"

TEST_CASE("resize gives the bytes of Pillow 13, and those of the releases before it") {
  for (const auto& [name, pillow] : {std::pair{"resize.txt", 13}, {"resize_12.txt", 12}}) {
    std::size_t compared = 0;
    for (auto& line : images::lines(name)) {
      std::string kind, filter, expected;
      int seed = 0, width = 0, height = 0, to_width = 0, to_height = 0;
      REQUIRE(line >> kind >> seed >> width >> height >> filter >> to_width >> to_height >> expected);
      const llava::image img = images::draw(kind, seed, width, height);
      const auto resized = filter == "bicubic"    ? llava::try_resize<llava::bicubic>(img, to_width, to_height, pillow)
                           : filter == "bilinear" ? llava::try_resize<llava::bilinear>(img, to_width, to_height, pillow)
                                                  : llava::try_resize<llava::lanczos>(img, to_width, to_height, pillow);
      REQUIRE(resized);
      INFO(name << ": " << line.str());
      CHECK(images::crc(*resized) == expected);
      ++compared;
    }
    CHECK(compared >= 200);
  }
}

TEST_CASE("resize refuses empty images and invalid sizes (R4)") {
  CHECK(llava::try_resize(llava::image(), 3, 3).error().code() == llava::errc::invalid_argument);
  const llava::image img = images::draw("noise", 1, 4, 4);
  CHECK(llava::try_resize(img, 0, 3).error().code() == llava::errc::invalid_format);
  CHECK(llava::try_resize(img, 3, -1).error().code() == llava::errc::invalid_format);
  CHECK(llava::try_resize(img, 16385, 1).error().code() == llava::errc::unsupported);
  CHECK(llava::try_resize(img, 16384, 16384).error().code() == llava::errc::unsupported);
}

TEST_CASE("an image of one colour keeps its colour at every size") {
  for (const std::uint8_t colour : std::initializer_list<std::uint8_t>{0, 1, 127, 254, 255})
    for (const auto& [width, height] : {std::pair{1, 700}, {331, 17}, {64, 64}}) {
      llava::image img(width, height);
      for (auto& byte : img.pixels()) byte = colour;
      const auto resized = llava::try_resize(img, 101, 57);
      REQUIRE(resized);
      bool same = true;
      for (const auto byte : resized->pixels()) same = same && byte == colour;
      CHECK(same);
    }
}
