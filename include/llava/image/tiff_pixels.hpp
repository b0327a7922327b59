// SPDX-License-Identifier: Apache-2.0
/// The samples of a TIFF file as 8-bit RGB, as Pillow's convert("RGB") makes them: alpha is dropped, and colours that
/// are multiplied by it are divided by it; 16-bit colours are cut to their high byte; grey of 16 and 32 bits, and of
/// floats, is not scaled but clipped to 0 … 255; CMYK is converted without a colour profile.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// What a sample of a TIFF file is.
enum class tiff_samples { bits, high_byte, clipped, clipped_signed, clipped_float };

/// What the samples of a pixel are.
enum class tiff_colours { grey, inverted_grey, palette, rgb, rgb_times_alpha, cmyk };

struct tiff_layout {
  tiff_samples samples = tiff_samples::bits;
  tiff_colours colours = tiff_colours::grey;
  int bits = 8;       ///< of a sample: 1, 2, 4, 8, 16, 32
  int per_pixel = 1;  ///< samples
};

template <class T>
T tiff_value(const std::uint8_t* from, std::size_t i) {
  T value;
  std::memcpy(&value, from + i * sizeof(T), sizeof(T));
  return value;
}

/// Sample i of a row as a byte.
inline std::uint8_t tiff_sample(const tiff_layout& l, const std::uint8_t* row, std::size_t i) {
  const auto clipped = [](auto v) {
    return static_cast<std::uint8_t>(v > 0 ? (v < 255 ? v : static_cast<decltype(v)>(255)) : 0);  // NaN is 0
  };
  switch (l.samples) {
    case tiff_samples::bits:
      break;
    case tiff_samples::high_byte:
      return static_cast<std::uint8_t>(tiff_value<std::uint16_t>(row, i) >> 8);
    case tiff_samples::clipped:
      return clipped(tiff_value<std::uint16_t>(row, i));
    case tiff_samples::clipped_signed:
      return l.bits == 16 ? clipped(tiff_value<std::int16_t>(row, i)) : clipped(tiff_value<std::int32_t>(row, i));
    case tiff_samples::clipped_float:
      return clipped(tiff_value<float>(row, i));
  }
  const auto bits = static_cast<std::size_t>(l.bits);
  return static_cast<std::uint8_t>(row[i * bits / 8] >> (8 - bits - i * bits % 8) & ((1u << bits) - 1));
}

/// One pixel, of samples that are bytes, as RGB.
class tiff_converter {
 public:
  explicit tiff_converter(const tiff_layout& l) : layout_(l) {
    const int most = (1 << (std::min)(l.bits, 8)) - 1;  // grey of fewer than 8 bits is stretched
    for (int i = 0; i < 256; ++i) {
      const int grey = l.bits < 8 ? (std::min)(i, most) * 255 / most : i;
      const auto v = static_cast<std::uint8_t>(l.colours == tiff_colours::inverted_grey ? 255 - grey : grey);
      table_[static_cast<std::size_t>(i)] = {v, v, v};
    }
  }
  void set_colour(std::size_t index, const std::array<std::uint8_t, 3>& colour) { table_[index & 255] = colour; }

  void convert(const std::uint8_t* pixel, std::uint8_t* rgb) const {
    switch (layout_.colours) {
      case tiff_colours::grey:
      case tiff_colours::inverted_grey:
      case tiff_colours::palette:
        std::copy_n(table_[pixel[0]].begin(), 3, rgb);
        return;
      case tiff_colours::rgb:
        std::copy_n(pixel, 3, rgb);
        return;
      case tiff_colours::rgb_times_alpha:
        for (std::size_t c = 0; c < 3; ++c)
          rgb[c] = pixel[3] == 0 ? 0 : static_cast<std::uint8_t>((std::min)(pixel[c] * 255 / pixel[3], 255));
        return;
      case tiff_colours::cmyk:
        for (std::size_t c = 0; c < 3; ++c) {
          const int light = 255 - pixel[3], t = pixel[c] * light + 128;
          rgb[c] = static_cast<std::uint8_t>((std::max)(light - (((t >> 8) + t) >> 8), 0));
        }
        return;
    }
  }

 private:
  tiff_layout layout_;
  std::array<std::array<std::uint8_t, 3>, 256> table_{};
};

}  // namespace detail

LLAVA_END
