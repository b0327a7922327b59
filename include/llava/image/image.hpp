// SPDX-License-Identifier: Apache-2.0
/// image: a picture in memory, 8-bit RGB, rows from the top, interleaved (H, W, 3).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// R4: checked from a file's header before anything is allocated.
namespace image_limits {
inline constexpr std::size_t encoded_bytes = std::size_t{20} << 20;
inline constexpr int side = 16384;
inline constexpr std::int64_t pixels = 89478485;  // Pillow's limit against decompression bombs
}  // namespace image_limits

class image {
 public:
  image() = default;
  /// Black. The sides are positive and within the limits: see try_check_image_size.
  image(int width, int height)
      : width_(width), height_(height), pixels_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3) {}

  int width() const { return width_; }
  int height() const { return height_; }
  /// (H, W, 3)
  std::span<const std::uint8_t> pixels() const { return pixels_; }
  std::span<std::uint8_t> pixels() { return pixels_; }
  const std::uint8_t* row(int y) const { return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) * 3; }
  std::uint8_t* row(int y) { return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) * 3; }

  friend bool operator==(const image&, const image&) = default;

 private:
  int width_ = 0, height_ = 0;
  std::vector<std::uint8_t> pixels_;
};

/// An error when a picture of this size is not taken; `name` says which.
inline result<void> try_check_image_size(std::int64_t width, std::int64_t height, std::string_view name) {
  if (width <= 0 || height <= 0)
    return fail(errc::invalid_format, text_of("llava: ", name, " is ", width, " x ", height, " pixels; both sides must be positive"));
  if (width > image_limits::side || height > image_limits::side || width * height > image_limits::pixels)
    return fail(errc::unsupported, text_of("llava: ", name, " is ", width, " x ", height, " pixels; at most ", image_limits::side,
                                           " a side and ", image_limits::pixels, " in all are taken: make it smaller"));
  return {};
}

/// Copies pixels that are in memory: `row_bytes` from one row to the next, 0 when rows follow one another.
inline result<image> try_image_from_rgb(int width, int height, std::span<const std::byte> rgb, std::size_t row_bytes = 0) {
  LLAVA_CHECK(try_check_image_size(width, height, "the picture"));
  const std::size_t used = static_cast<std::size_t>(width) * 3;
  if (row_bytes == 0) row_bytes = used;
  if (row_bytes < used || rgb.size() < used || (rgb.size() - used) / row_bytes < static_cast<std::size_t>(height) - 1)
    return fail(errc::invalid_argument, text_of("llava: a picture of ", width, " x ", height, " needs ", height, " rows of ", used,
                                                " bytes, ", row_bytes, " apart; ", rgb.size(), " bytes were given"));
  image picture(width, height);
  for (int y = 0; y < height; ++y)
    for (std::size_t i = 0; i < used; ++i)
      picture.row(y)[i] = static_cast<std::uint8_t>(rgb[static_cast<std::size_t>(y) * row_bytes + i]);
  return picture;
}

LLAVA_END
