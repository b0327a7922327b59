// SPDX-License-Identifier: Apache-2.0
/// resize: Pillow's Image.resize on 8-bit RGB, byte for byte, with the filters bicubic, bilinear and lanczos.
///
/// There are two passes, and the result of the first is rounded to bytes. Up to Pillow 12 the horizontal pass comes
/// first; in Pillow 13 the vertical pass comes first when it removes more than twice as many rows as the other removes
/// columns. Some bytes then differ by one or two. An output is the weighted sum of a window of inputs, with fixed-point
/// weights of 22 fraction bits. Both passes are one loop: the dot product of a contiguous run of pixels of one channel
/// with a row of the axis' table. Each weight is split into a high and a low part, so that the loop multiplies 16-bit
/// integers (the cheapest vector product of every processor); the sum is exact, so it does not depend on the order.
///
/// A pass may compute a part of the output only, and its input may be an image on a larger canvas of one colour, whose
/// share of each sum is known beforehand. So cropping and padding cost neither a copy nor the pixels that are cut away.
/// A side that does not change has windows of one input with weight 1: a copy, as in Pillow.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/config.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN

/// @name Filters
/// A filter has `support`, the distance beyond which it is zero, and `weight(distance)`. Shrinking stretches it.
/// @{

/// Keys' cubic convolution, a = −0.5.
struct bicubic {
  static constexpr double support = 2;
  static double weight(double t) {
    constexpr double a = -0.5;
    t = std::fabs(t);
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
    return 0;
  }
};

/// Linear interpolation: a triangle.
struct bilinear {
  static constexpr double support = 1;
  static double weight(double t) {
    t = std::fabs(t);
    return t < 1 ? 1 - t : 0;
  }
};

/// sinc with three lobes, windowed by the central lobe of a wider sinc.
struct lanczos {
  static constexpr double support = 3;
  static double weight(double t) { return -3 <= t && t < 3 ? sinc(t) * sinc(t / 3) : 0; }
  static double sinc(double t) {
    t *= 3.14159265358979323846;
    return t == 0 ? 1 : std::sin(t) / t;
  }
};
/// @}

