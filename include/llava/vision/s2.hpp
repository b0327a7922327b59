// SPDX-License-Identifier: Apache-2.0
/// s2_tower: a vision transformer that sees an image at several scales (Shi et al. 2024, "When Do We Not Need Larger
/// Vision Models?"), as LLaVA's program does with `s2` in config.json. Without scales it is clip_tower. Contract:
/// concept.hpp.
///
///   rgb (S·S·3) of the largest scale -> pixels (S·S, 3), normalised
///   for every scale s: pixels (s·s, 3), bicubic -> (s / image)² squares -> features of each -> one map of features
///                      -> the mean of every block of s / image × s / image features -> columns of the features (P, Dv)
///
/// The features of the scales stand side by side: (P, scales·Dv). Bicubic interpolation is torch's, a = −0.75 without
/// antialiasing. Only ops that other stages use are needed.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/vision/vit.hpp>

LLAVA_BEGIN

namespace detail {
/// The four neighbours of each of `to` points between `from` points in a row, and their weights.
struct cubic_neighbours {
  std::vector<std::int32_t> from;
  std::vector<float> weights;

  cubic_neighbours(int in, int out) {
    constexpr float a = -0.75f;
    const float step = static_cast<float>(in) / static_cast<float>(out);
    for (int i = 0; i < out; ++i) {
      const float at = step * (static_cast<float>(i) + 0.5f) - 0.5f, low = std::floor(at), t = at - low;
      const auto inner = [&](float x) { return ((a + 2.f) * x - (a + 3.f)) * x * x + 1.f; };
      const auto outer = [&](float x) { return ((a * x - 5.f * a) * x + 8.f * a) * x - 4.f * a; };
      weights.insert(weights.end(), {outer(t + 1.f), inner(t), inner(1.f - t), outer(2.f - t)});
      for (int k = -1; k <= 2; ++k) from.push_back(std::clamp(static_cast<std::int32_t>(low) + k, 0, in - 1));
    }
  }
};

/// Copies numbers to the backend, for as long as the caller's arena_scope.
template <class Q, class T>
matrix_view<const T> uploaded_matrix(Q& q, const std::vector<T>& numbers, std::ptrdiff_t columns) {
  const auto n = static_cast<std::ptrdiff_t>(numbers.size());
  const vector_view<T> to(q.workspace().template allocate<T>(n), dynamic_shape<1>(n));
  upload(q, to, std::span<const T>(numbers));
  return {to.data(), dynamic_shape<2>(n / columns, columns)};
}
}  // namespace detail

/// Numbers: fixed<&M::vision> or loaded<vision_config>. Act: an activation, or one_of several.
template <class B, class Numbers, class F, class Act>
class multi_scale_vit {
 public:
  multi_scale_vit(Numbers numbers, Act act) : vit_(numbers, act) {}

  const vision_config& config() const { return vit_.config(); }

  template <class Visit>
  void each(Visit&& visit) {
    vit_.each(visit);
  }

  /// Computes the features (n·P, scales·k·Dv) of n squares. The rest is as in vit.
  template <class Q, class GoOn>
  bool forward(Q& q, matrix_view<float> features, vector_view<const std::uint8_t> rgb, matrix_view<const float> table,
               GoOn&& go_on) const {
    if (config().scales.count == 0) return vit_.forward(q, features, rgb, table, go_on);
    const std::ptrdiff_t side = config().input(), bytes = 3 * side * side, rows = config().features();
    const std::ptrdiff_t squares = (std::max)(rgb.size() / bytes, std::ptrdiff_t{1});
    for (std::ptrdiff_t i = 0; i < squares; ++i) {
      const std::ptrdiff_t size = i + 1 < squares ? bytes : rgb.size() - i * bytes;
      if (!see(q, rows_of(features, i * rows, rows), {rgb.data() + i * bytes, dynamic_shape<1>(size)}, table, go_on))
        return false;
    }
    return true;
  }

 private:
  using operand = operand_of<B, F>;
  static constexpr std::ptrdiff_t at_once = 4;  // squares that the transformer takes at a time

  /// Computes the features (P, scales·k·Dv) of one square.
  template <class Q, class GoOn>
  bool see(Q& q, matrix_view<float> features, vector_view<const std::uint8_t> rgb, matrix_view<const float> table,
           GoOn&& go_on) const {
    arena_scope scope(q.workspace());
    const int side = config().input();
    const std::ptrdiff_t width = std::ptrdiff_t{config().hidden} * config().selected();
    const matrix_view<float> pixels = allocate_matrix(q, std::ptrdiff_t{side} * side, 3);  // (S·S, 3)
    patchify(q, pixels, rgb, table, side, 1);
    for (int i = 0; i < config().scales.count; ++i) {
      arena_scope of_scale(q.workspace());
      const int scale = config().scales.of[i];
      const matrix_view<const float> seen = scale == side ? pixels : resized(q, pixels, side, scale);
      if (!see_scale(q, columns_of(features, i * width, width), seen, scale, go_on)) return false;
    }
    return true;
  }

