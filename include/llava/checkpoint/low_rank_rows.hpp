// SPDX-License-Identifier: Apache-2.0
/// low_rank_rows: the rows of a weight with a LoRA adapter merged into it, computed while they are read:
///
///   W (N, K), A (r, K), B (N, r)        W + s·B·A                                 (Hu et al. 2021, "LoRA")
///   and magnitudes m (N)                m_n · row_n / |row_n| with those rows     (Liu et al. 2024, "DoRA")
///                                       a row of zeros stays one
///
/// Sums are f32, and a row does not depend on the rows that are read with it. Nothing is kept between reads: W, A and B
/// stay in their files.
#pragma once
#include <cmath>
#include <cstdint>

#include <llava/base/macros.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// The tensors of an adapter for one weight, in files as they are (no `rows`). They must outlive the rows.
struct low_rank {
  const stored_tensor* a = nullptr;           ///< (r, K)
  const stored_tensor* b = nullptr;           ///< (N, r)
  const stored_tensor* magnitudes = nullptr;  ///< (N), or null: no DoRA
  std::int64_t rank = 0;                      ///< r
  float scale = 1.f;                          ///< s
};

/// Rows of W + s·B·A.
class low_rank_rows final : public row_source {
 public:
  low_rank_rows(const stored_tensor& base, const low_rank& added, std::int64_t columns)
      : base_(&base), added_(added), columns_(columns) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    base_->with_rows(columns_, [&](const row_source& rows) { rows.read(first, count, to); });
    for (std::int64_t r = 0; r < count; r += tile)
      add(first + r, count - r < tile ? count - r : tile, to + r * columns_);
    if (added_.magnitudes)
      for (std::int64_t r = 0; r < count; ++r) set_magnitude(first + r, to + r * columns_);
  }

 private:
  static constexpr std::int64_t tile = 16;   // rows of W, and ranks, of one pass
  static constexpr std::int64_t strip = 64;  // columns whose conversion to floats serves a whole tile

  /// Adds s·B·A to at most `tile` rows, rank by rank in ascending order.
  void add(std::int64_t first, std::int64_t count, float* to) const noexcept {
    float b[tile][tile];
    for (std::int64_t k = 0; k < added_.rank; k += tile) {
      const std::int64_t ranks = added_.rank - k < tile ? added_.rank - k : tile;
      for (std::int64_t r = 0; r < count; ++r) {
        read_elements(*added_.b, (first + r) * added_.rank + k, ranks, b[r]);
        for (std::int64_t i = 0; i < ranks; ++i) b[r][i] *= added_.scale;
      }
      for (std::int64_t at = 0; at < columns_; at += strip) {
        const std::int64_t width = columns_ - at < strip ? columns_ - at : strip;
        for (std::int64_t i = 0; i < ranks; ++i) {
          float a[strip] = {};
          read_elements(*added_.a, (k + i) * columns_ + at, width, a);
          for (std::int64_t r = 0; r < count; ++r) add_product(to + r * columns_ + at, a, b[r][i], width);
        }
      }
    }
  }

  /// y += b·a. A whole strip has a constant length, so that compilers use vectors.
  static void add_product(float* y, const float* a, float b, std::int64_t width) noexcept {
    if (width == strip)
      for (std::int64_t j = 0; j < strip; ++j) y[j] += b * a[j];
    else
      for (std::int64_t j = 0; j < width; ++j) y[j] += b * a[j];
  }

  void set_magnitude(std::int64_t row, float* to) const noexcept {
    double squares = 0;
    for (std::int64_t j = 0; j < columns_; ++j) squares += double{to[j]} * double{to[j]};
    float magnitude = 0;
    read_elements(*added_.magnitudes, row, 1, &magnitude);
    if (squares == 0) return;  // no direction to scale
    const auto factor = static_cast<float>(double{magnitude} / std::sqrt(squares));
    for (std::int64_t j = 0; j < columns_; ++j) to[j] *= factor;
  }

  static void read_elements(const stored_tensor& t, std::int64_t first, std::int64_t count, float* to) noexcept {
    t.with_rows(1, [&](const row_source& elements) { elements.read(first, count, to); });
  }

  const stored_tensor* base_;
  low_rank added_;
  std::int64_t columns_;
};

LLAVA_END
