// SPDX-License-Identifier: Apache-2.0
#include <llava/image/image.hpp>

#include "images.hpp"

TEST_CASE("image has value semantics") {
  llava::image a = images::draw("noise", 1, 5, 4);
  const llava::image b = a;
  CHECK(a == b);
  a.row(3)[14] ^= 1;
  CHECK_FALSE(a == b);
  llava::image taken = std::move(a);
  CHECK(a.empty());  // NOLINT: a moved-from image is empty
  CHECK(a.width() == 0);
  CHECK(taken.width() == 5);
  CHECK(llava::image(0, 5).empty());
  CHECK(llava::image(16385, 1).empty());
  CHECK(llava::image(16384, 16384).empty());
}

TEST_CASE("raw RGB may have any stride, and must be complete (R4)") {
  const llava::image img = images::draw("scene", 2, 7, 5);
  std::vector<std::uint8_t> apart(4 * 32 + 21, 99);
  for (int y = 0; y < 5; ++y) std::memcpy(apart.data() + y * 32, img.row(y), 21);
  const auto bytes = std::as_bytes(std::span<const std::uint8_t>(apart));
  const auto read = llava::try_image_from_rgb(7, 5, bytes, 32);
  REQUIRE(read);
  CHECK(*read == img);
  CHECK(llava::try_image_from_rgb(7, 5, bytes.first(bytes.size() - 1), 32).error().code() ==
        llava::errc::invalid_argument);
  CHECK(llava::try_image_from_rgb(7, 5, bytes, 20).error().code() == llava::errc::invalid_argument);
  CHECK(llava::try_image_from_rgb(7, 5, bytes, ~std::size_t{0}).error().code() == llava::errc::invalid_argument);
  CHECK(llava::try_image_from_rgb(7, 5, {}).error().code() == llava::errc::invalid_argument);
  for (const auto& [w, h] : {std::pair{0, 5}, {5, 0}, {-1, 5}, {1 << 30, 1 << 30}, {16385, 1}})
    CHECK_FALSE(llava::try_image_from_rgb(w, h, bytes));
}
