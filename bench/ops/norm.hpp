// SPDX-License-Identifier: Apache-2.0
/// rms_norm and layer_norm as cases. The floor is one read and one write of each element.
#pragma once
#include <llava/ops/norm.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace bench {

template <bool IsLayerNorm>
struct norm_case {
  std::ptrdiff_t rows, width;

  std::string name() const {
    return std::string(IsLayerNorm ? "layer_norm" : "rms_norm") + "/T" + std::to_string(rows) + "/D" +
           std::to_string(width);
  }
  template <class B>
  bool affordable() const {
    return can_afford<B>(6. * static_cast<double>(rows * width));
  }
  template <class B>
  void run(benchmark::State& state) const {
    constexpr float eps = 1e-5f;
    device<B> d;
    const array<> x(rows, width, 3.f), y(rows, width), w(1, width), b(1, width, 0.5f);
    const auto op = [&](std::size_t) {
      if constexpr (IsLayerNorm)
        layer_norm(d.queue, y.matrix(), llava::matrix_view<const float>(x), llava::vector_view<const float>(w),
                   llava::vector_view<const float>(b), eps);
      else
        rms_norm(d.queue, y.matrix(), llava::matrix_view<const float>(x), llava::vector_view<const float>(w), eps);
      d.finish();
    };
    op(0);
    nmse error;
    for (std::ptrdiff_t t : spread_indices(rows, 5)) {
      const auto n = static_cast<double>(width);
      double mean = 0, squares = 0;
      if (IsLayerNorm)
        for (std::ptrdiff_t i = 0; i < width; ++i) mean += static_cast<double>(x.matrix()(t, i)) / n;
      for (std::ptrdiff_t i = 0; i < width; ++i) squares += std::pow(static_cast<double>(x.matrix()(t, i)) - mean, 2);
      for (std::ptrdiff_t i = 0; i < width; ++i)
        error.add(static_cast<double>(y.matrix()(t, i)), (static_cast<double>(x.matrix()(t, i)) - mean) /
                                                                 std::sqrt(squares / n + static_cast<double>(eps)) *
                                                                 static_cast<double>(w.vector()(i)) +
                                                             (IsLayerNorm ? static_cast<double>(b.vector()(i)) : 0.));
    }
    if (!is_right(state, error.value(), 1e-7)) return;
    time(state, {6. * static_cast<double>(rows * width), 8. * static_cast<double>(rows * width)}, op);
  }
};

}  // namespace bench
