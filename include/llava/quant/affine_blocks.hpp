// SPDX-License-Identifier: Apache-2.0
/// affine_format: weights (N, K) as small codes in blocks along K, each group of a block with a scale and a minimum, as
/// GGUF's files store them. Rows are independent. A format is a tag F with
///   name                               its name in errors, and as a stored format
///   elements, block_bytes              of a block: 32 or 256 elements; K is a multiple of it
///   bits                               of a code in memory: 4 for codes 0 … 15, or 6 for codes 0 … 63
///   group                              number of elements that share a factor: 16 or 32
///   zero, has_minimum                  the code of 0, and whether a group has a minimum
///   code(block, i)                     the code of element i
///   scale(block), factor(block, g)     an f16, and an integer in [−128, 127] for group g
///   least(block), minimum(block, g)    the same for the minimum
/// element i of group g = scale · factor · (code − zero) − least · minimum. The products scale · factor and least ·
/// minimum are exact in f32. Blocks of 32 elements have factors and minimums of 1. All fields are unaligned and
/// little-endian, as in files. Formats of this kind have no encoder: their weights come from a file.
///
/// Activations have 14 bits, in groups of 32. With 8 bits, products alone would cost a small model a divergence of
/// 0.002 from its own weights (docs/weight-formats.md). A token reads the same bytes either way.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

template <class F>
concept affine_format = requires(const std::byte* block, int i) {
  { F::name } -> std::convertible_to<std::string_view>;
  requires F::block_bytes >
  0;
  requires F::elements == block_elements || F::elements % (8 * block_elements) == 0;
  requires F::bits == 4 || F::bits == 6;
  requires F::group == 16 || F::group == block_elements;
  { F::has_minimum } -> std::convertible_to<bool>;
  { F::zero } -> std::convertible_to<int>;
  { F::code(block, i) } -> std::same_as<int>;
  { F::scale(block) } -> std::same_as<float>;
  { F::factor(block, i) } -> std::same_as<int>;
  { F::least(block) } -> std::same_as<float>;
  { F::minimum(block, i) } -> std::same_as<int>;
  requires F::activation_group == block_elements && !F::has_row_scale;
  requires std::is_same_v<activation_code<F>, std::int16_t>;
};

/// A view of a matrix (N, K) in an affine format: contiguous stored rows.
template <class F>
struct affine_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K

  static constexpr std::ptrdiff_t row_bytes(std::ptrdiff_t columns) { return columns / F::elements * F::block_bytes; }
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
  const std::byte* row(std::ptrdiff_t n) const { return data + n * row_bytes(columns); }
  const std::byte* block(std::ptrdiff_t n, std::ptrdiff_t b) const { return row(n) + b * F::block_bytes; }
};

template <affine_format F>
struct format<F> {
  static constexpr std::string_view name = F::name;
  static constexpr bool is_dense = false;
  using view = affine_view<F>;  // (N, K)
  static constexpr std::size_t bytes(std::size_t rows, std::size_t columns) {
    return rows * static_cast<std::size_t>(view::row_bytes(static_cast<std::ptrdiff_t>(columns)));
  }
};

/// A format that stores each row of a matrix by itself.
template <class F>
concept row_format = block_format<F> || affine_format<F>;

/// Decodes the elements of a block.
template <affine_format F>
void decode_affine(const std::byte* block, float* x) {
  for (int g = 0; g < F::elements / F::group; ++g) {
    const float scale = F::scale(block) * static_cast<float>(F::factor(block, g));
    [[maybe_unused]] const float least = F::least(block) * static_cast<float>(F::minimum(block, g));
    for (int i = g * F::group; i < (g + 1) * F::group; ++i) {
      x[i] = scale * static_cast<float>(F::code(block, i) - F::zero);
      if constexpr (F::has_minimum) x[i] -= least;
    }
  }
}

LLAVA_END
