// SPDX-License-Identifier: Apache-2.0
/// Decodes JPEG with libjpeg-turbo and Pillow's settings: the slow integer DCT, smooth upsampling, no EXIF rotation.
/// Images of four channels (CMYK, YCCK) become RGB as in Pillow's convert("RGB"); all are assumed to be stored
/// inverted, as Adobe stores them. As in Pillow, a truncated image is an error, while damaged data inside it gives
/// damaged pixels. A progressive file may have at most image_limits::jpeg_scans scans, which bounds the
/// time of decoding.
///
/// libjpeg reports errors by longjmp, so no function that it may leave holds an object with a destructor.
#pragma once
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

class jpeg_reader {
 public:
  explicit jpeg_reader(int scans) {
    progress_.scans = scans;
    reader_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = [](j_common_ptr c, int) {
      if (c->err->msg_code == JWRN_JPEG_EOF) leave(c);
    };
    errors_.base.output_message = [](j_common_ptr) {};
    progress_.base.progress_monitor = [](j_common_ptr c) {
      if (reinterpret_cast<j_decompress_ptr>(c)->input_scan_number <= reinterpret_cast<progress*>(c->progress)->scans)
        return;
      c->err->msg_code = too_many_scans;
      leave(c);
    };
  }
  jpeg_reader(const jpeg_reader&) = delete;
  jpeg_reader& operator=(const jpeg_reader&) = delete;
  ~jpeg_reader() { jpeg_destroy_decompress(&reader_); }

  /// @name Steps, in this order
  /// Each returns false when libjpeg fails; `problem()` returns the reason.
  /// @{
  bool read_header(std::span<const std::byte> bytes) {
    if (setjmp(errors_.back)) return false;
    jpeg_create_decompress(&reader_);
    reader_.progress = &progress_.base;
    jpeg_mem_src(&reader_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&reader_, TRUE);
    const bool four = reader_.jpeg_color_space == JCS_CMYK || reader_.jpeg_color_space == JCS_YCCK;
    reader_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    reader_.dct_method = JDCT_ISLOW;
    return true;
  }
  bool start() {
    if (setjmp(errors_.back)) return false;
    jpeg_start_decompress(&reader_);
    return true;
  }
  /// Reads the next row, channels() bytes per pixel.
  bool read_row(std::uint8_t* to) {
    if (setjmp(errors_.back)) return false;
    return jpeg_read_scanlines(&reader_, &to, 1) == 1;
  }
  bool finish() {
    if (setjmp(errors_.back)) return false;
    jpeg_finish_decompress(&reader_);
    return true;
  }
  /// @}

  std::int64_t width() const { return reader_.image_width; }
  std::int64_t height() const { return reader_.image_height; }
  int channels() const { return reader_.out_color_space == JCS_CMYK ? 4 : 3; }
  std::string_view problem() const {
    switch (errors_.base.msg_code) {
      case JWRN_JPEG_EOF:
        return "is truncated: the JPEG ends before its image does";
      case JERR_EMPTY_IMAGE:
        return "is a JPEG without pixels";
      case JERR_IMAGE_TOO_BIG:
        return "is a JPEG with a side of more than 65500 pixels; make it smaller";
      case JERR_BAD_PRECISION:
        return "is a JPEG without 8 bits per channel; save it with 8";
      case too_many_scans:
        return "is a JPEG with too many scans; save it again";
      default:
        return "is not a JPEG that can be decoded; save it again";
    }
  }

 private:
  static constexpr int too_many_scans = -1;
  struct errors {
    jpeg_error_mgr base;
    std::jmp_buf back;
  };
  struct progress {
    jpeg_progress_mgr base;
    int scans;
  };
  [[noreturn]] static void leave(j_common_ptr c) { std::longjmp(reinterpret_cast<errors*>(c->err)->back, 1); }

  jpeg_decompress_struct reader_{};
  progress progress_{};
  errors errors_{};
};

/// a · b / 255, rounded as in Pillow.
inline int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

inline result<image> try_decode_jpeg(std::span<const std::byte> bytes, std::string_view name,
                                     const image_limits& limits) {
  jpeg_reader reader(limits.jpeg_scans);
  const auto broken = [&] { return fail(errc::invalid_format, text_of("llava: ", name, " ", reader.problem())); };
  if (!reader.read_header(bytes)) return broken();
  LLAVA_CHECK(try_check_image_size(reader.width(), reader.height(), name, limits));
  if (!reader.start()) return broken();
  image img(static_cast<int>(reader.width()), static_cast<int>(reader.height()), limits);
  std::vector<std::uint8_t> cmyk(reader.channels() == 4 ? static_cast<std::size_t>(img.width()) * 4 : 0);
  for (int y = 0; y < img.height(); ++y) {
    std::uint8_t* to = img.row(y);
    if (!reader.read_row(cmyk.empty() ? to : cmyk.data())) return broken();
    for (std::size_t i = 0; i < cmyk.size(); i += 4) {
      const int light = cmyk[i + 3];  // stored inverted: 255 − black
      for (std::size_t c = 0; c < 3; ++c)
        *to++ = static_cast<std::uint8_t>(light - multiply_255(255 - cmyk[i + c], light));
    }
  }
  if (!reader.finish()) return broken();
  return img;
}

}  // namespace detail

LLAVA_END
