// SPDX-License-Identifier: Apache-2.0
/// panels<nf4>: the layout of nf4 in the simd backend, if K is a multiple of 64. A panel is 16 rows of w, which are 16
/// columns of y and the 16 lanes of a vector. For each block of 64 elements along K it has 576 bytes:
///   codes   (8, 4 rows of 4, 4, 4) bytes: of 8 steps along K and of each four rows, the codes of steps 2j (low half)
///           and 2j + 1 (high half) at byte 4j + r of row r
///   scales  16 f32
/// Rows past the end of w are zeros. A product looks a code up in a register that holds the book, and multiplies with
/// the scale once per block. The scales are decoded while packing, because a product would spend more time on looking
/// them up than on reading three more bytes per block. A matrix with another K stays as it is stored, because its
/// blocks continue in the next row, and the scalar kernel multiplies it; no published model has one.
#pragma once
#include <bit>
#include <cstdint>

#include <llava/backend/simd/panels.hpp>
#include <llava/quant/nf4.hpp>

LLAVA_BEGIN

namespace simd_backend {

/// The layout of nf4, described at the top of this file.
template <>
struct panels<nf4> {
  using view = panel_view<nf4>;
  static constexpr std::string_view name = "panels of 16, 1";
  static constexpr std::ptrdiff_t unit = 16;
  static constexpr std::ptrdiff_t code_bytes = unit * nf4::block / 2;   // of a block
  static constexpr std::ptrdiff_t block_bytes = code_bytes + unit * 4;  // codes and scales

  static constexpr bool has_panels(std::ptrdiff_t columns) { return columns % nf4::block == 0; }
  static constexpr std::ptrdiff_t unit_bytes(std::ptrdiff_t columns) { return columns / nf4::block * block_bytes; }
  static constexpr std::ptrdiff_t bytes(std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return has_panels(columns) ? (rows + unit - 1) / unit * unit_bytes(columns) : nf4::stored_bytes(rows, columns);
  }
  static view make_view(const std::byte* data, std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return {data, rows, columns};
  }
  static void pack(std::byte* to, const tensor_view<nf4>& from, executor& threads) {
    if (!has_panels(from.columns)) return stored_layout<nf4>::pack(to, from, threads);
    const nf4::reader w(from.data, from.rows * from.columns);
    parallel_for_dynamic(threads, (from.rows + unit - 1) / unit, [&](std::ptrdiff_t u, std::ptrdiff_t) {
      for (std::ptrdiff_t r = 0; r < unit; ++r) pack_row(to + u * unit_bytes(from.columns), r, w, u * unit + r, from);
    });
  }

 private:
  /// Packs row n as row r of a panel.
  static void pack_row(std::byte* to, std::ptrdiff_t r, const nf4::reader& w, std::ptrdiff_t n,
                       const tensor_view<nf4>& from) {
    for (std::ptrdiff_t b = 0; b < from.columns / nf4::block; ++b, to += block_bytes) {
      const std::ptrdiff_t block = n * (from.columns / nf4::block) + b;
      constexpr int zero = 7;  // the code of 0
      const auto code = [&](std::ptrdiff_t i) { return n < from.rows ? w.code(block * nf4::block + i) : zero; };
      for (std::ptrdiff_t i = 0; i < nf4::block; i += 2)
        to[i / 8 * 64 + r / 4 * 16 + i / 2 % 4 * 4 + r % 4] = static_cast<std::byte>(code(i) | code(i + 1) << 4);
      write_number(to + code_bytes + 4 * r, n < from.rows ? w.scale(block) : 0.f);
    }
  }
};

/// The bytes of the book: of[b][c] is byte b of the value of code c.
struct nf4_bytes {
  std::uint8_t of[4][16];
};
inline constexpr nf4_bytes nf4_book_bytes = [] {
  nf4_bytes bytes{};
  for (int b = 0; b < 4; ++b)
    for (int c = 0; c < 16; ++c)
      bytes.of[b][c] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(nf4::book[c]) >> 8 * b);
  return bytes;
}();

/// y (T, N) = act(x · wᵀ + bias), or y += or *= that; w in panels.
struct nf4_arguments {
  const float* x;
  const std::byte* panels;
  const float* bias;  // or null
  float* y;
  std::ptrdiff_t x_stride, y_stride;
  std::ptrdiff_t rows, inner, columns;  // T, K, N
  update how;
};

}  // namespace simd_backend

LLAVA_END