namespace detail {

inline constexpr int resize_block = 16;     // taps are padded to a multiple of this: vector loops have no remainder
inline constexpr int resize_bits = 22;      // fraction bits of a weight
inline constexpr int resize_low_bits = 12;  // of these, the bits in the low part, which is signed

/// One side of a resize, in pixels: the canvas is resized from `in` to `out`, and `count` outputs are computed from
/// `from` on. The image begins at `at` on the canvas and has the length `size`.
struct resize_side {
  int in, out, from, count, at, size;
};

/// The inputs of one output: `blocks` blocks of the image's pixels from `first` on; `outside` is the sum of the weights
/// that fall on the canvas outside the image.
struct resize_window {
  int first = 0, blocks = 0;
  std::int32_t outside = 0;
};

struct resize_axis {
  std::vector<resize_window> windows;   // (count)
  std::vector<std::int16_t> high, low;  // (count, taps): weight = high · 2^12 + low
  std::size_t taps = 0;                 // a multiple of resize_block
  int begin = 0, end = 0;               // range of the inputs that are read
};

template <class Filter>
resize_axis make_axis(const resize_side& side) {
  const double scale = static_cast<double>(side.in) / side.out, stretch = (std::max)(scale, 1.0);
  const double support = Filter::support * stretch, inverse = 1.0 / stretch;
  const int widest = static_cast<int>(std::ceil(support)) * 2 + 1;
  const auto count = static_cast<std::size_t>(side.count);
  resize_axis axis;
  axis.taps =
      static_cast<std::size_t>(((std::min)(widest, side.size) + resize_block - 1) / resize_block * resize_block);
  axis.windows.resize(count);
  axis.high.resize(count * axis.taps);
  axis.low.resize(count * axis.taps);
  axis.begin = side.size;
  std::vector<double> exact(static_cast<std::size_t>(widest));
  for (std::size_t i = 0; i < count; ++i) {
    const double centre = (side.from + static_cast<int>(i) + 0.5) * scale;
    const int first = (std::max)(static_cast<int>(centre - support + 0.5), 0);
    const int last = (std::min)(static_cast<int>(centre + support + 0.5), side.in);
    double sum = 0;
    for (int j = first; j < last; ++j)
      sum += exact[static_cast<std::size_t>(j - first)] = Filter::weight((j - centre + 0.5) * inverse);

    // Leading zero weights are skipped; a window outside the image stays empty.
    resize_window& window = axis.windows[i];
    int used_first = -1, used_last = 0;
    for (int j = first; j < last; ++j) {
      const double w = exact[static_cast<std::size_t>(j - first)];
      const double scaled = (sum != 0 ? w / sum : w) * (1 << resize_bits);
      const auto weight = static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      const int x = j - side.at;  // on the image
      if (x < 0 || x >= side.size) {
        window.outside += weight;
        continue;
      }
      if (used_first < 0 && weight == 0) continue;
      if (used_first < 0) used_first = x;
      if (weight != 0) used_last = x + 1;
      const std::size_t k = i * axis.taps + static_cast<std::size_t>(x - used_first);
      const std::int32_t high = (weight + (1 << (resize_low_bits - 1))) >> resize_low_bits;
      axis.high[k] = static_cast<std::int16_t>(high);
      axis.low[k] = static_cast<std::int16_t>(weight - high * (1 << resize_low_bits));
    }
    if (used_first < 0) continue;
    window.first = used_first;
    window.blocks = (used_last - used_first + resize_block - 1) / resize_block;
    axis.begin = (std::min)(axis.begin, used_first);
    axis.end = (std::max)(axis.end, used_last);
  }
  axis.begin = (std::min)(axis.begin, axis.end);
  for (resize_window& window : axis.windows)
    if (window.blocks == 0) window.first = axis.begin;
  return axis;
}

/// Written so that g++ and clang make it vector multiply-adds of 16-bit integers at -O2: no remainder, one reduction.
inline std::int32_t dot(const std::int16_t* a, const std::int16_t* b, std::size_t blocks) {
  std::int32_t sum = 0;
  for (std::size_t j = 0, n = blocks * resize_block; j != n; ++j) sum += a[j] * b[j];
  return sum;
}

/// Computes one output: the window `i` of `axis` over `from`, one channel of the inputs from axis.begin on; `canvas` is
/// the canvas' value in it. No sum overflows: the parts of a weight are no larger than it, and 255 · Σ|weight| < 2^31.
inline std::uint8_t weighted_sum(const resize_axis& axis, std::size_t i, const std::int16_t* from,
                                 std::int32_t canvas) {
  const resize_window& window = axis.windows[i];
  const std::int16_t* p = from + (window.first - axis.begin);
  const std::int32_t of_high = dot(p, &axis.high[i * axis.taps], static_cast<std::size_t>(window.blocks));
  const std::int32_t of_low = dot(p, &axis.low[i * axis.taps], static_cast<std::size_t>(window.blocks));
  const std::int32_t half = 1 << (resize_bits - 1);
  const std::int32_t sum = of_high * (1 << resize_low_bits) + of_low + canvas * window.outside + half;
  return static_cast<std::uint8_t>(std::clamp(sum >> resize_bits, 0, 255));
}

/// Strides in bytes from one pixel to the next, along the first and the second axis.
struct resize_steps {
  std::size_t first, second;
};

/// Computes the windows and weights of a side, with a filter that is chosen at run time.
using axis_function = resize_axis (*)(const resize_side&);
inline axis_function axis_function_of(resampling filter) {
  return filter == resampling::lanczos    ? make_axis<lanczos>
         : filter == resampling::bilinear ? make_axis<bilinear>
                                          : make_axis<bicubic>;
}

/// Writes the part of the resized canvas that `first` and `second` state to `out`. The pass along `first` comes first;
/// `from` is the image's first pixel.
inline void resize_axes(axis_function make, const std::uint8_t* from, resize_steps in,
                        const std::array<std::uint8_t, 3>& canvas, const resize_side& first, const resize_side& second,
                        std::uint8_t* out, resize_steps to) {
  const resize_axis columns = make(first), rows = make(second);
  const int height = rows.end - rows.begin;
  const std::size_t plane = static_cast<std::size_t>(columns.end - columns.begin) + resize_block;
  const std::size_t column = static_cast<std::size_t>(height) + resize_block;
  // One strip of the first axis' outputs at a time: its inputs and the bytes between the passes stay in the cache.
  const int strip = (std::min)(64, first.count);
  std::vector<std::int16_t> line(3 * plane);  // (3, inputs): one line, channel by channel
  std::vector<std::int16_t> between(3 * static_cast<std::size_t>(strip) * column);  // (strip, 3, lines)
  for (int begin = 0; begin < first.count; begin += strip) {
    const int end = (std::min)(begin + strip, first.count);
    int read_begin = columns.end, read_end = columns.begin;
    for (int x = begin; x < end; ++x) {
      const resize_window& window = columns.windows[static_cast<std::size_t>(x)];
      if (window.blocks == 0) continue;
      read_begin = (std::min)(read_begin, window.first);
      read_end = (std::max)(read_end, (std::min)(window.first + window.blocks * resize_block, columns.end));
    }
    for (int y = 0; y < height; ++y) {
      const std::uint8_t* pixels = from + static_cast<std::size_t>(rows.begin + y) * in.second;
      for (int x = read_begin; x < read_end; ++x)
        for (std::size_t c = 0; c < 3; ++c)
          line[c * plane + static_cast<std::size_t>(x - columns.begin)] =
              pixels[static_cast<std::size_t>(x) * in.first + c];
      std::int16_t* sums = between.data() + y;
      for (int x = begin; x < end; ++x)
        for (std::size_t c = 0; c < 3; ++c, sums += column)
          *sums = weighted_sum(columns, static_cast<std::size_t>(x), line.data() + c * plane, canvas[c]);
    }
    for (int y = 0; y < second.count; ++y) {
      std::uint8_t* pixel = out + static_cast<std::size_t>(y) * to.second + static_cast<std::size_t>(begin) * to.first;
      const std::int16_t* sums = between.data();
      for (int x = begin; x < end; ++x, pixel += to.first)
        // A constant canvas keeps its values: a sum is off by at most 255 · 8192 / 2^22, less than one half.
        for (std::size_t c = 0; c < 3; ++c, sums += column)
          pixel[c] = weighted_sum(rows, static_cast<std::size_t>(y), sums, canvas[c]);
    }
  }
}

/// Whether Pillow's release `pillow` computes the pass along the columns first.
inline bool rows_come_first(const resize_side& across, const resize_side& down, int pillow) {
  return pillow >= 13 && down.out < down.in && down.in - down.out > 2 * (across.in - across.out);
}

/// Writes the part of the resized canvas that `across` and `down` state to (left, top) of `to`, as Pillow's release
/// `pillow` computes it.
inline void resize_part(axis_function make, const image& img, const std::array<std::uint8_t, 3>& canvas,
                        const resize_side& across, const resize_side& down, image& to, int left, int top, int pillow) {
  const std::uint8_t* from = img.pixels().data();
  std::uint8_t* out = to.row(top) + static_cast<std::size_t>(left) * 3;
  if (rows_come_first(across, down, pillow))
    resize_axes(make, from, {img.row_bytes(), 3}, canvas, down, across, out, {to.row_bytes(), 3});
  else
    resize_axes(make, from, {3, img.row_bytes()}, canvas, across, down, out, {3, to.row_bytes()});
}

}  // namespace detail

/// Resizes `img` to width × height pixels as Pillow's release `pillow` does.
template <class Filter = bicubic>
result<image> try_resize(const image& img, int width, int height, int pillow = 13) {
  return guarded([&]() -> result<image> {
    if (img.empty()) return fail(errc::invalid_argument, "llava: an empty image cannot be resized");
    LLAVA_CHECK(try_check_image_size(width, height, "the resized image"));
    if (width == img.width() && height == img.height()) return img;
    image resized(width, height);
    detail::resize_part(detail::make_axis<Filter>, img, {}, {img.width(), width, 0, width, 0, img.width()},
                        {img.height(), height, 0, height, 0, img.height()}, resized, 0, 0, pillow);
    return resized;
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
template <class Filter = bicubic>
image resize(const image& img, int width, int height, int pillow = 13) {
  return value_or_throw(try_resize<Filter>(img, width, height, pillow));
}
#endif

LLAVA_END
