// SPDX-License-Identifier: Apache-2.0
/// Generated images, and the checksums of tests/oracle/pillow_vectors.py, which documents the files in
/// tests/data/image.
#pragma once
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <llava/config.hpp>
#include <llava/image/image.hpp>
#include <llava_catch.hpp>

namespace images {

inline std::string path(const std::string& name) { return std::string(LLAVA_TEST_DATA "/image/").append(name); }

/// The lines of a file of vectors without the first, which names versions. There must be at least one.
inline std::vector<std::istringstream> lines(const std::string& name) {
  std::ifstream in(path(name));
  std::string line;
  std::getline(in, line);
  std::vector<std::istringstream> all;
  while (std::getline(in, line)) all.emplace_back(line);
  REQUIRE(!all.empty());
  return all;
}

inline std::string read(const std::string& name) {
  std::ifstream in(path(name), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  REQUIRE(!bytes.empty());
  return bytes;
}

/// zlib's crc32 as eight hexadecimal digits.
inline std::string crc(std::span<const std::uint8_t> bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = (t[i] >> 1) ^ (t[i] & 1 ? 0xedb88320u : 0u);
    }
    return t;
  }();
  std::uint32_t value = ~0u;
  for (const std::uint8_t byte : bytes) value = table[(value ^ byte) & 255] ^ (value >> 8);
  std::ostringstream out;
  out << std::hex;
  out.width(8), out.fill('0');
  out << ~value;
  return out.str();
}
inline std::string crc(const llava::image& img) { return crc(img.pixels()); }

inline int noise(int x, int y, int c, int seed) {
  const auto u = [](int v) { return static_cast<std::uint32_t>(v); };
  std::uint32_t h = (u(x) * 0x9e3779b1u) ^ (u(y) * 0x85ebca77u) ^ (u(c) * 0xc2b2ae3du) ^ (u(seed) * 0x27d4eb2fu);
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return static_cast<int>((h ^ (h >> 15)) >> 24);
}

/// Noise on a lattice of `cell` pixels, interpolated between its points.
inline int blurred(int x, int y, int c, int seed, int cell) {
  const int i = x / cell, j = y / cell, fx = x % cell, fy = y % cell;
  const int top = noise(i, j, c, seed) * (cell - fx) + noise(i + 1, j, c, seed) * fx;
  const int bottom = noise(i, j + 1, c, seed) * (cell - fx) + noise(i + 1, j + 1, c, seed) * fx;
  return (top * (cell - fy) + bottom * fy) / (cell * cell);
}

inline int gradient(int x, int y, int c, int seed) {
  const int v = (x * (seed + c) * 3 + y * (7 - c)) / 4;
  return v & 256 ? 255 - (v & 255) : v & 255;
}

inline llava::image draw(std::string_view kind, int seed, int width, int height) {
  llava::image img(width, height);
  REQUIRE(!img.empty());
  std::uint8_t* to = img.pixels().data();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        int v = 0;
        if (kind == "noise") v = noise(x, y, c, seed);
        if (kind == "gradient") v = gradient(x, y, c, seed);
        if (kind == "blocks") v = (x / seed + y / seed + c) % 2 == 0 ? 255 : 0;
        if (kind == "scene")
          v = (2 * blurred(x, y, c, seed, 64) + blurred(x, y, c, seed + 1, 16) + blurred(x, y, c, seed + 2, 4)) / 4;
        *to++ = static_cast<std::uint8_t>(v);
      }
  return img;
}

/// The mean and deviation of CLIP or SigLIP, with one way to make an image square.
inline llava::image_config setting(std::string_view numbers, std::string_view shape, int resize, int crop) {
  llava::image_config c;
  c.resize = resize, c.crop = crop;
  c.shape = shape == "stretch" ? llava::aspect::stretch : shape == "crop" ? llava::aspect::crop : llava::aspect::pad;
  if (numbers == "half")
    for (int i = 0; i < 3; ++i) c.mean[i] = c.std[i] = 0.5;
  return c;
}

}  // namespace images
