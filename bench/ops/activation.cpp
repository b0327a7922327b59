// SPDX-License-Identifier: Apache-2.0
// Gates: y = A(gate) · up, with every activation.
#include <llava/ops/rows.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace {

template <class A>
struct gated_case {
  std::ptrdiff_t rows, width;

  std::string name() const {
    return "gated/" + std::string(A::name) + "/T" + std::to_string(rows) + "/I" + std::to_string(width);
  }
  template <class B>
  bool affordable() const {
    return bench::can_afford<B>(20. * static_cast<double>(rows * width));
  }
  static double reference(double x) {
    if constexpr (std::is_same_v<A, llava::silu>) return x / (1 + std::exp(-x));
    if constexpr (std::is_same_v<A, llava::quick_gelu>) return x / (1 + std::exp(-1.702 * x));
    if constexpr (std::is_same_v<A, llava::gelu>) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.)));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  }
  template <class B>
  void run(benchmark::State& state) const {
    bench::device<B> d;
    const bench::array<> gate(rows, width, 6.f), up(rows, width), y(rows, width);
    const auto op = [&](std::size_t) {
      gated(d.queue, y.matrix(), llava::matrix_view<const float>(gate), llava::matrix_view<const float>(up), A{});
      d.queue.finish();
    };
    op(0);
    bench::nmse error;
    for (std::ptrdiff_t t : bench::some_of(rows, 3))
      for (std::ptrdiff_t i = 0; i < width; ++i)
        error.add(static_cast<double>(y.matrix()(t, i)),
                  reference(static_cast<double>(gate.matrix()(t, i))) * static_cast<double>(up.matrix()(t, i)));
    if (!bench::is_right(state, error.value(), 1e-7)) return;
    bench::time(state, {0., 12. * static_cast<double>(rows * width)}, op);
  }
};

const bench::file activations([] {
  bench::add_for_backends(gated_case<llava::silu>{1, 11008});
  bench::add_for_backends(gated_case<llava::silu>{640, 11008});
  bench::add_for_backends(gated_case<llava::quick_gelu>{577, 4096});
  bench::add_for_backends(gated_case<llava::gelu>{577, 4096});
  bench::add_for_backends(gated_case<llava::gelu_tanh>{577, 4096});
});

}  // namespace
