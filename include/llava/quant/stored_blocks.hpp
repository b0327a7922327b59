// SPDX-License-Identifier: Apache-2.0
/// The block formats of quant/blocks.hpp by their names, for code that has rows in a file and no type: the bytes of a
/// row, and whether all its elements are finite.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <llava/quant/blocks.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q4_i8.hpp>
#include <llava/quant/q8_0.hpp>

LLAVA_BEGIN

/// A block format, as files name it.
struct stored_blocks {
  std::string_view name;
  std::int64_t (*row_bytes)(std::int64_t columns);
  /// Whether no scale of a row is NaN or infinite. Codes are integers. Bytes after the last whole block are not read.
  bool (*is_finite)(std::span<const std::byte> row);
};

namespace detail {

template <block_format F>
inline constexpr stored_blocks stored_blocks_of{
    F::name, [](std::int64_t columns) -> std::int64_t { return block_view<F>::row_bytes(columns); },
    [](std::span<const std::byte> row) {
      constexpr std::size_t header = F::header_bytes, block = F::block_bytes;
      if (row.size() < header) return true;
      if (!std::isfinite(F::row_scale(row.data()))) return false;
      for (std::size_t at = header; row.size() - at >= block; at += block)
        if (!std::isfinite(F::block_scale(row.data() + at))) return false;
      return true;
    }};

}  // namespace detail

/// The format of that name; null when there is none.
inline const stored_blocks* find_stored_blocks(std::string_view name) {
  static constexpr stored_blocks all[] = {detail::stored_blocks_of<q4_0>, detail::stored_blocks_of<q4_i8>,
                                          detail::stored_blocks_of<q8_0>, detail::stored_blocks_of<q16_0>,
                                          detail::stored_blocks_of<int8>};
  for (const stored_blocks& one : all)
    if (one.name == name) return &one;
  return nullptr;
}

LLAVA_END
