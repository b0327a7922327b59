// SPDX-License-Identifier: Apache-2.0
/// JPEG through libjpeg-turbo, with the settings of Pillow: the slow integer DCT, smooth upsampling, no EXIF rotation.
/// CMYK pictures are stored inverted, as Adobe does, and become RGB as Pillow's convert("RGB") makes them.
///
/// libjpeg leaves by longjmp: each function that it may leave holds no object with a destructor.
#pragma once
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

class jpeg_reader {
 public:
  jpeg_reader() {
    reader_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr c) { std::longjmp(reinterpret_cast<errors*>(c->err)->back, 1); };
    errors_.base.emit_message = [](j_common_ptr c, int level) {
      if (level < 0 && c->err->msg_code == JWRN_JPEG_EOF) reinterpret_cast<errors*>(c->err)->truncated = true;
    };
    jpeg_create_decompress(&reader_);
  }
  jpeg_reader(const jpeg_reader&) = delete;
  jpeg_reader& operator=(const jpeg_reader&) = delete;
  ~jpeg_reader() { jpeg_destroy_decompress(&reader_); }

  bool read_header(const std::byte* bytes, std::size_t n) {
    if (setjmp(errors_.back)) return false;
    jpeg_mem_src(&reader_, reinterpret_cast<const unsigned char*>(bytes), static_cast<unsigned long>(n));
    jpeg_read_header(&reader_, TRUE);
    const bool four = reader_.jpeg_color_space == JCS_CMYK || reader_.jpeg_color_space == JCS_YCCK;
    reader_.out_color_space = four ? JCS_CMYK : reader_.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    reader_.dct_method = JDCT_ISLOW;
    return true;
  }
  /// Rows of `channels()` bytes a pixel, `row_bytes` apart.
  bool read_pixels(std::uint8_t* to, std::size_t row_bytes) {
    if (setjmp(errors_.back)) return false;
    jpeg_start_decompress(&reader_);
    while (reader_.output_scanline < reader_.output_height && !errors_.truncated) {
      JSAMPROW row = to + row_bytes * reader_.output_scanline;
      jpeg_read_scanlines(&reader_, &row, 1);
    }
    if (!errors_.truncated) jpeg_finish_decompress(&reader_);
    return !errors_.truncated;
  }

  std::int64_t width() const { return reader_.image_width; }
  std::int64_t height() const { return reader_.image_height; }
  int channels() const { return reader_.out_color_space == JCS_CMYK ? 4 : reader_.out_color_space == JCS_GRAYSCALE ? 1 : 3; }
  bool truncated() const { return errors_.truncated; }

 private:
  struct errors {
    jpeg_error_mgr base;
    std::jmp_buf back;
    bool truncated;
  };
  jpeg_decompress_struct reader_{};
  errors errors_{};
};

/// a · b / 255, rounded as Pillow rounds.
inline int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

inline result<image> try_decode_jpeg(std::span<const std::byte> bytes, std::string_view name) {
  jpeg_reader reader;
  const auto broken = [&] {
    return fail(errc::invalid_format, text_of("llava: ", name, reader.truncated() ? " is truncated: the JPEG ends before its picture does"
                                                                                  : " is not a JPEG that can be decoded"));
  };
  if (!reader.read_header(bytes.data(), bytes.size())) return broken();
  LLAVA_CHECK(try_check_image_size(reader.width(), reader.height(), name));
  image picture(static_cast<int>(reader.width()), static_cast<int>(reader.height()));
  if (reader.channels() == 3) {
    if (!reader.read_pixels(picture.row(0), static_cast<std::size_t>(picture.width()) * 3)) return broken();
    return picture;
  }
  const auto channels = static_cast<std::size_t>(reader.channels());
  const std::size_t count = static_cast<std::size_t>(picture.width()) * static_cast<std::size_t>(picture.height());
  std::vector<std::uint8_t> values(count * channels);
  if (!reader.read_pixels(values.data(), static_cast<std::size_t>(picture.width()) * channels)) return broken();
  std::uint8_t* to = picture.row(0);
  for (std::size_t i = 0; i < count; ++i, to += 3) {
    const std::uint8_t* from = &values[i * channels];
    const int key = channels == 4 ? from[3] : 0;  // stored inverted: this is 255 − K
    for (int c = 0; c < 3; ++c)
      to[c] = channels == 1 ? from[0] : static_cast<std::uint8_t>(key - multiply_255(255 - from[c], key));
  }
  return picture;
}

}  // namespace detail

LLAVA_END
