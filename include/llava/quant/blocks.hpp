// SPDX-License-Identifier: Apache-2.0
/// block_format: weights (N, K) as small integers with scales. Rows are independent: `header_bytes`, then a block for
/// every 32 elements along K. If K ends inside a block, its remaining elements are zeros. A format is a tag F with
///   name                                    its name in files and options
///   header_bytes, block_bytes               size of a row's header, and of a block of 32 elements
///   bits                                    of a stored code: 16, 8, or 4 for codes −8 … 7
///   activation_group                        number of elements of an activation row that share a scale
///                                           (ops/matmul.hpp): 32 or 128
///   has_row_scale                           true (4 and 8 bits): elements are integer multiples of one f32 scale for
///                                           the whole row; false: every block has its own scale
///   encode(x, n, row)                       encodes n floats as a row
///   row_scale(row)                          the scale of the row; 1 if blocks have scales
///   block_scale(block)                      the scale of a block, an f16; 1 if the row has a scale
///   decode(block, values)                   writes 32 integers in [−128, 127], at 16 bits in [−8191, 8191], at 4 bits
///                                           with row scales in [−2048, 2048]; element k is values[k % 32] · scale
///   head, tower                            optional: the formats that weights<F> uses for the head, and for the tower
///                                           and projector, instead of f16
///   activation                              optional, at 8 bits: std::int16_t, for 14-bit activations
///   outlier                                 optional, with row scales at 8 bits: activations of at least this size
///                                           stay floats, and the others share one scale per row (activations.hpp)
///   codes(block)                            4 bits only: the 16 bytes of nibbles.hpp
///   factor(block), offset(block)            4 bits with row scales: 8-bit integers, for which decode maps a code c to
///                                           the integer factor · (c − 8) − 8 · offset
/// All fields are unaligned and little-endian, as in files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <llava/quant/format.hpp>

LLAVA_BEGIN

/// Number of elements of a block, along K.
inline constexpr int block_elements = 32;

/// Number of blocks that hold n elements.
constexpr std::ptrdiff_t blocks_of(std::ptrdiff_t n) { return (n + block_elements - 1) / block_elements; }

/// The largest code of activations and of 16-bit weights: 32 products of two such codes fit into an i32.
template <class Code>
inline constexpr int largest_code = sizeof(Code) == 2 ? 8191 : 127;

/// x as a code: rounded to the nearest integer, ties to even, and clamped to ±largest_code. NaN becomes −largest_code.
template <class Code>
LLAVA_HOST_DEVICE Code round_to_code(float x) {
  constexpr auto most = static_cast<float>(largest_code<Code>);
  const float bounded = x >= -most ? (x < most ? x : most) : -most;
  return static_cast<Code>((bounded + 12582912.f) - 12582912.f);  // adding 1.5 · 2²³ rounds to an integer
}

/// The element type of decode's output.
template <class F>
using decoded_code = std::conditional_t<F::bits == 16 || (F::bits == 4 && F::has_row_scale), std::int16_t, std::int8_t>;

/// Whether products with F keep outliers of activations as floats.
template <class F>
inline constexpr bool has_outliers = requires {
  F::outlier;
};

namespace detail {
template <class F>
struct activation_of {
  using type = std::conditional_t<F::bits == 16, std::int16_t, std::int8_t>;
};
template <class F>
requires requires { typename F::activation; }
struct activation_of<F> {
  using type = typename F::activation;
};
}  // namespace detail

/// The type of activation codes in products with F: i16 if F has 16-bit codes or F::activation is i16, otherwise i8.
template <class F>
using activation_code = typename detail::activation_of<F>::type;

template <class F>
concept block_format = requires(const float* x, std::ptrdiff_t n, std::byte* row, const std::byte* stored) {
  { F::name } -> std::convertible_to<std::string_view>;
  requires F::bits == 4 || F::bits == 8 || F::bits == 16;
  requires F::activation_group % block_elements == 0;
  { F::has_row_scale } -> std::convertible_to<bool>;
  requires F::block_bytes >
  0 && F::header_bytes >= 0;
  F::encode(x, n, row);
  { F::row_scale(stored) } -> std::same_as<float>;
  { F::block_scale(stored) } -> std::same_as<float>;
  requires requires(decoded_code<F> * values) { F::decode(stored, values); };
  requires F::has_row_scale || F::activation_group == block_elements;
  requires !F::has_row_scale || F::bits <= 8;
  requires !has_outliers<F> || (F::has_row_scale && F::bits == 8);
  requires(std::is_same_v<activation_code<F>, std::int8_t> && F::bits <= 8) ||
      (std::is_same_v<activation_code<F>, std::int16_t> && F::bits >= 8);
};

/// A view of a matrix (N, K) in a block format: contiguous stored rows.
template <class F>
struct block_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K

  static constexpr std::ptrdiff_t row_bytes(std::ptrdiff_t columns) {
    return F::header_bytes + blocks_of(columns) * F::block_bytes;
  }
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
  const std::byte* row(std::ptrdiff_t n) const { return data + n * row_bytes(columns); }
  const std::byte* block(std::ptrdiff_t n, std::ptrdiff_t b) const {
    return row(n) + F::header_bytes + b * F::block_bytes;
  }
};

template <block_format F>
struct format<F> {
  static constexpr std::string_view name = F::name;
  static constexpr bool is_dense = false;
  using view = block_view<F>;  // (N, K)
  static constexpr std::size_t bytes(std::size_t rows, std::size_t columns) {
    return rows * static_cast<std::size_t>(view::row_bytes(static_cast<std::ptrdiff_t>(columns)));
  }
};

/// Copies block b of n floats to `block`, padded with zeros. Encoders start with this.
inline void load_block(const float* x, std::ptrdiff_t n, std::ptrdiff_t b, float* block) {
  const std::ptrdiff_t left = n - b * block_elements, count = left < block_elements ? left : block_elements;
  for (std::ptrdiff_t i = count; i < block_elements; ++i) block[i] = 0.f;
  std::memcpy(block, x + b * block_elements, static_cast<std::size_t>(count) * sizeof(float));
}

/// Decodes the n elements of a stored row to floats.
template <block_format F>
void decode_row(const std::byte* row, std::ptrdiff_t n, float* x) {
  const float row_scale = F::row_scale(row);
  for (std::ptrdiff_t b = 0; b < blocks_of(n); ++b) {
    const std::byte* block = row + F::header_bytes + b * F::block_bytes;
    decoded_code<F> values[block_elements];
    F::decode(block, values);
    const float scale = row_scale * F::block_scale(block);
    for (std::ptrdiff_t i = 0; i < block_elements && b * block_elements + i < n; ++i)
      x[b * block_elements + i] = static_cast<float>(values[i]) * scale;
  }
}

/// @name Unaligned numbers in rows
/// @{
template <class T>
T read_number(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
void write_number(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}
/// @}

LLAVA_END
