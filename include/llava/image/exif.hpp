// SPDX-License-Identifier: Apache-2.0
/// The orientation that an image file states in its EXIF data, and an image turned by it. JPEG has the data in its
/// first APP1 segment, PNG in its chunk eXIf, WebP in its chunk EXIF. XMP is not read. Data that are damaged state
/// nothing. Source: EXIF 2.32, Pillow's ImageOps.exif_transpose.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

/// Reads integers of a file in one byte order. Beyond the end are zeros.
struct exif_bytes {
  std::string_view bytes;
  bool little;

  std::size_t number(std::size_t at, std::size_t count) const {
    std::size_t value = 0;
    if (at > bytes.size() || count > bytes.size() - at) return 0;
    for (std::size_t i = 0; i < count; ++i)
      value = value * 256 + static_cast<unsigned char>(bytes[little ? at + count - 1 - i : at + i]);
    return value;
  }
};

/// The orientation, 1 to 8, that EXIF data state: a TIFF header and its first directory. 1: as stored, or nothing.
inline int orientation_of_exif(std::string_view data) {
  constexpr std::string_view prefix("Exif\0\0", 6);
  while (data.starts_with(prefix)) data.remove_prefix(prefix.size());
  const exif_bytes exif{data, data.starts_with("II")};
  if ((!exif.little && !data.starts_with("MM")) || exif.number(2, 2) != 42) return 1;
  const std::size_t directory = exif.number(4, 4), entries = exif.number(directory, 2);
  std::size_t found = 1;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > data.size()) break;
    if (exif.number(at, 2) != 0x112 || exif.number(at + 4, 4) != 1) continue;
    const std::size_t type = exif.number(at + 2, 2);  // a byte, or integers of two or four bytes
    found = exif.number(at + 8, type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0);
  }
  return found >= 1 && found <= 8 ? static_cast<int>(found) : 1;
}

inline std::string_view exif_of_jpeg(std::string_view file) {
  const exif_bytes at_place{file, false};
  for (std::size_t at = 2; at + 4 <= file.size() && file[at] == '\xff';) {
    const std::size_t marker = at_place.number(at + 1, 1);
    if (marker == 0xff) {  // a filler
      ++at;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;  // the pixels begin
    const std::size_t length = at_place.number(at + 2, 2);
    const std::string_view segment = file.substr(at + 4, length < 2 ? 0 : length - 2);
    if (marker == 0xe1 && segment.starts_with("Exif")) return segment;
    at += 2 + length;
  }
  return {};
}

inline std::string_view exif_of_png(std::string_view file) {
  const exif_bytes at_place{file, false};
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = at_place.number(at, 4);
    const std::string_view name = file.substr(at + 4, 4);
    if (name == "eXIf") return file.substr(at + 8, length);
    if (name == "IEND") break;
    at += 12 + length;
  }
  return {};
}

inline std::string_view exif_of_webp(std::string_view file) {
  const exif_bytes at_place{file, true};
  if (file.substr(12, 4) != "VP8X" || (at_place.number(20, 1) & 8) == 0) return {};  // the file says it has none
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::size_t length = at_place.number(at + 4, 4);
    if (file.substr(at, 4) == "EXIF") return file.substr(at + 8, length);
    at += 8 + length + length % 2;
  }
  return {};
}

/// The orientation of a JPEG, PNG or WebP file; 1 of any other.
inline int orientation_of_file(std::string_view file) {
  if (file.starts_with("\xff\xd8")) return orientation_of_exif(exif_of_jpeg(file));
  if (file.starts_with("\x89PNG")) return orientation_of_exif(exif_of_png(file));
  if (file.size() >= 12 && file.starts_with("RIFF") && file.substr(8, 4) == "WEBP")
    return orientation_of_exif(exif_of_webp(file));
  return 1;
}

/// The image as the orientation `value`, 1 to 8, shows it.
inline image turned(image img, int value) {
  if (value < 2 || value > 8) return img;
  const bool swaps = value >= 5;  // columns become rows
  const bool from_right = value == 2 || value == 3 || value == 7 || value == 8;
  const bool from_below = value == 3 || value == 4 || value == 6 || value == 7;
  const int width = img.width(), height = img.height();
  image to(swaps ? height : width, swaps ? width : height, image_limits::most());
  for (int y = 0; y < to.height(); ++y) {
    std::uint8_t* out = to.row(y);
    for (int x = 0; x < to.width(); ++x, out += 3) {
      const int column = swaps ? y : x, row = swaps ? x : y;
      std::memcpy(out,
                  img.row(from_below ? height - 1 - row : row) +
                      static_cast<std::size_t>(from_right ? width - 1 - column : column) * 3,
                  3);
    }
  }
  return to;
}

}  // namespace detail

LLAVA_END
