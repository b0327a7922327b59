// SPDX-License-Identifier: Apache-2.0
/// PNG through libpng, as Pillow's convert("RGB") shows it: palettes expanded, alpha dropped without blending, greys of few
/// bits stretched, 16-bit colours cut to their high byte, gamma and colour profiles ignored.
///
/// libpng leaves by longjmp: each function that it may leave holds no object with a destructor.
#pragma once
#include <csetjmp>
#include <cstring>
#include <vector>

#include <png.h>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

class png_reader {
 public:
  png_reader(const std::byte* bytes, std::size_t n) : at_(bytes), left_(n) {
    reader_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave, [](png_structp, png_const_charp) {});
    if (reader_) info_ = png_create_info_struct(reader_);
  }
  png_reader(const png_reader&) = delete;
  png_reader& operator=(const png_reader&) = delete;
  ~png_reader() { png_destroy_read_struct(&reader_, &info_, nullptr); }

  bool read_header() {
    if (!info_ || setjmp(back_)) return false;
    png_set_read_fn(reader_, this, [](png_structp p, png_bytep to, std::size_t n) {
      auto& self = *static_cast<png_reader*>(png_get_io_ptr(p));
      if (n > self.left_) self.truncated_ = true, png_error(p, "end");
      std::memcpy(to, self.at_, n);
      self.at_ += n, self.left_ -= n;
    });
    // The size is checked by the caller before anything is allocated for it.
    png_set_user_limits(reader_, 0x7fffffff, 0x7fffffff);
    png_read_info(reader_, info_);
    return true;
  }
  bool is_grey_16() const { return png_get_bit_depth(reader_, info_) == 16 && png_get_color_type(reader_, info_) == PNG_COLOR_TYPE_GRAY; }

  /// RGB rows, `row_bytes` apart.
  bool read_pixels(std::uint8_t* to, std::size_t row_bytes) {
    if (setjmp(back_)) return false;
    const bool clip = is_grey_16();
    if (!clip) png_set_strip_16(reader_);
    if (png_get_color_type(reader_, info_) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader_);
    png_set_expand_gray_1_2_4_to_8(reader_);
    png_set_strip_alpha(reader_);
    png_set_gray_to_rgb(reader_);
    const int passes = png_set_interlace_handling(reader_);
    png_read_update_info(reader_, info_);
    if (png_get_rowbytes(reader_, info_) != row_bytes * (clip ? 2 : 1)) return false;
    const png_uint_32 height = png_get_image_height(reader_, info_);
    for (int pass = 0; pass < passes; ++pass)
      for (png_uint_32 y = 0; y < height; ++y) png_read_row(reader_, to + y * row_bytes * (clip ? 2 : 1), nullptr);
    png_read_end(reader_, nullptr);
    return true;
  }

  std::int64_t width() const { return png_get_image_width(reader_, info_); }
  std::int64_t height() const { return png_get_image_height(reader_, info_); }
  bool truncated() const { return truncated_; }

 private:
  [[noreturn]] static void leave(png_structp p, png_const_charp) {
    std::longjmp(static_cast<png_reader*>(png_get_error_ptr(p))->back_, 1);
  }

  png_structp reader_ = nullptr;
  png_infop info_ = nullptr;
  const std::byte* at_;
  std::size_t left_;
  bool truncated_ = false;
  std::jmp_buf back_;
};

inline result<image> try_decode_png(std::span<const std::byte> bytes, std::string_view name) {
  png_reader reader(bytes.data(), bytes.size());
  const auto broken = [&] {
    return fail(errc::invalid_format, text_of("llava: ", name, reader.truncated() ? " is truncated: the PNG ends before its picture does"
                                                                                  : " is not a PNG that can be decoded"));
  };
  if (!reader.read_header()) return broken();
  LLAVA_CHECK(try_check_image_size(reader.width(), reader.height(), name));
  image picture(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  const std::size_t row = static_cast<std::size_t>(picture.width()) * 3;
  if (!reader.is_grey_16()) {
    if (!reader.read_pixels(picture.row(0), row)) return broken();
    return picture;
  }
  std::vector<std::uint8_t> wide(picture.pixels().size() * 2);
  if (!reader.read_pixels(wide.data(), row)) return broken();
  for (std::size_t i = 0; i < picture.pixels().size(); ++i) picture.pixels()[i] = wide[2 * i];
  return picture;
}

}  // namespace detail

LLAVA_END
