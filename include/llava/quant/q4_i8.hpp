// SPDX-License-Identifier: Apache-2.0
/// q4_i8: 4-bit weights with two levels of scales, the lower of them integers, and an offset per block:
///   row: f32 scale S · blocks (18 bytes): i8 factor f · i8 offset o · 16 bytes of codes c (nibbles.hpp)
///   element = S · (f · (c − 8) − 8 · o)
/// A product with 8-bit activations stays exact in integers over the 128 elements that share an activation scale; q4_0
/// converts to floats after 32. The time saved pays for the offset, which is cheap because every product computes
/// 8 · Σ x anyway. With the offset, codes span a block from its least element to its largest: at q4_0's size and speed,
/// the squared error is a quarter to two fifths smaller. This library defines the format.
///
/// Encoding: S is chosen so that factor 127 covers the widest block. The first codes of a block span all of it. Then,
/// twice, a line is fitted to elements over codes by least squares, and the codes are recomputed; the best of the three
/// is kept. Finally S is fitted to all codes.
#pragma once
#include <cmath>

#include <llava/quant/nibbles.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

/// 4.5 bits per weight, with integer scales and offsets inside a row.
struct q4_i8 {
  static constexpr std::string_view name = "q4_i8";
  static constexpr int bits = 4, header_bytes = 4, block_bytes = 18, activation_group = 128;
  static constexpr bool has_row_scale = true;
  using head = q8_0;

  static float row_scale(const std::byte* row) { return read_number<float>(row); }
  static float block_scale(const std::byte*) { return 1.f; }
  static const std::byte* codes(const std::byte* block) { return block + 2; }
  static int factor(const std::byte* block) { return read_number<std::int8_t>(block); }
  static int offset(const std::byte* block) { return read_number<std::int8_t>(block + 1); }
  static void decode(const std::byte* block, std::int16_t* values) {
    const int f = factor(block), zero = 8 * offset(block);
    for (int i = 0; i < block_elements; ++i)
      values[i] = static_cast<std::int16_t>(f * (nibbles::code(codes(block), i) - 8) - zero);
  }

  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    float widest = 0.f, block[block_elements];
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
      load_block(x, n, b, block);
      const float step = reach(block).step();
      widest = step > widest ? step : widest;
    }
    // A row whose widest step is not between 1e-30 and 1e30 becomes zeros.
    const float scale = widest > 1e-30f && widest < 1e30f ? widest / 127.f : 0.f,
                inverse = scale > 0.f ? 1.f / scale : 0.f;
    double dot = 0, square = 0;
    for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
      load_block(x, n, b, block);
      for (float& element : block)
        element = std::isnan(element) ? 0.f : element * inverse;  // in units of the row's scale
      const trial best = scale > 0.f ? best_of(block) : trial{};
      std::byte* stored = row + header_bytes + b * block_bytes;
      write_number(stored, static_cast<std::int8_t>(best.factor));
      write_number(stored + 1, static_cast<std::int8_t>(best.offset));
      int codes[block_elements];
      for (int i = 0; i < block_elements; ++i) codes[i] = static_cast<int>(best.codes[i]) + 8;
      nibbles::store(codes, stored + 2);
      const auto made = [&](int i) { return best.factor * best.codes[i] - 8.f * best.offset; };
      dot += static_cast<double>(sum([&](int i) { return made(i) * block[i]; }));
      square += static_cast<double>(sum([&](int i) { return made(i) * made(i); }));
    }
    write_number(row, square > 0 ? scale * static_cast<float>(dot / square) : 0.f);
  }

 private:
  /// The range of a block's elements, extended to 0, so that every offset fits into an i8.
  struct range {
    float least = 0.f, most = 0.f;
    float step() const { return (most - least) / 15.f; }
  };
  static range reach(const float* block) {
    range r;
    for (int i = 0; i < block_elements; ++i) {
      r.least = block[i] < r.least ? block[i] : r.least;
      r.most = block[i] > r.most ? block[i] : r.most;
    }
    return r;
  }

  /// Σ f(i) over a block, in lanes that a compiler can vectorise.
  template <class Function>
  static float sum(Function f) {
    float lanes[8] = {};
    for (int i = 0; i < block_elements; i += 8)
      for (int j = 0; j < 8; ++j) lanes[j] += f(i + j);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
  static float whole(float x) { return (x + 12582912.f) - 12582912.f; }  // adding 1.5 · 2²³ rounds
  static float bounded(float x, float least, float most) {
    const float raised = x > least ? x : least;  // two steps of one instruction each
    return raised < most ? raised : most;
  }

  /// Codes −8 … 7 of a block for one factor and offset, all integers, and their squared error.
  struct trial {
    float factor = 1.f, offset = 0.f;
    float codes[block_elements] = {};
    float error = 0.f;
  };
  /// The trial that maps stored code 8 to about `middle`, and the next code to about `step` more.
  static trial make_trial(const float* block, float step, float middle) {
    trial t;
    t.factor = bounded(whole(step), 1.f, 127.f);
    t.offset = bounded(whole(middle / -8.f), -127.f, 127.f);
    const float inverse = 1.f / t.factor, zero = 8.f * t.offset;
    for (int i = 0; i < block_elements; ++i) t.codes[i] = bounded(whole((block[i] + zero) * inverse), -8.f, 7.f);
    t.error = sum([&](int i) {
      const float off = block[i] + zero - t.codes[i] * t.factor;
      return off * off;
    });
    return t;
  }
  static trial best_of(const float* block) {
    const range r = reach(block);
    const float middle = sum([&](int i) { return block[i]; }) / block_elements;
    trial best = make_trial(block, r.step(), 0.5f * (r.least + r.most + r.step())), last = best;
    for (int round = 0; round < 2; ++round) {
      const float codes = sum([&](int i) { return last.codes[i]; }) / block_elements;
      const float spread = sum([&](int i) { return last.codes[i] * last.codes[i]; }) - block_elements * codes * codes;
      if (spread <= 0.f) break;  // all codes are equal
      const float product = sum([&](int i) { return last.codes[i] * block[i]; }) - block_elements * codes * middle;
      const float step = product / spread;
      last = make_trial(block, step, middle - bounded(whole(step), 1.f, 127.f) * codes);
      if (last.error < best.error) best = last;
    }
    return best;
  }
};

LLAVA_END
