// SPDX-License-Identifier: Apache-2.0
/// nf4: 4-bit codes of a fixed book of 16 floats, the quantiles of a normal distribution, with doubly quantised scales:
/// the format in which bitsandbytes loads a model in 4 bits (QLoRA, arXiv:2305.14314). Blocks are 64 elements of the
/// flattened matrix, so a block may continue in the next row. A scale is the largest |x| of its block. The scales are
/// quantised to 8 bits, 256 of them with one more scale, after the mean of all has been subtracted:
///   f32 mean m · 256 × f32 map of the 8-bit codes · ⌈blocks / 256⌉ × f32 scale s of 256 scales
///   · blocks × u8 code q of a scale · ⌈N·K / 2⌉ bytes of codes c, the first element of two in the high half
///   scale of block j = s[j / 256] · map[q[j]] + m, both operations rounded;  element = book[c] · scale
/// A file has its own map; the encoder uses the dynamic map of arXiv:2110.02861. All values are unaligned and
/// little-endian.
///
/// Encoding, as by bitsandbytes: c is the code nearest to x / scale, with the scale before it is quantised; at a tie,
/// the smaller code. bitsandbytes sums the mean in f32, in an order that depends on its device; here it is summed in
/// double, so the last bit of m may differ. Values that are not finite are an error, because the mean would carry one
/// to every element.
///
/// weights<nf4> is LLaVA's --load-4bit: the linear layers of the language model and of the projector are nf4, all else
/// is f16.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include <llava/quant/blocks.hpp>
#include <llava/quant/tensor_format.hpp>

LLAVA_BEGIN

/// 4.13 bits per weight.
struct nf4 {
  static constexpr std::string_view name = "nf4";
  using projector = nf4;
  static constexpr std::ptrdiff_t block = 64, scales_per_scale = 256;  // elements, scales
  static constexpr float book[16] = {-1.f,
                                     -0.6961928009986877f,
                                     -0.5250730514526367f,
                                     -0.39491748809814453f,
                                     -0.28444138169288635f,
                                     -0.18477343022823334f,
                                     -0.09105003625154495f,
                                     0.f,
                                     0.07958029955625534f,
                                     0.16093020141124725f,
                                     0.24611230194568634f,
                                     0.33791524171829224f,
                                     0.44070982933044434f,
                                     0.5626170039176941f,
                                     0.7229568362236023f,
                                     1.f};

  /// Positions in the stored bytes of n elements.
  struct parts {
    std::ptrdiff_t blocks, scales, scale_codes, codes, bytes;
    constexpr explicit parts(std::ptrdiff_t n)
        : blocks((n + block - 1) / block),
          scales(4 + 256 * 4),
          scale_codes(scales + (blocks + scales_per_scale - 1) / scales_per_scale * 4),
          codes(scale_codes + blocks),
          bytes(codes + (n + 1) / 2) {}
  };
  static constexpr std::ptrdiff_t stored_bytes(std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return parts(rows * columns).bytes;
  }

  /// The scale of a block. bitsandbytes rounds the product before it adds the mean.
  static float scale_of(float mapped, float outer, float mean) {
    float product = mapped * outer;
    LLAVA_ROUND(product);
    return product + mean;
  }

  /// Reads the stored bytes of n elements.
  class reader {
   public:
    reader(const std::byte* stored, std::ptrdiff_t n) : at_(n), stored_(stored), mean_(read_number<float>(stored)) {}
    int code(std::ptrdiff_t element) const {
      const int two = std::to_integer<int>(stored_[at_.codes + element / 2]);
      return element % 2 ? two & 15 : two >> 4;
    }
    float scale(std::ptrdiff_t b) const {
      const float mapped = read_number<float>(stored_ + 4 + 4 * std::to_integer<int>(stored_[at_.scale_codes + b]));
      const float outer = read_number<float>(stored_ + at_.scales + b / scales_per_scale * 4);
      return scale_of(mapped, outer, mean_);
    }

   private:
    parts at_;
    const std::byte* stored_;
    float mean_;
  };

