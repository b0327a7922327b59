// SPDX-License-Identifier: Apache-2.0
/// Rows of weights that bitsandbytes has quantised (bitsandbytes.hpp), in mapped files.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// A matrix of 4-bit codes. Blocks have `block` elements of the flattened matrix and a scale each.
class four_bit_rows final : public row_source {
 public:
  struct parts {
    std::int64_t rows = 0, columns = 0, block = 0, scales_per_scale = 0;
    bool is_nf4 = false;
    dtype type = dtype::float16;  // that values are rounded to, as in bitsandbytes: the type before quantisation
    std::array<float, 16> book{};
    const std::byte* codes = nullptr;   // two elements a byte, the first in the high half
    const std::byte* scales = nullptr;  // f32, or u8 if they are quantised
    const std::byte* outer = nullptr;   // f32 scale of scales_per_scale scales; null: scales are f32
    const std::byte* map = nullptr;     // 256 f32, the values of quantised scales
    float mean = 0.f;                   // added to quantised scales
  };
  explicit four_bit_rows(const parts& p) : parts_(p) {}

  std::string_view coded_as() const noexcept override {
    const parts& p = parts_;
    const bool is_default = p.is_nf4 && p.outer && p.block == nf4::block && p.scales_per_scale == nf4::scales_per_scale;
    return is_default && std::memcmp(p.book.data(), nf4::book, sizeof(nf4::book)) == 0 ? nf4::name : std::string_view();
  }
  void read_stored(std::byte* to) const noexcept override {
    const nf4::parts at(parts_.rows * parts_.columns);
    const auto copy = [&](std::ptrdiff_t first, std::ptrdiff_t last, const std::byte* from) {
      std::memcpy(to + first, from, static_cast<std::size_t>(last - first));
    };
    write_number(to, parts_.mean);
    copy(4, at.scales, parts_.map);
    copy(at.scales, at.scale_codes, parts_.outer);
    copy(at.scale_codes, at.codes, parts_.scales);
    copy(at.codes, at.bytes, parts_.codes);
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    const std::int64_t end = (first + count) * parts_.columns;
    for (std::int64_t e = first * parts_.columns; e < end;) {
      const std::int64_t b = e / parts_.block;
      const float scale = scale_of(b);
      for (const std::int64_t last = (b + 1) * parts_.block; e < last && e < end; ++e) {
        const int two = std::to_integer<int>(parts_.codes[e / 2]);
        *to++ = rounded(parts_.book[static_cast<std::size_t>(e % 2 ? two & 15 : two >> 4)] * scale);
      }
    }
  }

 private:
  float rounded(float x) const {
    return parts_.type == dtype::float16    ? to_float(from_float<f16>(x))
           : parts_.type == dtype::bfloat16 ? to_float(from_float<bf16>(x))
                                            : x;
  }
  float scale_of(std::int64_t b) const {
    if (!parts_.outer) return read_number<float>(parts_.scales + 4 * b);
    return nf4::scale_of(read_number<float>(parts_.map + 4 * std::to_integer<int>(parts_.scales[b])),
                         read_number<float>(parts_.outer + b / parts_.scales_per_scale * 4), parts_.mean);
  }

  parts parts_;
};

/// A matrix of 8-bit codes; ±127 is the scale of the row.
class eight_bit_rows final : public row_source {
 public:
  eight_bit_rows(const std::byte* codes, const std::byte* scales, std::int64_t columns)
      : codes_(codes), scales_(scales), columns_(columns) {}

  std::string_view coded_as() const noexcept override { return int8::name; }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t r = first; r < first + count; ++r) {
      const float scale = read_number<float>(scales_ + 4 * r);
      for (std::int64_t k = 0; k < columns_; ++k)
        *to++ = static_cast<float>(read_number<std::int8_t>(codes_ + r * columns_ + k)) * scale * (1.f / 127.f);
    }
  }

 private:
  const std::byte *codes_, *scales_;
  std::int64_t columns_;
};

LLAVA_END
