// SPDX-License-Identifier: Apache-2.0
/// try_cut_on_device: the squares of an image, cut by the ops of a backend that has ops::has_resize, with the bytes of
/// try_cut_squares.
///   img -> pixels (H, 3W), uploaded once -> for each square: columns and rows, in two ops -> squares (n, 3·S·S)
///
/// The host makes the tables of weights, some 200 KB a square. Pixels, tables and the bytes between the ops take memory
/// of the queue's workspace until the squares are cut; the tower's activations take it next. When a workspace is
/// planned, the sizes of images are not known: the plan has `image_room`, enough for a photograph of 12 megapixels, and
/// the host cuts the squares of an image that does not fit into the workspace.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llava/image/preprocess.hpp>
#include <llava/image/resize.hpp>
#include <llava/image/square.hpp>
#include <llava/image/square_part.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/resize.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// Bytes of a workspace for the pixels of an image, its tables, and the bytes between two ops.
inline constexpr std::ptrdiff_t image_room = std::ptrdiff_t{48} << 20;

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

/// A part of an image that is not empty, as two ops compute it.
class part_on_device {
 public:
  part_on_device(const square_part& part, const image_config& c)
      : across_(axis_function_of(c.filter)(part.across)),
        down_(axis_function_of(c.filter)(part.down)),
        left_(part.left),
        top_(part.top),
        rows_first_(rows_come_first(part.across, part.down, c.pillow)) {}

  /// Bytes that run() allocates.
  std::size_t bytes() const {
    return (across_.table.size() + down_.table.size()) * sizeof(std::int32_t) +
           static_cast<std::size_t>(between_rows() * between_columns()) + 3 * arena::alignment;
  }
  /// Writes the part of the square (S, 3S). pixels: (H, 3W).
  template <class Q>
  void run(Q& q, matrix_view<std::uint8_t> square, matrix_view<const std::uint8_t> pixels,
           const ops::rgb_colour& canvas) const {
    arena_scope scope(q.workspace());
    const auto across = across_.on_device(q), down = down_.on_device(q);
    const auto between = allocate_matrix<std::uint8_t>(q, between_rows(), between_columns());
    const matrix_view<const std::uint8_t> read =
        columns_of(rows_of(pixels, down_.begin, down_.inputs), 3 * across_.begin, 3 * across_.inputs);
    const matrix_view<std::uint8_t> to =
        columns_of(rows_of(square, top_, down_.count), 3 * std::ptrdiff_t{left_}, 3 * across_.count);
    if (rows_first_) {
      resize_rows(q, between, read, down, canvas);
      resize_columns(q, to, matrix_view<const std::uint8_t>(between), across, canvas);
    } else {
      resize_columns(q, between, read, across, canvas);
      resize_rows(q, to, matrix_view<const std::uint8_t>(between), down, canvas);
    }
  }

 private:
  std::ptrdiff_t between_rows() const { return rows_first_ ? down_.count : down_.inputs; }
  std::ptrdiff_t between_columns() const { return 3 * (rows_first_ ? across_.inputs : across_.count); }

  resize_windows across_, down_;
  int left_, top_;
  bool rows_first_;
};

}  // namespace detail

/// Writes the squares (n, 3·S·S) of an image's plan, S = c.crop, to the backend's memory. Errors: as try_cut_squares;
/// those of ops are the queue's.
template <class Q>
result<void> try_cut_on_device(Q& q, matrix_view<std::uint8_t> squares, const image& img, const image_config& c,
                               const image_plan& plan) {
  arena_scope scope(q.workspace());
  if (q.workspace().planning()) {
    q.workspace().template allocate<std::uint8_t>(image_room);
    return {};
  }
  LLAVA_TRY(parts, detail::try_parts(img, c, plan));
  std::vector<detail::part_on_device> seen;  // those that are not empty
  std::size_t most = 0;
  for (const detail::square_part& part : parts)
    if (!part.empty()) most = (std::max)(most, seen.emplace_back(part, c).bytes());
  const auto square = [&](std::size_t i) {
    return matrix_view<std::uint8_t>(squares.row(static_cast<std::ptrdiff_t>(i)),
                                     dynamic_shape<2>(c.crop, std::ptrdiff_t{3} * c.crop));
  };
  if (img.pixels().size() + arena::alignment + most > q.workspace().left()) {
    LLAVA_TRY(cut, try_cut_squares(img, c, plan));
    for (std::size_t i = 0; i < cut.size(); ++i) upload(q, square(i), std::as_const(cut[i]).pixels());
    return {};
  }
  const auto pixels = allocate_matrix<std::uint8_t>(q, img.height(), std::ptrdiff_t{3} * img.width());
  upload(q, pixels, img.pixels());
  auto next = seen.begin();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].across.count < c.crop || parts[i].down.count < c.crop) {
      const std::vector<std::uint8_t> black(static_cast<std::size_t>(square(i).size()));
      upload(q, square(i), std::span<const std::uint8_t>(black));
    }
    if (!parts[i].empty()) (next++)->run(q, square(i), pixels, pad_colour(c));
  }
  return {};
}

LLAVA_END
