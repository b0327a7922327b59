// SPDX-License-Identifier: Apache-2.0
/// Decodes the first image of a TIFF file with libtiff, as Pillow's convert("RGB") does (tiff_pixels.hpp). It is turned
/// as its tag Orientation says, as Pillow does without being asked. Strips and tiles, samples together or apart, and
/// all compressions of the installed libtiff are read. Errors: damaged, truncated, and what Pillow does not convert,
/// such as CIELAB and uncompressed YCbCr. Opt-in: link libtiff (target llava::tiff_files).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/image/exif.hpp>
#include <llava/image/file_options.hpp>
#include <llava/image/tiff_memory_file.hpp>
#include <llava/image/tiff_pixels.hpp>

LLAVA_BEGIN

namespace detail {

class tiff_reader {
 public:
  /// `bytes` and `name` must outlive it.
  tiff_reader(std::span<const std::byte> bytes, std::string_view name) : name_(name), file_(bytes) {}

  result<image> try_decode(const image_limits& limits) {
    if (!file_.get()) return damaged("libtiff cannot open it");
    std::uint32_t width = 0, height = 0;
    if (!TIFFGetField(file_.get(), TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(file_.get(), TIFFTAG_IMAGELENGTH, &height))
      return damaged("it states no size");
    LLAVA_CHECK(try_check_image_size(width, height, name_, limits));
    LLAVA_CHECK(try_read_layout());
    image_ = image(static_cast<int>(width), static_cast<int>(height), limits);
    if (through_rgba_)
      LLAVA_CHECK(try_read_rgba());
    else
      LLAVA_CHECK(try_read_samples());
    return turned(std::move(image_), tag(TIFFTAG_ORIENTATION));
  }

 private:
  error damaged(std::string_view what) const {
    return fail(errc::invalid_format, text_of("llava: ", name_, " is a damaged TIFF: ", what));
  }
  error unsupported(std::string_view what) const {
    return fail(errc::unsupported, text_of("llava: ", name_, " is a TIFF ", what, "; save it as JPEG or PNG"));
  }

  int tag(std::uint32_t name) const { return file_.tag(name); }

  /// Finds out what the samples are.
  result<void> try_read_layout() {
    const int format = tag(TIFFTAG_SAMPLEFORMAT), compression = tag(TIFFTAG_COMPRESSION);
    std::uint16_t colours = 0, extra = 0, *extras = nullptr;
    if (!TIFFGetField(file_.get(), TIFFTAG_PHOTOMETRIC, &colours)) colours = PHOTOMETRIC_MINISWHITE;
    if (!TIFFGetField(file_.get(), TIFFTAG_EXTRASAMPLES, &extra, &extras)) extra = 0;
    layout_.bits = tag(TIFFTAG_BITSPERSAMPLE), layout_.per_pixel = tag(TIFFTAG_SAMPLESPERPIXEL);
    apart_ = tag(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE && layout_.per_pixel > 1;
    const int bits = layout_.bits, n = layout_.per_pixel;
    const auto unknown = [&] {
      return unsupported(text_of("of ", n, " samples of ", bits, " bits, format ", format, ", colours ", colours));
    };
    if (colours == PHOTOMETRIC_YCBCR && n == 3 && bits == 8 && compression != COMPRESSION_NONE) {
      layout_.colours = tiff_colours::rgb;
      through_rgba_ = compression != COMPRESSION_JPEG || apart_;
      if (!through_rgba_) TIFFSetField(file_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      return {};
    }
    const bool white = colours == PHOTOMETRIC_MINISWHITE;
    const bool grey = white || colours == PHOTOMETRIC_MINISBLACK;
    const int own = colours == PHOTOMETRIC_RGB ? 3 : colours == PHOTOMETRIC_SEPARATED ? 4 : 1;
    const bool times_alpha = extra > 0 && extras[0] == EXTRASAMPLE_ASSOCALPHA && n > own;
    if (grey && n == 1 && try_read_grey(format, white)) return {};
    if (format != SAMPLEFORMAT_UINT || n < own || n > 6) return unknown();
    if (own > 1 && bits == 16) layout_.samples = tiff_samples::high_byte;
    if (grey && !white && n == 2 && bits == 8 && !times_alpha) return {};
    if (colours == PHOTOMETRIC_PALETTE && (n == 1 ? is_small(bits) : n == 2 && bits == 8) && !times_alpha) {
      layout_.colours = tiff_colours::palette;
      return {};
    }
    if (bits != 8 && bits != 16) return unknown();
    if (colours == PHOTOMETRIC_RGB) {
      layout_.colours = times_alpha ? tiff_colours::rgb_times_alpha : tiff_colours::rgb;
      return {};
    }
    if (colours == PHOTOMETRIC_SEPARATED && tag(TIFFTAG_INKSET) == INKSET_CMYK) {
      layout_.colours = tiff_colours::cmyk;
      return {};
    }
    return unknown();
  }

  static bool is_small(int bits) { return bits == 1 || bits == 2 || bits == 4 || bits == 8; }

  /// Whether grey of one sample is read, and how. In Pillow white is zero in integers of up to 8 bits alone.
  bool try_read_grey(int format, bool white) {
    const int bits = layout_.bits;
    if (format == SAMPLEFORMAT_UINT && is_small(bits)) {
      if (white) layout_.colours = tiff_colours::inverted_grey;
      return true;
    }
    if (format == SAMPLEFORMAT_INT && bits == 8) return !white;
    if (format == SAMPLEFORMAT_UINT && bits == 16) {
      layout_.samples = tiff_samples::clipped;
      return !white || !TIFFIsBigEndian(file_.get());
    }
    if ((format == SAMPLEFORMAT_INT && bits == 16) || (format <= SAMPLEFORMAT_INT && bits == 32)) {
      layout_.samples = tiff_samples::clipped_signed;
      return !white;
    }
    layout_.samples = tiff_samples::clipped_float;
    return format == SAMPLEFORMAT_IEEEFP && bits == 32;
  }

  result<void> try_read_samples() {
    tiff_converter to_rgb(layout_);
    if (layout_.colours == tiff_colours::palette) {
      std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
      if (!TIFFGetField(file_.get(), TIFFTAG_COLORMAP, &red, &green, &blue)) return damaged("it has no palette");
      for (std::size_t i = 0; i < std::size_t{1} << layout_.bits; ++i)
        to_rgb.set_colour(i, {static_cast<std::uint8_t>(red[i] >> 8), static_cast<std::uint8_t>(green[i] >> 8),
                              static_cast<std::uint8_t>(blue[i] >> 8)});
    }
    const auto per_pixel = static_cast<std::size_t>(layout_.per_pixel);
    const int planes = apart_ ? layout_.per_pixel : 1;
    // Samples that are apart are collected; others become RGB at once.
    if (apart_) samples_.resize(image_.pixels().size() / 3 * per_pixel);
    std::vector<std::uint8_t> pixel(per_pixel);
    const auto put = [&](const std::uint8_t* from, int x, int y, int count, int plane) {
      for (int i = 0; i < count; ++i) {
        const auto at =
            static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width()) + static_cast<std::size_t>(x + i);
        if (apart_) {
          samples_[at * per_pixel + static_cast<std::size_t>(plane)] =
              tiff_sample(layout_, from, static_cast<std::size_t>(i));
          continue;
        }
        for (std::size_t s = 0; s < per_pixel; ++s)
          pixel[s] = tiff_sample(layout_, from, static_cast<std::size_t>(i) * per_pixel + s);
        to_rgb.convert(pixel.data(), image_.pixels().data() + at * 3);
      }
    };
    for (int plane = 0; plane < planes; ++plane)
      if (TIFFIsTiled(file_.get()))
        LLAVA_CHECK(try_read_tiles(plane, put));
      else
        LLAVA_CHECK(try_read_rows(plane, put));
    for (std::size_t at = 0; at < samples_.size() / per_pixel; ++at)
      to_rgb.convert(samples_.data() + at * per_pixel, image_.pixels().data() + at * 3);
    return {};
  }

  /// The bytes of `count` pixels in one row.
  std::size_t bytes_of(std::size_t count) const {
    const std::size_t samples = apart_ ? count : count * static_cast<std::size_t>(layout_.per_pixel);
    return (samples * static_cast<std::size_t>(layout_.bits) + 7) / 8;
  }
  error lacks_pixels() const { return damaged("an image has not all its pixels"); }

  template <class Put>
  result<void> try_read_rows(int plane, const Put& put) {
    const tmsize_t size = TIFFScanlineSize(file_.get());
    if (size < static_cast<tmsize_t>(bytes_of(static_cast<std::size_t>(image_.width())))) return lacks_pixels();
    if (size > static_cast<tmsize_t>(2 * bytes_of(static_cast<std::size_t>(image_.width())) + 64))
      return lacks_pixels();
    std::vector<std::uint8_t> row(static_cast<std::size_t>(size));
    for (int y = 0; y < image_.height(); ++y) {
      if (TIFFReadScanline(file_.get(), row.data(), static_cast<std::uint32_t>(y), static_cast<std::uint16_t>(plane)) <
          0)
        return lacks_pixels();
      put(row.data(), 0, y, image_.width(), plane);
    }
    return {};
  }

  template <class Put>
  result<void> try_read_tiles(int plane, const Put& put) {
    std::uint32_t across = 0, down = 0;
    TIFFGetField(file_.get(), TIFFTAG_TILEWIDTH, &across);
    TIFFGetField(file_.get(), TIFFTAG_TILELENGTH, &down);
    const tmsize_t size = TIFFTileSize(file_.get()), row = TIFFTileRowSize(file_.get());
    if (across == 0 || down == 0 || size <= 0 || row <= 0) return damaged("a tile has no size");
    if (size > most_tile_bytes)
      return unsupported(text_of("with tiles of ", size, " bytes, expected at most ", most_tile_bytes));
    if (static_cast<std::size_t>(row) < bytes_of(across) || size / row < static_cast<tmsize_t>(down))
      return lacks_pixels();
    std::vector<std::uint8_t> tile(static_cast<std::size_t>(size));
    const auto width = static_cast<std::uint32_t>(image_.width()), height = static_cast<std::uint32_t>(image_.height());
    for (std::uint32_t y = 0; y < height; y += down)
      for (std::uint32_t x = 0; x < width; x += across) {
        if (TIFFReadTile(file_.get(), tile.data(), x, y, 0, static_cast<std::uint16_t>(plane)) != size)
          return lacks_pixels();
        for (std::uint32_t i = 0; i < (std::min)(down, height - y); ++i)
          put(tile.data() + static_cast<std::size_t>(row) * i, static_cast<int>(x), static_cast<int>(y + i),
              static_cast<int>((std::min)(across, width - x)), plane);
      }
    return {};
  }

  /// YCbCr is converted by libtiff, strip by strip or tile by tile, as in Pillow.
  result<void> try_read_rgba() {
    char why[1024] = {};
    if (!TIFFRGBAImageOK(file_.get(), why)) return unsupported("whose colours libtiff cannot convert");
    const auto width = static_cast<std::uint32_t>(image_.width()), height = static_cast<std::uint32_t>(image_.height());
    std::uint32_t across = width, down = height;
    const bool tiled = TIFFIsTiled(file_.get()) != 0;
    if (tiled) {
      TIFFGetField(file_.get(), TIFFTAG_TILEWIDTH, &across);
      TIFFGetField(file_.get(), TIFFTAG_TILELENGTH, &down);
    } else {
      TIFFGetFieldDefaulted(file_.get(), TIFFTAG_ROWSPERSTRIP, &down);
      down = (std::min)(down, height);
    }
    if (across == 0 || down == 0) return damaged("a tile has no size");
    if (std::uint64_t{across} * down > (tiled ? std::uint64_t{most_tile_bytes / 4} : image_.pixels().size()))
      return unsupported("with tiles that are too large");
    std::vector<std::uint32_t> part(std::size_t{across} * down);
    for (std::uint32_t y = 0; y < height; y += down)
      for (std::uint32_t x = 0; x < width; x += across) {
        if (!(tiled ? TIFFReadRGBATileExt(file_.get(), x, y, part.data(), 1)
                    : TIFFReadRGBAStripExt(file_.get(), y, part.data(), 1)))
          return lacks_pixels();
        const std::uint32_t rows = (std::min)(down, height - y);
        for (std::uint32_t i = 0; i < rows; ++i) {  // from below
          const std::uint32_t* from = part.data() + std::size_t{(tiled ? down : rows) - 1 - i} * across;
          std::uint8_t* to = image_.row(static_cast<int>(y + i)) + std::size_t{x} * 3;
          for (std::uint32_t j = 0; j < (std::min)(across, width - x); ++j, to += 3)
            to[0] = static_cast<std::uint8_t>(TIFFGetR(from[j])), to[1] = static_cast<std::uint8_t>(TIFFGetG(from[j])),
            to[2] = static_cast<std::uint8_t>(TIFFGetB(from[j]));
        }
      }
    return {};
  }

  static constexpr tmsize_t most_tile_bytes = tmsize_t{64} << 20;

  std::string_view name_;
  tiff_in_memory file_;
  tiff_layout layout_;
  bool apart_ = false, through_rgba_ = false;
  image image_;
  std::vector<std::uint8_t> samples_;  // (H, W, samples) of planes
};

/// Whether the bytes are those of a TIFF file of either byte order, or of a BigTIFF file.
inline bool is_tiff(std::string_view bytes) {
  const std::string_view start = bytes.substr(0, 4);
  return start == std::string_view("II*\0", 4) || start == std::string_view("MM\0*", 4) ||
         start == std::string_view("II+\0", 4) || start == std::string_view("MM\0+", 4);
}

inline result<image> try_decode_tiff(std::span<const std::byte> bytes, std::string_view name,
                                     const image_limits& limits) {
  return tiff_reader(bytes, name).try_decode(limits);
}

}  // namespace detail

/// TIFF for image_options::formats: the first image of the file.
inline constexpr image_format tiff_format{&detail::is_tiff, &detail::try_decode_tiff};

LLAVA_END
