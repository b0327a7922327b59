// SPDX-License-Identifier: Apache-2.0
/// resize: Pillow's Image.resize with BICUBIC on 8-bit RGB, byte for byte. Two passes, across and then down, each skipped
/// when its side does not change; weights in fixed point with 22 bits; the result of the first pass is rounded to bytes.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include <llava/image/image.hpp>

LLAVA_BEGIN

namespace detail {

/// What one output position of a pass is made of: `count` inputs from `first` on.
struct resize_window {
  int first = 0, count = 0;
};
struct resize_axis {
  std::vector<resize_window> windows;  // (out)
  std::vector<std::int32_t> weights;   // (out, widest), 22 fractional bits
  int widest = 0;
};

/// Keys' cubic with a = −0.5, support 2.
inline double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

inline resize_axis weigh(int in, int out) {
  const double scale = static_cast<double>(in) / out, filter_scale = scale < 1.0 ? 1.0 : scale;
  const double support = 2.0 * filter_scale, inverse = 1.0 / filter_scale;
  resize_axis axis;
  axis.widest = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.windows.resize(static_cast<std::size_t>(out));
  axis.weights.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(axis.widest));
  std::vector<double> exact(static_cast<std::size_t>(axis.widest));
  for (int x = 0; x < out; ++x) {
    const double centre = (x + 0.5) * scale;
    int first = static_cast<int>(centre - support + 0.5), last = static_cast<int>(centre + support + 0.5);
    if (first < 0) first = 0;
    if (last > in) last = in;
    double sum = 0.0;
    for (int j = 0; j < last - first; ++j) sum += exact[static_cast<std::size_t>(j)] = bicubic((j + first - centre + 0.5) * inverse);
    for (int j = 0; j < last - first; ++j) {
      const double w = (sum != 0.0 ? exact[static_cast<std::size_t>(j)] / sum : exact[static_cast<std::size_t>(j)]) * (1 << 22);
      axis.weights[static_cast<std::size_t>(x) * static_cast<std::size_t>(axis.widest) + static_cast<std::size_t>(j)] =
          static_cast<std::int32_t>(w < 0 ? w - 0.5 : w + 0.5);
    }
    axis.windows[static_cast<std::size_t>(x)] = {first, last - first};
  }
  return axis;
}

inline std::uint8_t to_byte(std::int32_t sum) {
  sum >>= 22;
  return static_cast<std::uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

inline image resize_across(const image& in, int width, int first_row, int rows) {
  const resize_axis axis = weigh(in.width(), width);
  image out(width, rows);
  for (int y = 0; y < rows; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x, to += 3) {
      const resize_window window = axis.windows[static_cast<std::size_t>(x)];
      const std::int32_t* w = &axis.weights[static_cast<std::size_t>(x) * static_cast<std::size_t>(axis.widest)];
      const std::uint8_t* from = in.row(first_row + y) + window.first * 3;
      std::int32_t sum[3] = {1 << 21, 1 << 21, 1 << 21};
      for (int j = 0; j < window.count; ++j, from += 3)
        for (int c = 0; c < 3; ++c) sum[c] += from[c] * w[j];
      for (int c = 0; c < 3; ++c) to[c] = to_byte(sum[c]);
    }
  }
  return out;
}

/// `in` holds the rows from first_row on of the picture whose height `axis` was made for.
inline image resize_down(const image& in, const resize_axis& axis, int first_row) {
  image out(in.width(), static_cast<int>(axis.windows.size()));
  const auto values = static_cast<std::size_t>(in.width()) * 3;
  std::vector<std::int32_t> sums(values);
  for (int y = 0; y < out.height(); ++y) {
    const resize_window window = axis.windows[static_cast<std::size_t>(y)];
    sums.assign(values, 1 << 21);
    for (int j = 0; j < window.count; ++j) {
      const std::int32_t w = axis.weights[static_cast<std::size_t>(y) * static_cast<std::size_t>(axis.widest) + static_cast<std::size_t>(j)];
      const std::uint8_t* from = in.row(window.first - first_row + j);
      for (std::size_t i = 0; i < values; ++i) sums[i] += from[i] * w;
    }
    for (std::size_t i = 0; i < values; ++i) out.row(y)[i] = to_byte(sums[i]);
  }
  return out;
}

}  // namespace detail

/// `picture` at width × height, both positive.
inline image resize(const image& picture, int width, int height) {
  if (height == picture.height())
    return width == picture.width() ? picture : detail::resize_across(picture, width, 0, height);
  const detail::resize_axis down = detail::weigh(picture.height(), height);
  // Only the rows that the second pass reads.
  const int first = down.windows.front().first, last = down.windows.back().first + down.windows.back().count;
  if (width == picture.width()) return detail::resize_down(picture, down, 0);
  return detail::resize_down(detail::resize_across(picture, width, first, last - first), down, first);
}

LLAVA_END
