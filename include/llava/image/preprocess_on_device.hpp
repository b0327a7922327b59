// SPDX-License-Identifier: Apache-2.0
/// preprocess_on_device(queue, square, pixels, c): what try_preprocess computes, by the ops of a backend that has
/// ops::has_resize, byte for byte. patchify then normalises and cuts the square.
///   pixels (H, 3W) u8, an image in the backend's memory · square (S, 3S) u8, S = c.crop
/// The host makes the tables of weights, some 100 KB, and uploads them; the square and the bytes between the passes
/// take memory of the queue's workspace. Errors of the queue: c breaks a rule; sizes beyond image_limits.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <llava/config_rules.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/image/resize.hpp>
#include <llava/image/square.hpp>
#include <llava/image/square_part.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/resize.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

namespace detail {

/// The windows of an axis as ops/resize.hpp has them, relative to the first input that is read.
struct resize_windows {
  std::vector<std::int32_t> table;  // (2 + taps, count)
  std::ptrdiff_t count = 0, begin = 0, inputs = 0;

  explicit resize_windows(const resize_axis& axis)
      : count(static_cast<std::ptrdiff_t>(axis.windows.size())), begin(axis.begin), inputs(axis.end - axis.begin) {
    const std::size_t n = axis.windows.size();
    table.resize((2 + axis.taps) * n);
    for (std::size_t i = 0; i < n; ++i) {
      const resize_window& w = axis.windows[i];
      table[i] = w.first - axis.begin;
      table[n + i] = w.outside;
      for (std::size_t k = 0; k < static_cast<std::size_t>(w.blocks) * resize_block; ++k)
        table[(2 + k) * n + i] = axis.high[i * axis.taps + k] * (1 << resize_low_bits) + axis.low[i * axis.taps + k];
    }
  }
  /// The table in the backend's memory.
  template <class Q>
  matrix_view<const std::int32_t> on_device(Q& q) const {
    const auto size = static_cast<std::ptrdiff_t>(table.size());
    const matrix_view<std::int32_t> there = allocate_matrix<std::int32_t>(q, size / count, count);
    upload(q, there, std::span<const std::int32_t>(table));
    return there;
  }
};

}  // namespace detail

template <class Q>
void preprocess_on_device(Q& q, matrix_view<std::uint8_t> square, matrix_view<const std::uint8_t> pixels,
                          const image_config& c) {
  const std::ptrdiff_t columns = pixels.extent(1) / 3;
  if (const std::string_view broken = first_broken_rule(c); !broken.empty())
    return q.reject(fail(errc::invalid_argument, std::string(broken)));
  if (auto good = try_check_image_size(columns, pixels.extent(0), "the image"); !good)
    return q.reject(std::move(good).error());
  const int width = static_cast<int>(columns), height = static_cast<int>(pixels.extent(0));
  const detail::square_part part = detail::part_of_square(width, height, c);
  const auto make = detail::axis_function_of(c.filter);
  const detail::resize_windows across(make(part.across)), down(make(part.down));
  const ops::rgb_colour canvas = pad_colour(c);

  arena_scope scope(q.workspace());
  const auto across_there = across.on_device(q), down_there = down.on_device(q);
  const matrix_view<std::uint8_t> whole = rows_of(square, part.top, down.count);
  const matrix_view<std::uint8_t> to = columns_of(whole, 3 * std::ptrdiff_t{part.left}, 3 * across.count);
  if (across.count < c.crop || down.count < c.crop) {
    const std::vector<std::uint8_t> black(static_cast<std::size_t>(square.size()));
    upload(q, square, std::span<const std::uint8_t>(black));
  }
  const matrix_view<const std::uint8_t> read =
      columns_of(rows_of(pixels, down.begin, down.inputs), 3 * across.begin, 3 * across.inputs);
  if (detail::rows_come_first(part.across, part.down, c.pillow)) {
    const auto between = allocate_matrix<std::uint8_t>(q, down.count, 3 * across.inputs);
    resize_rows(q, between, read, down_there, canvas);
    resize_columns(q, to, matrix_view<const std::uint8_t>(between), across_there, canvas);
  } else {
    const auto between = allocate_matrix<std::uint8_t>(q, down.inputs, 3 * across.count);
    resize_columns(q, between, read, across_there, canvas);
    resize_rows(q, to, matrix_view<const std::uint8_t>(between), down_there, canvas);
  }
}

LLAVA_END
