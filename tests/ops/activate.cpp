// SPDX-License-Identifier: Apache-2.0
#include "backend/backends.hpp"

using namespace llava;

namespace {

constexpr std::ptrdiff_t rows = 5, inner = 40;

/// A(x · wᵀ + bias) as one product, or as a product and activate, into y with a stride.
template <class B, class A>
std::vector<float> made(std::ptrdiff_t columns, update how, bool in_two) {
  device<B> d;
  const auto x = d.put(random_values<operand<f16>>(rows * inner, 1), rows);
  const auto w = d.put(random_values<f16>(static_cast<std::size_t>(columns * inner), 2), columns);
  const auto bias = d.put(random_values(static_cast<std::size_t>(columns), 3), 1);
  const auto all = d.put(random_values(static_cast<std::size_t>(rows * (columns + 3)), 4), rows);
  const matrix_view<float> y(all.matrix().data() + 1, dynamic_shape<2>(rows, columns), columns + 3);
  const auto z = d.put(std::vector<float>(static_cast<std::size_t>(rows * columns)), rows);
  const matrix_view<const operand<f16>> inputs = x;
  const epilogue<A> whole{vector_view<const float>(bias.vector()), how};
  if (!in_two) {
    matmul(d.queue, y, inputs, matrix_view<const f16>(w.matrix()), whole);
  } else if (how == update::assign) {
    matmul(d.queue, y, inputs, matrix_view<const f16>(w.matrix()), epilogue<>{whole.bias});
    activate(d.queue, y, matrix_view<const float>(y), A{}, how);
  } else {
    matmul(d.queue, z.matrix(), inputs, matrix_view<const f16>(w.matrix()), epilogue<>{whole.bias});
    activate(d.queue, y, matrix_view<const float>(z.matrix()), A{}, how);
  }
  return d.get(all);
}

}  // namespace

TEMPLATE_TEST_CASE("activate after a product has the bytes of the product's epilogue", "[ops]", no_activation, silu,
                   gelu, quick_gelu, gelu_tanh) {
  for (const std::ptrdiff_t columns : {1, 15, 16, 50})
    for (const update how : {update::assign, update::add, update::multiply})
      for_each_backend([&]<class B>() {
        if (B::name == "eigen") return;  // its sums depend on where they are stored
        INFO(columns << " columns, update " << static_cast<int>(how));
        CHECK(same_bytes(made<B, TestType>(columns, how, true), made<B, TestType>(columns, how, false)));
      });
}

TEST_CASE("activate matches double, and rejects other shapes", "[ops]") {
  const auto z = random_values(3 * 21, 1), before = random_values(3 * 21, 2);
  std::vector<double> expected;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const auto v = static_cast<double>(z[i]);
    expected.push_back(static_cast<double>(before[i]) * v / (1 + std::exp(-v)));
  }
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto y = d.put(before, 3), from = d.put(z, 3);
    activate(d.queue, y.matrix(), matrix_view<const float>(from.matrix()), silu{}, update::multiply);
    CHECK(nmse(d.get(y), expected) < 1e-12);
    activate(d.queue, y.matrix(), rows_of(matrix_view<const float>(from.matrix()), 0, 2), silu{}, update::assign);
    const auto failed = d.queue.finish();
    REQUIRE(!failed);
    CHECK(failed.error().sentence() == "llava: activate: y is (3, 21), expected (2, 21), since z is (2, 21)");
  });
}
