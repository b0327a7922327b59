// SPDX-License-Identifier: Apache-2.0
/// One pass of a resize of an interleaved 8-bit RGB image; image/resize.hpp has two. Every output is the weighted sum
/// of a window of inputs, with fixed-point weights of 22 fraction bits, rounded and clamped to a byte. Optional for a
/// backend: one that has both ops cuts the squares of images itself (image/preprocess_on_device.hpp).
///   resize_columns(queue, y, x, windows, canvas): y[h, 3n + c] from x[h, 3(first + k) + c]    x (H, 3W), y (H, 3N)
///   resize_rows(queue, y, x, windows, canvas):    y[n, 3w + c] from x[first + k, 3w + c]      x (H, 3W), y (N, 3W)
///     y = clamp((Σ_k weight_k · x + outside · canvas[c] + 2²¹) >> 22, 0, 255)
///   windows (2 + K, N) i32: column n holds first, outside, and the weights k = 0 … K − 1; those of inputs that x does
///   not have are 0. `outside` is the weight of the canvas of one colour around the image
/// Sums are exact in 32 bits, so the bytes do not depend on their order.
#pragma once
#include <array>
#include <cstdint>

#include <llava/ops/queue_of.hpp>
#include <llava/ops/shapes.hpp>

LLAVA_BEGIN

namespace ops {
/// The colour of the canvas.
using rgb_colour = std::array<std::uint8_t, 3>;

inline shapes resize_columns_shapes(matrix_view<const std::uint8_t> y, matrix_view<const std::uint8_t> x,
                                    matrix_view<const std::int32_t> windows) {
  shapes s("resize_columns");
  s.require(x.extent(1) % 3 == 0, "x has ", x.extent(1), " columns, expected a multiple of 3");
  s.require(windows.extent(0) >= 2, "windows has ", windows.extent(0), " rows, expected at least 2");
  s.expect({"y", y}, {x.extent(0), 3 * windows.extent(1)}, operand{"x", x}, operand{"windows", windows});
  s.writes(y);
  return s;
}
inline shapes resize_rows_shapes(matrix_view<const std::uint8_t> y, matrix_view<const std::uint8_t> x,
                                 matrix_view<const std::int32_t> windows) {
  shapes s("resize_rows");
  s.require(x.extent(1) % 3 == 0, "x has ", x.extent(1), " columns, expected a multiple of 3");
  s.require(windows.extent(0) >= 2, "windows has ", windows.extent(0), " rows, expected at least 2");
  s.expect({"y", y}, {windows.extent(1), x.extent(1)}, operand{"windows", windows}, operand{"x", x});
  s.writes(y);
  return s;
}

template <class B>
concept has_resize = requires(queue_of<B>& q, matrix_view<std::uint8_t> y, matrix_view<const std::uint8_t> x,
                              matrix_view<const std::int32_t> windows, rgb_colour canvas) {
  resize_columns(q, y, x, windows, canvas);
  resize_rows(q, y, x, windows, canvas);
};
}  // namespace ops

LLAVA_END
