// SPDX-License-Identifier: Apache-2.0
/// Rows of weights that GPTQ or AWQ has quantised (gptq_awq.hpp), in mapped files. A value is scale · (code − zero),
/// rounded to the type of the scales, as in the programs that write them: of an input k and an output n, both the scale
/// and the zero are those of the group of k.
#pragma once
#include <algorithm>
#include <array>
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
    int bits = 4;
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
    for (std::int64_t n = first; n < first + count; ++n, to += parts_.columns)
      for (std::int64_t k = 0; k < parts_.columns;) {
        const std::int64_t g = group_at(k), end = end_of_run(k, g);
        const float scale = scale_at(g, n);
        const int zero = zero_at(g, n);
        for (; k < end; ++k) to[k] = rounded(scale * static_cast<float>(code_at(k, n) - zero));
      }
  }

 private:
  /// AWQ stores eight codes of a word in this order: code n is number place[n % 8] from the low end.
  static constexpr std::array<int, 8> place{0, 4, 1, 5, 2, 6, 3, 7};

  std::uint32_t word_at(const std::byte* words, std::int64_t i) const {
    return read_number<std::uint32_t>(words + 4 * i);
  }
  std::int64_t group_at(std::int64_t k) const {
    return parts_.group_of ? read_number<std::int32_t>(parts_.group_of + 4 * k) : k / parts_.group;
  }
  /// The end of the inputs from k on that surely are in group g.
  std::int64_t end_of_run(std::int64_t k, std::int64_t g) const {
    return parts_.group_of ? k + 1 : (std::min)(parts_.columns, (g + 1) * parts_.group);
  }

  /// The code in bits bit … bit + bits − 1 of a row or column of words, which `word(i)` returns.
  template <class Word>
  int field(std::int64_t bit, Word&& word) const {
    const int low = static_cast<int>(bit % 32);
    std::uint32_t code = word(bit / 32) >> low;
    if (low + parts_.bits > 32) code |= word(bit / 32 + 1) << (32 - low);
    return static_cast<int>(code & ((1u << parts_.bits) - 1));
  }
  int code_at(std::int64_t k, std::int64_t n) const {
    const parts& p = parts_;
    if (p.is_awq) return word_at(p.codes, k * (p.rows / 8) + n / 8) >> 4 * place[static_cast<std::size_t>(n % 8)] & 15;
    return field(k * p.bits, [&](std::int64_t i) { return word_at(p.codes, i * p.rows + n); });
  }
  int zero_at(std::int64_t g, std::int64_t n) const {
    const parts& p = parts_;
    const std::int64_t words = p.rows * p.bits / 32;
    const std::byte* const row = p.zeros + 4 * g * words;
    if (p.is_awq) return word_at(row, n / 8) >> 4 * place[static_cast<std::size_t>(n % 8)] & 15;
    // One is added to whole words, which undoes what writers subtract from them, also where a zero of 0 has borrowed.
    const std::uint32_t ones = p.bits == 2 ? 0x55555555u : p.bits == 4 ? 0x11111111u : 0x01010101u;
    const bool in_words = p.zeros_minus_one && p.bits != 3;
    const int zero = field(n * p.bits, [&](std::int64_t i) { return word_at(row, i) + (in_words ? ones : 0u); });
    return p.zeros_minus_one && p.bits == 3 ? (zero + 1) & 7 : zero;
  }
  float scale_at(std::int64_t g, std::int64_t n) const {
    const std::byte* const at = parts_.scales + (g * parts_.rows + n) * static_cast<std::int64_t>(size_of(parts_.type));
    return parts_.type == dtype::float16    ? to_float(read_number<f16>(at))
           : parts_.type == dtype::bfloat16 ? to_float(read_number<bf16>(at))
                                            : read_number<float>(at);
  }
  float rounded(float x) const {
    return parts_.type == dtype::float16    ? to_float(from_float<f16>(x))
           : parts_.type == dtype::bfloat16 ? to_float(from_float<bf16>(x))
                                            : x;
  }

  parts parts_;
};

LLAVA_END
