// SPDX-License-Identifier: Apache-2.0
/// image: an 8-bit RGB image in memory, rows from the top, interleaved (H, W, 3). A value: copies are deep, equality
/// compares sizes and bytes, a moved-from image is empty. No image is larger than the image_limits that it is made
/// with.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The largest images that are accepted (R4). A file's size is checked before its pixels are allocated. A caller may
/// raise any of them: `image_limits{.pixels = 178956970}`, above which Pillow refuses an image. Beyond most() no image
/// is accepted.
struct image_limits {
  std::size_t file_bytes = std::size_t{20} << 20;  ///< in a file
  int side = 16384;                                ///< in pixels
  std::int64_t pixels = 89478485;                  ///< above this Pillow warns of a decompression bomb
  int jpeg_scans = 100;                            ///< of a progressive JPEG; encoders write up to about 20

  /// What no limit can exceed: sides of 65,535 pixels, 2^30 pixels, three bytes each.
  static constexpr image_limits most() { return {~std::size_t{0}, 65535, std::int64_t{1} << 30, 1 << 30}; }
};

/// Whether an image of this size is accepted.
constexpr bool within_image_limits(std::int64_t width, std::int64_t height, const image_limits& limits = {}) {
  constexpr image_limits most = image_limits::most();
  return width > 0 && height > 0 && width <= limits.side && height <= limits.side && width <= most.side &&
         height <= most.side && width * height <= limits.pixels && width * height <= most.pixels;
}

/// An image: 8-bit RGB, (H, W, 3).
class image {
 public:
  image() = default;
  /// A black image; empty when the size is not within the limits.
  image(int width, int height, const image_limits& limits = {}) {
    if (!within_image_limits(width, height, limits)) return;
    width_ = width, height_ = height;
    pixels_.resize(static_cast<std::size_t>(height) * row_bytes());
  }
  image(const image&) = default;
  image& operator=(const image&) = default;
  image(image&& other) noexcept { swap(other); }
  image& operator=(image&& other) noexcept {
    image taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~image() = default;

  int width() const { return width_; }
  int height() const { return height_; }
  bool empty() const { return pixels_.empty(); }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width_) * 3; }
  /// (H, W, 3)
  std::span<const std::uint8_t> pixels() const { return pixels_; }
  std::span<std::uint8_t> pixels() { return pixels_; }
  /// (W, 3), for 0 ≤ y < height()
  const std::uint8_t* row(int y) const { return pixels_.data() + static_cast<std::size_t>(y) * row_bytes(); }
  std::uint8_t* row(int y) { return pixels_.data() + static_cast<std::size_t>(y) * row_bytes(); }

  void swap(image& other) noexcept {
    std::swap(width_, other.width_), std::swap(height_, other.height_);
    pixels_.swap(other.pixels_);
  }
  friend bool operator==(const image&, const image&) = default;

 private:
  int width_ = 0, height_ = 0;
  std::vector<std::uint8_t> pixels_;
};

/// Returns an error unless an image of this size is accepted; `name` names the image.
inline result<void> try_check_image_size(std::int64_t width, std::int64_t height, std::string_view name,
                                         const image_limits& limits = {}) {
  if (width <= 0 || height <= 0)
    return fail(errc::invalid_format,
                text_of("llava: ", name, " is ", width, " x ", height, " pixels, expected positive sides"));
  if (!within_image_limits(width, height, limits)) {
    constexpr image_limits most = image_limits::most();
    return fail(errc::unsupported, text_of("llava: ", name, " is ", width, " x ", height, " pixels, expected at most ",
                                           (std::min)(limits.side, most.side), " per side and ",
                                           (std::min)(limits.pixels, most.pixels), " in total; make it smaller"));
  }
  return {};
}

/// Copies RGB pixels (H, W, 3) from memory. `stride` is the number of bytes from one row to the next; 0: rows are
/// contiguous. Bytes after the last row's pixels need not exist.
inline result<image> try_image_from_rgb(int width, int height, std::span<const std::byte> rgb, std::size_t stride = 0,
                                        const image_limits& limits = {}) {
  LLAVA_CHECK(try_check_image_size(width, height, "the image", limits));
  const std::size_t used = static_cast<std::size_t>(width) * 3;
  if (stride == 0) stride = used;
  // (H − 1) · stride + used ≤ size, written without a product that could overflow
  if (stride < used || rgb.size() < used || (rgb.size() - used) / stride < static_cast<std::size_t>(height) - 1)
    return fail(errc::invalid_argument,
                text_of("llava: an image of ", width, " x ", height, " needs ", height, " rows of ", used,
                        " bytes at a stride of ", stride, "; ", rgb.size(), " bytes were given"));
  return guarded([&]() -> result<image> {
    image img(width, height, limits);
    for (int y = 0; y < height; ++y) std::memcpy(img.row(y), rgb.data() + static_cast<std::size_t>(y) * stride, used);
    return img;
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
inline image image_from_rgb(int width, int height, std::span<const std::byte> rgb, std::size_t stride = 0,
                            const image_limits& limits = {}) {
  return value_or_throw(try_image_from_rgb(width, height, rgb, stride, limits));
}
#endif

LLAVA_END
