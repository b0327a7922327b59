// SPDX-License-Identifier: Apache-2.0
// RMSNorm of the language model, LayerNorm of the vision tower. The floor is one read and one write of each element.
#include <llava/ops/norm.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace {

template <bool IsLayerNorm>
struct norm_case {
  std::ptrdiff_t rows, width;

  std::string name() const {
    return std::string(IsLayerNorm ? "layer_norm" : "rms_norm") + "/T" + std::to_string(rows) + "/D" +
           std::to_string(width);
  }
  template <class B>
  bool affordable() const {
    return bench::can_afford<B>(6. * static_cast<double>(rows * width));
  }
  template <class B>
  void run(benchmark::State& state) const {
    constexpr float eps = 1e-5f;
    bench::device<B> d;
    const bench::array<> x(rows, width, 3.f), y(rows, width), w(1, width), b(1, width, 0.5f);
    const auto op = [&](std::size_t) {
      if constexpr (IsLayerNorm)
        layer_norm(d.queue, y.matrix(), llava::matrix_view<const float>(x), llava::vector_view<const float>(w),
                   llava::vector_view<const float>(b), eps);
      else
        rms_norm(d.queue, y.matrix(), llava::matrix_view<const float>(x), llava::vector_view<const float>(w), eps);
      d.finish();
    };
    op(0);
    bench::nmse error;
    for (std::ptrdiff_t t : bench::spread_indices(rows, 5)) {
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
    if (!bench::is_right(state, error.value(), 1e-7)) return;
    bench::time(state, {6. * static_cast<double>(rows * width), 8. * static_cast<double>(rows * width)}, op);
  }
};

const bench::file norms([] {
  for (std::ptrdiff_t rows : {1, 16, 640}) bench::add_for_backends(norm_case<false>{rows, 4096});
  bench::add_for_backends(norm_case<true>{577, 1024});
});

}  // namespace
