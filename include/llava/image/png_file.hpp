// SPDX-License-Identifier: Apache-2.0
/// Decodes PNG with libpng as Pillow's convert("RGB") does: palettes are expanded (black past their end), alpha is
/// dropped without blending, grey of fewer than 8 bits is stretched, 16-bit colours are cut to their high byte, gamma
/// and colour profiles are ignored. 16-bit grey without alpha is not scaled but clipped to 255: most such images turn
/// white in Pillow, and so they do here. An image with all its rows is accepted even if the file ends before its end
/// chunk.
///
/// libpng reports errors by longjmp, so no function that it may leave holds an object with a destructor.
#pragma once
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <png.h>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

class png_reader {
 public:
  /// libpng reads compressed pixels `at_once` bytes at a time, and fails when fewer are left.
  png_reader(std::span<const std::byte> bytes, std::size_t at_once) : left_(bytes), at_once_(at_once) {
    reader_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave, [](png_structp, png_const_charp) {});
    if (reader_) info_ = png_create_info_struct(reader_);
  }
  png_reader(const png_reader&) = delete;
  png_reader& operator=(const png_reader&) = delete;
  ~png_reader() { png_destroy_read_struct(&reader_, &info_, nullptr); }

  /// @name Steps, in this order
  /// Each returns false when libpng fails.
  /// @{
  bool read_header(png_uint_32 most_pixels_a_side) {
    if (!info_ || setjmp(back_)) return false;
    png_set_read_fn(reader_, this, read);
    png_set_compression_buffer_size(reader_, at_once_);
    png_set_user_limits(reader_, most_pixels_a_side, most_pixels_a_side);
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    png_set_keep_unknown_chunks(reader_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // texts, profiles … are not read
#endif
    png_read_info(reader_, info_);
    return true;
  }
  /// Reads all rows into `pixels` (H, W, 3). If is_grey_16(), a pixel is two bytes, high and low: (H, W, 2).
  bool read_pixels(std::uint8_t* pixels) {
    if (setjmp(back_)) return truncated_ && has_all_rows();
    const std::size_t row = static_cast<std::size_t>(png_get_image_width(reader_, info_)) * (is_grey_16() ? 2 : 3);
    if (!is_grey_16()) {
      png_set_strip_16(reader_);
      if (png_get_color_type(reader_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader_);
      png_set_expand_gray_1_2_4_to_8(reader_);
      png_set_strip_alpha(reader_);
      png_set_gray_to_rgb(reader_);
    }
    const int passes = png_set_interlace_handling(reader_);
    png_read_update_info(reader_, info_);
    if (png_get_rowbytes(reader_, info_) != row) return false;
    const png_uint_32 height = png_get_image_height(reader_, info_);
    for (int pass = 0; pass < passes; ++pass)
      for (png_uint_32 y = 0; y < height; ++y) png_read_row(reader_, pixels + y * row, nullptr);
    return true;
  }
  /// Reads the chunks after the rows; this can only show that the rows are damaged.
  bool finish() {
    if (truncated_) return true;
    if (setjmp(back_)) return truncated_;
    png_read_end(reader_, nullptr);
    return true;
  }
  /// @}

  bool is_grey_16() const {
    return png_get_bit_depth(reader_, info_) == 16 && png_get_color_type(reader_, info_) == PNG_COLOR_TYPE_GRAY;
  }
  bool truncated() const { return truncated_; }
  /// After the last row libpng reads a checksum, and fails if the file ends there although all rows are decoded.
  bool has_all_rows() const {
    if (png_get_interlace_type(reader_, info_) != PNG_INTERLACE_NONE)
      return png_get_current_pass_number(reader_) >= PNG_INTERLACE_ADAM7_PASSES;
    return png_get_current_row_number(reader_) >= png_get_image_height(reader_, info_);
  }

 private:
  [[noreturn]] static void leave(png_structp p, png_const_charp) {
    std::longjmp(static_cast<png_reader*>(png_get_error_ptr(p))->back_, 1);
  }
  static void read(png_structp p, png_bytep to, std::size_t n) {
    auto& self = *static_cast<png_reader*>(png_get_io_ptr(p));
    if (n > self.left_.size()) {
      self.truncated_ = true;
      png_error(p, "");
    }
    std::memcpy(to, self.left_.data(), n);
    self.left_ = self.left_.subspan(n);
  }

  png_structp reader_ = nullptr;
  png_infop info_ = nullptr;
  std::span<const std::byte> left_;
  std::size_t at_once_;
  bool truncated_ = false;
  std::jmp_buf back_;
};

/// The big-endian 32-bit integer at the byte `at`.
inline std::int64_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value * 256 + std::to_integer<int>(bytes[at + i]);
  return value;
}

inline result<image> try_decode_png(std::span<const std::byte> bytes, std::string_view name,
                                    const image_limits& limits) {
  const auto fail_as = [&](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", name, what));
  };
  constexpr std::string_view truncated = " is truncated: the PNG ends before its image does";
  constexpr std::string_view damaged = " is not a PNG that can be decoded: it is damaged; save it again";
  // Signature, length, "IHDR", width and height are checked before libpng reads anything.
  if (bytes.size() < 24) return fail_as(truncated);
  if (std::memcmp(bytes.data() + 12, "IHDR", 4) != 0) return fail_as(damaged);
  const std::int64_t width = big_endian(bytes, 16), height = big_endian(bytes, 20);
  LLAVA_CHECK(try_check_image_size(width, height, name, limits));

  // A truncated file may have all rows and lack the checksum after them. The second attempt reads byte by byte.
  for (const std::size_t at_once : {std::size_t{1} << 16, std::size_t{1}}) {
    png_reader reader(bytes, at_once);
    if (!reader.read_header(static_cast<png_uint_32>((std::max)(width, height))))
      return fail_as(reader.truncated() ? truncated : damaged);
    image img(static_cast<int>(width), static_cast<int>(height), limits);
    std::uint8_t* pixels = img.pixels().data();
    if (!reader.read_pixels(pixels) || !reader.finish()) {
      if (reader.truncated()) continue;
      return fail_as(damaged);
    }
    if (reader.is_grey_16())  // backwards, so that nothing is overwritten before it is read
      for (std::size_t i = img.pixels().size() / 3; i-- > 0;) {
        const std::uint8_t grey = pixels[2 * i] ? 255 : pixels[2 * i + 1];
        std::fill_n(pixels + 3 * i, 3, grey);
      }
    return img;
  }
  return fail_as(truncated);
}

}  // namespace detail

LLAVA_END