  /// The dynamic map: ± 1, 2, 4 … 64 values in each of the decades from 1e-6 to 1, the middles of equal parts of
  /// [0.1, 1], then 0 and 1; ascending.
  static std::array<float, 256> dynamic_map() {
    std::array<float, 256> map{};
    map[255] = 1.f;
    float* positive = map.data() + 128;
    for (int decade = -6, parts = 1; decade <= 0; ++decade, parts *= 2) {
      const float power = static_cast<float>(std::pow(10., decade)), step = (1.f - 0.1f) / static_cast<float>(parts);
      const auto bound = [&](int i) {
        return i < (parts + 1) / 2 ? std::fma(step, static_cast<float>(i), 0.1f)
                                   : std::fma(-step, static_cast<float>(parts - i), 1.f);
      };
      for (int i = 0; i < parts; ++i) *positive++ = (bound(i) + bound(i + 1)) / 2.f * power;
    }
    for (std::size_t i = 0; i < 127; ++i) map[126 - i] = -map[128 + i];
    return map;
  }

  /// The index of the value of `table`, ascending, that is nearest to x; at a tie, the smaller one. NaN becomes 0.
  template <std::size_t N>
  static int nearest(const float* table, float x) {
    int least = 0;
    for (int step = N / 2; step > 0; step /= 2)
      if (x > (table[least + step - 1] + table[least + step]) / 2.f) least += step;
    return least;
  }

  static result<void> try_encode(const row_source& from, std::ptrdiff_t rows, std::ptrdiff_t columns,
                                 std::string_view tensor, std::byte* to, executor& threads) {
    const parts at(rows * columns);
    std::vector<float> scales(static_cast<std::size_t>(at.blocks));
    // Rows are read in runs that end with a block.
    const std::ptrdiff_t run = columns > 0 ? block / std::gcd(columns, block) : 1, runs = (rows + run - 1) / run;
    std::vector<float> lines(static_cast<std::size_t>(threads.concurrency() * run * columns));
    std::atomic<bool> is_finite{true};
    parallel_for_dynamic(threads, runs, [&](std::ptrdiff_t i, std::ptrdiff_t slot) {
      float* const x = lines.data() + slot * run * columns;
      const std::ptrdiff_t first = i * run, count = (std::min)(run, rows - first), n = count * columns;
      from.read(first, count, x);
      const std::ptrdiff_t start = first * columns;
      for (std::ptrdiff_t e = 0; e < n; e += block) {
        const float scale = encode_block(x + e, (std::min)(block, n - e), to + at.codes + (start + e) / 2);
        scales[static_cast<std::size_t>((start + e) / block)] = scale;
        if (!std::isfinite(scale)) is_finite = false;
      }
    });
    if (!is_finite)
      return fail(errc::unsupported,
                  text_of("llava: ", tensor, " has values that are not finite, which ", name, " cannot store"));
    encode_scales(scales, to);
    return {};
  }

 private:
  /// Encodes a block and returns its scale; NaN if a value is NaN.
  static float encode_block(const float* x, std::ptrdiff_t n, std::byte* to) {
    float most = 0.f;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      if (std::isnan(x[i])) return x[i];
      most = (std::max)(most, std::fabs(x[i]));
    }
    const float inverse = 1.f / (most > 1e-38f ? most : 1e-38f);
    const auto code = [&](std::ptrdiff_t i) { return i < n ? nearest<16>(book, x[i] * inverse) : 7; };
    for (std::ptrdiff_t i = 0; i < n; i += 2) to[i / 2] = static_cast<std::byte>(code(i) << 4 | code(i + 1));
    return most;
  }

  /// Quantises the scales of all blocks.
  static void encode_scales(const std::vector<float>& scales, std::byte* to) {
    const auto n = static_cast<std::ptrdiff_t>(scales.size());
    const std::array<float, 256> map = dynamic_map();
    double sum = 0;
    for (const float s : scales) sum += static_cast<double>(s);
    const float mean = n > 0 ? static_cast<float>(sum / static_cast<double>(n)) : 0.f;
    write_number(to, mean);
    std::memcpy(to + 4, map.data(), sizeof(map));
    std::byte *outer = to + 4 + sizeof(map), *codes = outer + (n + scales_per_scale - 1) / scales_per_scale * 4;
    for (std::ptrdiff_t first = 0; first < n; first += scales_per_scale, outer += 4) {
      const std::ptrdiff_t last = (std::min)(first + scales_per_scale, n);
      float most = 0.f;
      for (std::ptrdiff_t i = first; i < last; ++i)
        most = (std::max)(most, std::fabs(scales[static_cast<std::size_t>(i)] - mean));
      write_number(outer, most);
      const float inverse = 1.f / most;  // infinite if all are equal: their codes become 0
      for (std::ptrdiff_t i = first; i < last; ++i)
        codes[i] =
            static_cast<std::byte>(nearest<256>(map.data(), (scales[static_cast<std::size_t>(i)] - mean) * inverse));
    }
  }
};

LLAVA_END
