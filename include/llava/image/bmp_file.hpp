// SPDX-License-Identifier: Apache-2.0
/// Decodes BMP as Pillow's convert("RGB") does: 1, 4, 8, 16, 24 and 32 bits a pixel, palettes (black past their end),
/// bit fields and run lengths; alpha is dropped. It needs no library: those in use read other pixels than Pillow, and
/// answer files that are cut off (docs/fidelity.md). Format: Windows' BITMAPCOREHEADER, BITMAPINFOHEADER and its later
/// versions, OS/2.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <llava/image/file_options.hpp>

LLAVA_BEGIN

namespace detail {

class bmp_reader {
 public:
  /// `bytes` and `name` must outlive it.
  bmp_reader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  result<image> try_decode(const image_limits& limits) {
    LLAVA_CHECK(try_read_header());
    LLAVA_CHECK(try_check_image_size(width_, height_, name_, limits));
    LLAVA_CHECK(try_read_layout());
    std::vector<std::uint8_t> indices;  // of run lengths
    const std::int64_t row = (width_ * bits_ + 7) / 8, stride = (width_ * bits_ + 31) / 32 * 4;
    if (runs()) {
      LLAVA_TRY(expanded, try_expand_runs());
      indices = std::move(expanded);
    } else if (static_cast<std::int64_t>(bytes_.size()) < pixels_ + stride * (height_ - 1) + row) {
      return truncated();
    }
    image img(static_cast<int>(width_), static_cast<int>(height_), limits);
    for (int y = 0; y < img.height(); ++y) {
      std::uint8_t* to = img.row(from_top_ ? y : img.height() - 1 - y);
      const std::int64_t at = pixels_ + stride * y;
      for (int x = 0; x < img.width(); ++x, to += 3) {
        const colour_of_bmp c = runs() ? palette_[indices[static_cast<std::size_t>(y * width_ + x)]] : pixel(at, x);
        std::copy(c.begin(), c.end(), to);
      }
    }
    return img;
  }

 private:
  using colour_of_bmp = std::array<std::uint8_t, 3>;

  error truncated() const {
    return fail(errc::invalid_format, text_of("llava: ", name_, " is truncated: the BMP ends before its image does"));
  }
  error unsupported(std::string_view what) const {
    return fail(errc::unsupported, text_of("llava: ", name_, " is a BMP ", what, "; save it as JPEG or PNG"));
  }
  bool runs() const { return compression_ == 1 || compression_ == 2; }
  /// The little-endian integer of `count` bytes; zero beyond the end.
  std::int64_t number(std::int64_t at, int count) const {
    std::int64_t value = 0;
    if (at < 0 || at + count > static_cast<std::int64_t>(bytes_.size())) return 0;
    for (int i = count; i-- > 0;) value = value * 256 + std::to_integer<int>(bytes_[static_cast<std::size_t>(at + i)]);
    return value;
  }

  result<void> try_read_header() {
    header_ = number(14, 4);
    if (bytes_.size() < 18) return truncated();
    static constexpr int headers[] = {12, 40, 52, 56, 64, 108, 124};
    if (std::find(std::begin(headers), std::end(headers), header_) == std::end(headers))
      return unsupported(text_of("with a header of ", header_, " bytes, which is not known"));
    if (static_cast<std::int64_t>(bytes_.size()) < 14 + header_) return truncated();
    if (header_ == 12) {
      width_ = number(18, 2), height_ = number(20, 2), bits_ = number(24, 2);
      return {};
    }
    width_ = number(18, 4), height_ = number(22, 4), bits_ = number(28, 2);
    compression_ = number(30, 4), colours_ = number(46, 4);
    from_top_ = number(25, 1) == 0xff;  // a negative height
    if (from_top_) height_ = (std::int64_t{1} << 32) - height_;
    return {};
  }

  /// What follows the header: masks, the palette, the place of the pixels.
  result<void> try_read_layout() {
    if (bits_ != 1 && bits_ != 4 && bits_ != 8 && bits_ != 16 && bits_ != 24 && bits_ != 32)
      return unsupported(text_of("of ", bits_, " bits a pixel"));
    if (compression_ > 3 || (runs() && bits_ != 4 && bits_ != 8) || (compression_ == 3 && bits_ < 16))
      return unsupported(text_of("of ", bits_, " bits a pixel with compression ", compression_));
    pixels_ = number(10, 4);
    std::int64_t at = 14 + header_;
    if (compression_ == 3) {
      LLAVA_CHECK(try_read_masks());
      if (header_ == 40) at += 12;
    }
    if (bits_ <= 8) {
      const std::int64_t entry = header_ == 12 ? 3 : 4;
      if (colours_ == 0) colours_ = std::int64_t{1} << bits_;
      if (colours_ > 256) return unsupported(text_of("with a palette of ", colours_, " colours"));
      for (std::int64_t i = 0; i < colours_; ++i)
        for (std::size_t c = 0; c < 3; ++c)
          palette_[static_cast<std::size_t>(i)][c] =
              static_cast<std::uint8_t>(number(at + entry * i + 2 - static_cast<int>(c), 1));
      at += entry * colours_;
      if (pixels_ == 14 + header_) pixels_ = at;  // some programs forget the palette
    }
    if (pixels_ == 0) pixels_ = at;
    return {};
  }

