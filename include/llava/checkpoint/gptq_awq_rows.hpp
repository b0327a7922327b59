// SPDX-License-Identifier: Apache-2.0
/// Rows of weights that GPTQ or AWQ has quantised (gptq_awq.hpp), in mapped files. A value is scale · (code − zero),
/// rounded to the type of the scales, as in the programs that write them: of an input k and an output n, both the scale
/// and the zero are those of the group of k.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

#include <llava/base/dtype.hpp>
#include <llava/quant/blocks.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// A matrix (N, K) of codes, stored with the inputs k as rows. Words have 32 bits, the first code in the lowest ones.
class grouped_code_rows final : public row_source {
 public:
  struct parts {
    std::int64_t rows = 0, columns = 0;  // N, K
    std::int64_t group = 0;              // inputs of a group, if there is no list of groups
    int bits = 4;                        // 2, 3, 4 or 8; of awq 4
    bool is_awq = false;
    bool zeros_minus_one = false;
    dtype type = dtype::float16;          // of the scales
    const std::byte* codes = nullptr;     // words: gptq (K · bits / 32, N), awq (K, N / 8)
    const std::byte* zeros = nullptr;     // words: (groups, N · bits / 32)
    const std::byte* scales = nullptr;    // (groups, N)
    const std::byte* group_of = nullptr;  // i32, the group of each input; or null
  };
  explicit grouped_code_rows(const parts& p) : parts_(p) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (; count > 0; first += tile, count -= tile, to += tile * parts_.columns) {
      const int n = static_cast<int>((std::min)(count, std::int64_t{tile}));
      if (parts_.is_awq)
        read_tile<4, true>(first, n, to);
      else if (parts_.bits == 2)
        read_tile<2, false>(first, n, to);
      else if (parts_.bits == 3)
        read_tile<3, false>(first, n, to);
      else if (parts_.bits == 4)
        read_tile<4, false>(first, n, to);
      else
        read_tile<8, false>(first, n, to);
    }
  }

 private:
  /// Rows that are read together, because their codes are neighbours in the file.
  static constexpr int tile = 8;

  template <int Bits, bool Awq>
  void read_tile(std::int64_t first, int count, float* to) const {
    const parts p = parts_;
    float scales[tile];
    int zeros[tile];
    for (std::int64_t k = 0; k < p.columns;) {
      const std::int64_t g = p.group_of ? read_number<std::int32_t>(p.group_of + 4 * k) : k / p.group;
      const std::int64_t end = p.group_of ? k + 1 : (std::min)(p.columns, k + p.group);
      for (int r = 0; r < count; ++r) scales[r] = scale_at(g, first + r), zeros[r] = zero_at<Bits, Awq>(g, first + r);
      for (; k < end; ++k)
        for (int r = 0; r < count; ++r) {
          const int code = code_at<Bits, Awq>(p, k, first + r);
          to[r * p.columns + k] = rounded(p.type, scales[r] * static_cast<float>(code - zeros[r]));
        }
    }
  }

  static std::uint32_t word_at(const std::byte* words, std::int64_t i) {
    return read_number<std::uint32_t>(words + 4 * i);
  }
  /// The code of `Bits` bits from bit `bit` of a sequence of words, which `word(i)` returns.
  template <int Bits, class Word>
  static int field(std::int64_t bit, Word&& word) {
    const auto low = static_cast<unsigned>(bit) % 32;
    std::uint32_t code = word(bit / 32) >> low;
    if (32 % Bits != 0 && low + Bits > 32) code |= word(bit / 32 + 1) << (32 - low);
    return static_cast<int>(code & ((1u << Bits) - 1));
  }
  /// The code of output n in its word of AWQ, which has the codes of 8 outputs in the order 0, 2, 4, 6, 1, 3, 5, 7.
  static int awq_field(std::uint32_t word, std::int64_t n) {
    const auto i = static_cast<unsigned>(n) % 8;
    return static_cast<int>(word >> 4 * (i / 2 + i % 2 * 4) & 15);
  }
  template <int Bits, bool Awq>
  static int code_at(const parts& p, std::int64_t k, std::int64_t n) {
    if (Awq) return awq_field(word_at(p.codes, k * (p.rows / 8) + n / 8), n);
    return field<Bits>(k * Bits, [&](std::int64_t i) { return word_at(p.codes, i * p.rows + n); });
  }
  template <int Bits, bool Awq>
  int zero_at(std::int64_t g, std::int64_t n) const {
    const std::byte* const row = parts_.zeros + 4 * g * (parts_.rows * Bits / 32);
    if (Awq) return awq_field(word_at(row, n / 8), n);
    // GPTQModel subtracts one from all codes of a word at once, and a 0 borrows from the next code. Adding to whole
    // words undoes it. In 3 bits it takes each code by itself.
    constexpr std::uint32_t ones = Bits == 3 ? 0 : 0xffffffffu / ((1u << Bits) - 1);
    const std::uint32_t more = parts_.zeros_minus_one ? ones : 0;
    const int zero = field<Bits>(n * Bits, [&](std::int64_t i) { return word_at(row, i) + more; });
    return Bits == 3 && parts_.zeros_minus_one ? (zero + 1) & 7 : zero;
  }
  float scale_at(std::int64_t g, std::int64_t n) const {
    const std::byte* const at = parts_.scales + (g * parts_.rows + n) * static_cast<std::int64_t>(size_of(parts_.type));
    return parts_.type == dtype::float16    ? to_float(read_number<f16>(at))
           : parts_.type == dtype::bfloat16 ? to_float(read_number<bf16>(at))
                                            : read_number<float>(at);
  }
  static float rounded(dtype type, float x) {
    if (type == dtype::float32) return x;
    if (type == dtype::bfloat16) return to_float(from_float<bf16>(x));
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude - 0x38800000u < 0x477ff000u - 0x38800000u || magnitude == 0)  // 0 or a normal number of f16
      return std::bit_cast<float>((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);
    return to_float(from_float<f16>(x));
  }

  parts parts_;
};

LLAVA_END
