// SPDX-License-Identifier: Apache-2.0
/// tensor_format: a format that encodes a matrix (N, K) as a whole, because what is stored of an element depends on
/// other rows: blocks that continue in the next row, a table of the scales of all rows. A block format
/// (quant/blocks.hpp) encodes each row by itself. A tensor format is a tag F with
///   name                                    its name in files and options
///   stored_bytes(rows, columns)             size of the stored matrix; F defines its bytes
///   try_encode(from, rows, columns, name, to, threads)   encodes rows of floats; errors name the tensor
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/quant/format.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

template <class F>
concept tensor_format = requires(const row_source& from, std::ptrdiff_t n, std::byte* to, executor& threads) {
  { F::name } -> std::convertible_to<std::string_view>;
  { F::stored_bytes(n, n) } -> std::same_as<std::ptrdiff_t>;
  { F::try_encode(from, n, n, std::string_view(), to, threads) } -> std::same_as<result<void>>;
};

/// A stored matrix (N, K) of a tensor format.
template <class F>
struct tensor_view {
  const std::byte* data = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;  // N, K
  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
};

template <tensor_format F>
struct format<F> {
  static constexpr std::string_view name = F::name;
  static constexpr bool is_dense = false;
  using view = tensor_view<F>;  // (N, K)
  static constexpr std::size_t bytes(std::size_t rows, std::size_t columns) {
    return static_cast<std::size_t>(
        F::stored_bytes(static_cast<std::ptrdiff_t>(rows), static_cast<std::ptrdiff_t>(columns)));
  }
};

LLAVA_END