  /// The bytes of a pixel that bit fields state.
  result<void> try_read_masks() {
    const std::array<std::int64_t, 3> masks{number(54, 4), number(58, 4), number(62, 4)};
    if (bits_ == 16) {
      six_green_bits_ = masks == std::array<std::int64_t, 3>{0xf800, 0x7e0, 0x1f};
      if (six_green_bits_ || masks == std::array<std::int64_t, 3>{0x7c00, 0x3e0, 0x1f}) return {};
    }
    if (bits_ == 32 && masks == std::array<std::int64_t, 3>{}) return {};
    std::size_t known = 0;
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < static_cast<std::size_t>(bits_ / 8); ++i)
        if (bits_ > 16 && masks[c] == std::int64_t{0xff} << (8 * i)) place_[c] = i, ++known;
    if (known != 3 || (bits_ == 24 && place_ != std::array<std::size_t, 3>{2, 1, 0}))
      return unsupported("with bit fields that are not whole bytes");
    return {};
  }

  colour_of_bmp pixel(std::int64_t row, std::int64_t x) const {
    if (bits_ <= 8) {
      const std::int64_t bit = x * bits_;
      const std::int64_t index = number(row + bit / 8, 1) >> (8 - bits_ - bit % 8) & ((1 << bits_) - 1);
      return palette_[static_cast<std::size_t>(index)];
    }
    if (bits_ == 16) {
      const std::int64_t v = number(row + 2 * x, 2), greens = six_green_bits_ ? 63 : 31;
      const auto scaled = [](std::int64_t part, std::int64_t most) {
        return static_cast<std::uint8_t>((part & most) * 255 / most);
      };
      return {scaled(v >> (six_green_bits_ ? 11 : 10), 31), scaled(v >> 5, greens), scaled(v, 31)};
    }
    colour_of_bmp colour{};
    for (std::size_t c = 0; c < 3; ++c)
      colour[c] = static_cast<std::uint8_t>(number(row + bits_ / 8 * x + static_cast<std::int64_t>(place_[c]), 1));
    return colour;
  }

  /// The palette's indices (H, W) of an image of run lengths, in the order of the file. A run is cut at the end of its
  /// row, other pixels go on in the next one, as in Pillow.
  result<std::vector<std::uint8_t>> try_expand_runs() const {
    const auto whole = static_cast<std::size_t>(width_ * height_);
    const bool four = compression_ == 2;
    std::vector<std::uint8_t> to;
    std::int64_t at = pixels_, x = 0;
    const auto end = static_cast<std::int64_t>(bytes_.size());
    while (to.size() < whole && at + 2 <= end) {
      const std::int64_t count = number(at, 1), value = number(at + 1, 1);
      at += 2;
      if (count > 0) {
        const std::int64_t n = (std::max)(std::int64_t{0}, (std::min)(count, width_ - x));
        for (std::int64_t i = 0; i < n; ++i)
          to.push_back(static_cast<std::uint8_t>(!four ? value : i % 2 == 0 ? value >> 4 : value & 15));
        x += n;
      } else if (value == 0) {  // the row ends
        const auto width = static_cast<std::size_t>(width_);
        to.resize((to.size() + width - 1) / width * width);
        x = 0;
      } else if (value == 1) {  // the image ends
        break;
      } else if (value == 2) {  // pixels are skipped
        if (at + 2 > end) break;
        const std::int64_t skipped = number(at, 1) + number(at + 1, 1) * width_;
        to.resize(to.size() + (std::min)(whole - to.size(), static_cast<std::size_t>(skipped)));
        x = static_cast<std::int64_t>(to.size()) % width_;
        at += 2;
      } else {  // pixels, one by one
        const std::int64_t n = (std::min)(static_cast<std::int64_t>(whole - to.size()), value);
        const std::int64_t size = four ? (n + 1) / 2 : n;
        if (at + size > end) break;
        for (std::int64_t i = 0; i < n; ++i)
          to.push_back(static_cast<std::uint8_t>(!four        ? number(at + i, 1)
                                                 : i % 2 == 0 ? number(at + i / 2, 1) >> 4
                                                              : number(at + i / 2, 1) & 15));
        at += size + (at + size) % 2;
        x += value;
      }
    }
    if (to.size() < whole) return truncated();
    return to;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::int64_t header_ = 0, width_ = 0, height_ = 0, bits_ = 0, compression_ = 0, colours_ = 0, pixels_ = 0;
  bool from_top_ = false, six_green_bits_ = false;
  std::array<std::size_t, 3> place_{2, 1, 0};  // of red, green and blue among a pixel's bytes
  std::array<colour_of_bmp, 256> palette_{};
};

inline bool is_bmp(std::string_view bytes) { return bytes.starts_with("BM"); }

inline result<image> try_decode_bmp(std::span<const std::byte> bytes, std::string_view name,
                                    const image_limits& limits) {
  return bmp_reader(bytes, name).try_decode(limits);
}

}  // namespace detail

/// BMP for image_options::formats. It needs no library.
inline constexpr image_format bmp_format{&detail::is_bmp, &detail::try_decode_bmp};

LLAVA_END
