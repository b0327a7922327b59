// SPDX-License-Identifier: Apache-2.0
// Makes an image small as a vision tower wants it; with llava::image_files, a PNG file is decoded first. The other
// parts are used so far that their libraries are linked.
#include <llava.hpp>
#ifdef IMAGE_FILES
#include <llava/image/file.hpp>
#endif
#ifdef ANIMATION_FILES
#include <llava/image/animation_file.hpp>
#endif
#ifdef TIFF_FILES
#include <llava/image/tiff_file.hpp>
#endif
#ifdef VIDEO_FILES
#include <llava/image/video_file.hpp>
#endif
#ifdef EIGEN
#include <llava/backend/eigen.hpp>
#endif
#ifdef SERVE_TLS
#include <llava/serve/openssl_client.hpp>
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <span>

namespace {

constexpr std::array<std::uint8_t, 3> colour{200, 100, 50};

#ifdef IMAGE_FILES
// One pixel of that colour.
constexpr std::uint8_t png[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
                                0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00,
                                0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78,
                                0xda, 0x63, 0x38, 0x91, 0x62, 0x04, 0x00, 0x03, 0x56, 0x01, 0x5f, 0xd6, 0xea, 0x57,
                                0xfe, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
llava::result<llava::image> one_pixel() { return llava::try_decode_image(std::as_bytes(std::span(png))); }
#else
llava::result<llava::image> one_pixel() { return llava::try_image_from_rgb(1, 1, std::as_bytes(std::span(colour))); }
#endif

}  // namespace

int main() {
#ifdef ANIMATION_FILES
  if (llava::try_decode_animation(std::as_bytes(std::span("GIF89a, then nothing")))) return 1;
#endif
#ifdef TIFF_FILES
  if (llava::tiff_format.decode(std::as_bytes(std::span("II*")), "x.tif", {})) return 1;
#endif
#ifdef VIDEO_FILES
  if (llava::try_read_video("no_such_file.mp4")) return 1;
#endif
#ifdef SERVE_TLS
  if (!llava::serve::openssl_client::try_make()) return 1;
#endif
  const auto pixel = one_pixel();
  if (!pixel) return std::fprintf(stderr, "%s\n", pixel.error().what()), 1;
  const auto square = llava::try_preprocess(*pixel, llava::image_config{});
  if (!square) return std::fprintf(stderr, "%s\n", square.error().what()), 1;
  std::printf("one pixel as an image of %d x %d\n", square->width(), square->height());
  const bool right =
      square->width() == 336 && square->height() == 336 && std::ranges::equal(std::span(square->row(335), 3), colour);
  return right ? 0 : 1;
}