  /// Resizes pixels (in·in, 3) to (out·out, 3).
  template <class Q>
  matrix_view<const float> resized(Q& q, matrix_view<const float> pixels, std::ptrdiff_t in, std::ptrdiff_t out) const {
    const detail::cubic_neighbours found(static_cast<int>(in), static_cast<int>(out));
    const auto from = detail::uploaded_matrix(q, found.from, 4);        // (out, 4)
    const auto weights = detail::uploaded_matrix(q, found.weights, 4);  // (out, 4)
    const matrix_view<float> y = allocate_matrix(q, out * out, 3);      // (out·out, 3)
    arena_scope scope(q.workspace());
    const matrix_view<float> tall = allocate_matrix(q, out, 3 * in);  // (out, in·3)
    mix_rows(q, tall, matrix_view<const float>(pixels.data(), dynamic_shape<2>(in, 3 * in)), from, weights);
    for (std::ptrdiff_t row = 0; row < out; ++row)
      mix_rows(q, rows_of(y, row * out, out), matrix_view<const float>(tall.row(row), dynamic_shape<2>(in, 3)), from,
               weights);
    return y;
  }

  /// Computes the features (P, k·Dv) of an image of one scale, pixels (scale·scale, 3).
  template <class Q, class GoOn>
  bool see_scale(Q& q, matrix_view<float> features, matrix_view<const float> pixels, int scale, GoOn&& go_on) const {
    const vision_config& c = config();
    const std::ptrdiff_t along = scale / c.image, tiles = along * along, rows = c.features();
    const matrix_view<float> map = allocate_matrix(q, tiles * rows, features.extent(1));  // (tiles·P, k·Dv)
    const auto values = detail::uploaded_matrix(q, values_of_patches(scale), 1);          // (P·3·p·p, 1)
    for (std::ptrdiff_t first = 0; first < tiles; first += at_once) {
      const auto cut = [&](std::ptrdiff_t i, matrix_view<operand> patches) {
        arena_scope scope(q.workspace());
        const std::ptrdiff_t tile = first + i, corner = (tile / along * scale + tile % along) * c.image * 3;
        const matrix_view<float> found = allocate_matrix(q, values.extent(0), 1);
        const matrix_view<const float> from(pixels.data() + corner, dynamic_shape<2>(pixels.size() - corner, 1));
        gather_rows(q, found, from, vector_view<const std::int32_t>(values.data(), dynamic_shape<1>(values.extent(0))));
        copy(q, patches, matrix_view<const float>(found.data(), patches.extents()));
      };
      const std::ptrdiff_t n = (std::min)(at_once, tiles - first);
      if (!vit_.forward_patches(q, rows_of(map, first * rows, n * rows), n, cut, go_on)) return false;
    }
    const std::vector<float> shares(static_cast<std::size_t>(rows * tiles), 1.f / static_cast<float>(tiles));
    mix_rows(q, features, map, detail::uploaded_matrix(q, rows_of_blocks(along), tiles),
             detail::uploaded_matrix(q, shares, tiles));
    return true;
  }

  /// The places of the values of the patches of a square, in the order of patchify, from the square's corner in an
  /// image of this side.
  std::vector<std::int32_t> values_of_patches(int side) const {
    const int grid = config().grid(), patch = config().patch;
    std::vector<std::int32_t> places;
    places.reserve(static_cast<std::size_t>(config().patches()) * static_cast<std::size_t>(config().patch_values()));
    for (int p = 0; p < grid * grid; ++p)
      for (int channel = 0; channel < 3; ++channel)
        for (int y = p / grid * patch; y < (p / grid + 1) * patch; ++y)
          for (int x = p % grid * patch; x < (p % grid + 1) * patch; ++x)
            places.push_back(3 * (y * side + x) + channel);
    return places;
  }

  /// For each feature of the tower's map the rows of its block in the features of the tiles, `along` a side.
  std::vector<std::int32_t> rows_of_blocks(std::ptrdiff_t along) const {
    const int grid = config().grid(), block = static_cast<int>(along);
    std::vector<std::int32_t> rows;
    for (int p = 0; p < grid * grid; ++p)
      for (int i = 0; i < block * block; ++i) {
        const int y = p / grid * block + i / block, x = p % grid * block + i % block;
        rows.push_back((y / grid * block + x / grid) * grid * grid + y % grid * grid + x % grid);
      }
    return rows;
  }

  vit<B, Numbers, F, Act> vit_;
};

/// The tower of LLaVA with S2, for `using tower =` in a model.
struct s2_tower {
  static constexpr bool takes_scales = true;
  template <class B, class Numbers, class F, class Act>
  using stage = multi_scale_vit<B, Numbers, F, Act>;
};

LLAVA_END
