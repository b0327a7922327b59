// SPDX-License-Identifier: Apache-2.0
#include <llava/image/tiff_file.hpp>

#include <cstdio>
#include <string>

#include <refuse_each.hpp>

#include "format_files.hpp"

namespace {

constexpr llava::image_format formats[] = {llava::tiff_format};

std::string error_of(const std::string& bytes) {
  const auto decoded = llava::try_decode_image(images::bytes_of(bytes), "x.tif", {.formats = formats});
  return decoded ? "" : decoded.error().sentence();
}

/// A little-endian file whose tag gets another value of four bytes.
std::string with_tag(std::string file, int tag, std::uint32_t value) {
  for (std::size_t at = 10; at + 12 <= file.size(); at += 12)
    if (static_cast<unsigned char>(file[at]) + 256 * static_cast<unsigned char>(file[at + 1]) == tag) {
      for (std::size_t i = 0; i < 4; ++i) file[at + 8 + i] = static_cast<char>(value >> (8 * i));
      return file;
    }
  FAIL("no tag " << tag);
  return file;
}

}  // namespace

TEST_CASE("TIFF files decode to the bytes of Pillow, turned as their tag says") {
  // Pillow converts CIELAB with a colour profile. Uncompressed YCbCr is not converted here; libtiff refuses one sample.
  CHECK(images::compare_files("tiff-", formats, {"tiff-lab", "tiff-ycbcr", "tiff-ycbcr-one"}) >= 130);
}

TEST_CASE("R4: a TIFF cut or damaged at any byte gives an image or an error that names it") {
  const auto files = images::files_of("tiff-");
  for (const char* name : {"tiff-rgb-little", "tiff-rgb-big-deflate-apart", "tiff-palette-2-little", "tiff-tiles-apart",
                           "tiff-tiles-1", "tiff-pillow-jpeg", "tiff-pillow-group4", "tiff-pillow-tiff_lzw",
                           "tiff-ycbcr-deflate", "tiff-grey-float-little"})
    images::damage(name, files.at(name).bytes, formats);
}

TEST_CASE("R2: a TIFF that is too large or too strange is refused before its pixels are allocated") {
  const auto files = images::files_of("tiff-");
  const std::string plain = files.at("tiff-rgb-little").bytes, tiles = files.at("tiff-tiles").bytes;
  CHECK(error_of(with_tag(plain, 256, 16385)).find("x.tif is 16385 x 7 pixels, expected at most 16384 per side") !=
        std::string::npos);
  CHECK(error_of(with_tag(plain, 257, 16385)).find("x.tif is 13 x 16385 pixels") != std::string::npos);
  CHECK(error_of(with_tag(plain, 257, 0xffffffff)).find("x.tif") != std::string::npos);
  CHECK(error_of(with_tag(plain, 256, 0)).find("x.tif") != std::string::npos);
  CHECK(error_of(with_tag(tiles, 322, 16000)).find("x.tif") != std::string::npos);
  CHECK(error_of(with_tag(with_tag(tiles, 322, 1 << 20), 323, 1 << 20)).find("x.tif") != std::string::npos);
  CHECK(error_of(with_tag(plain, 278, 0)).find("x.tif") != std::string::npos);
  CHECK(error_of(files.at("tiff-lab").bytes) ==
        "llava: x.tif is a TIFF of 3 samples of 8 bits, format 1, colours 8; save it as JPEG or PNG");
  CHECK(error_of(std::string("II*\0", 4)).find("llava: x.tif is a damaged TIFF") == 0);
}

TEST_CASE("R12: a TIFF that is read out of memory is an error") {
  const auto files = images::files_of("tiff-");
  for (const char* name : {"tiff-rgb-big-deflate-apart", "tiff-tiles", "tiff-ycbcr-deflate"}) {
    const std::string& file = files.at(name).bytes;
    CHECK(refuse_each([&] { return llava::try_decode_image(images::bytes_of(file), name, {.formats = formats}); }) > 1);
  }
}
