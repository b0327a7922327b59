// SPDX-License-Identifier: Apache-2.0
/// The files of tests/data/image/formats.pack and what Pillow reads of them (tests/oracle/more_image_files.py).
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/image/file.hpp>

#include "images.hpp"

namespace images {

/// What Pillow reads of a file: width, height, crc; empty if it refuses the file.
struct expected_file {
  std::string bytes, plain, turned;
};

inline std::span<const std::byte> bytes_of(std::string_view s) { return std::as_bytes(std::span(s.data(), s.size())); }

/// The files whose names begin with `start`, by name.
inline std::map<std::string, expected_file> files_of(std::string_view start) {
  const std::string pack = read("formats.pack");
  std::map<std::string, expected_file> all;
  for (auto& line : lines("formats.txt")) {
    std::string name, words[6];
    std::size_t at = 0, size = 0;
    REQUIRE(line >> name >> at >> size >> words[0]);
    REQUIRE(at + size <= pack.size());
    if (!name.starts_with(start)) continue;
    expected_file& file = all[name];
    file.bytes = pack.substr(at, size);
    if (words[0] == "error") continue;
    for (int i = 1; i < 6; ++i) REQUIRE(line >> words[i]);
    file.plain = words[0] + " " + words[1] + " " + words[2], file.turned = words[3] + " " + words[4] + " " + words[5];
  }
  return all;
}

inline std::string words_of(const llava::image& img) {
  return std::to_string(img.width()) + " " + std::to_string(img.height()) + " " + crc(img);
}

/// Decodes the files, as stored and turned, and compares them with Pillow's. `refused`: those that are errors here
/// although Pillow reads them. Returns the number of files that are read.
inline int compare_files(std::string_view start, std::span<const llava::image_format> formats,
                         const std::vector<std::string>& refused = {}) {
  int read = 0;
  for (const auto& [name, file] : files_of(start)) {
    INFO(name);
    const bool error = file.plain.empty() || std::find(refused.begin(), refused.end(), name) != refused.end();
    for (const auto exif : {llava::orientation::ignore, llava::orientation::apply}) {
      const auto decoded = llava::try_decode_image(bytes_of(file.bytes), name, {.exif = exif, .formats = formats});
      CAPTURE(decoded ? std::string() : decoded.error().sentence());
      REQUIRE(decoded.has_value() != error);
      if (error) CHECK(decoded.error().sentence().find(name) != std::string::npos);
      if (!error) CHECK(words_of(*decoded) == (exif == llava::orientation::ignore ? file.plain : file.turned));
    }
    if (!error) ++read;
  }
  return read;
}

/// A file cut or damaged at any byte must give an image or an error that names it (R4).
inline void damage(const std::string& name, const std::string& whole, std::span<const llava::image_format> formats) {
  const std::size_t step = whole.size() > 1000 ? 7 : 1;
  for (std::size_t i = 2; i < whole.size(); i += step)
    for (const int flip : {0, 0x01, 0x80, 0xff}) {
      std::string damaged = flip == 0 ? whole.substr(0, i) : whole;
      if (flip != 0) damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const auto decoded = llava::try_decode_image(bytes_of(damaged), name, {.formats = formats});
      if (decoded ? decoded->empty() : decoded.error().sentence().find(name) == std::string::npos)
        FAIL(name << ": byte " << i);
    }
}

}  // namespace images
