// SPDX-License-Identifier: Apache-2.0
// matmul with weights in block formats.
#include <llava/nn/block_weight.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q4_i8.hpp>
#include <llava/quant/q8_0.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {

struct sizes {
  std::ptrdiff_t rows, inner, columns;
};
constexpr sizes shapes[] = {{1, 32, 16},  {1, 1, 1},     {1, 588, 40},  {1, 1100, 130}, {2, 96, 17},   {3, 129, 33},
                            {4, 1056, 8}, {7, 1100, 50}, {9, 2240, 16}, {13, 64, 130},  {40, 257, 64}, {1, 16500, 3}};

/// A weight of format F in B's layout, quantised from the same floats for every backend.
template <class B, class F>
weight<B, F> quantised(const sizes& s, executor* threads = nullptr) {
  const auto w = random_values(static_cast<std::size_t>(s.columns * s.inner), 2);
  weight<B, F> made;
  REQUIRE(made.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(w.data())}, s.inner),
                        {s.columns, s.inner}, "w", B().memory(), threads));
  return made;
}

template <class B, class F, class A>
std::vector<float> product(const sizes& s, update how, int threads = 2) {
  device<B> d(threads);
  const auto x = d.put(random_values(static_cast<std::size_t>(s.rows * s.inner), 1), s.rows);
  const auto bias = d.put(random_values(static_cast<std::size_t>(s.columns), 3), 1);
  const auto y = d.put(random_values(static_cast<std::size_t>(s.rows * s.columns), 4), s.rows);
  const weight<B, F> w = quantised<B, F>(s, &d.threads);
  matmul(d.queue, y.matrix(), matrix_view<const float>(x.matrix()), w.view(),
         epilogue<A>{vector_view<const float>(bias.vector()), how});
  return d.get(y);
}

/// In double: exact activations times the weights that the format holds.
template <class F>
std::vector<double> reference(const sizes& s) {
  const auto x = random_values(static_cast<std::size_t>(s.rows * s.inner), 1),
             bias = random_values(static_cast<std::size_t>(s.columns), 3);
  auto w = random_values(static_cast<std::size_t>(s.columns * s.inner), 2);
  std::vector<std::byte> row(static_cast<std::size_t>(block_view<F>::row_bytes(s.inner)));
  for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
    F::encode(w.data() + n * s.inner, s.inner, row.data());
    decode_row<F>(row.data(), s.inner, w.data() + n * s.inner);
  }
  std::vector<double> out;
  for (std::ptrdiff_t t = 0; t < s.rows; ++t)
    for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(n)]);
      for (std::ptrdiff_t k = 0; k < s.inner; ++k)
        sum += static_cast<double>(x[static_cast<std::size_t>(t * s.inner + k)]) *
               static_cast<double>(w[static_cast<std::size_t>(n * s.inner + k)]);
      out.push_back(sum);
    }
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("R15: matmul with block formats matches double on every backend, at odd sizes", "[ops]", q16_0,
                   q8_0_a16, q8_0, q4_0, q4_i8) {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto expected = reference<TestType>(s);
    const double most = sizeof(activation_code<TestType>) == 2 ? 1e-7 : 5e-4;  // 14-bit activations meet f32's bound
    for_each_backend(
        [&]<class B>() { CHECK(nmse(product<B, TestType, no_activation>(s, update::assign), expected) < most); });
  }
}

TEMPLATE_TEST_CASE("R14: matmul with block formats equals scalar's byte for byte", "[ops]", q16_0, q8_0_a16, q8_0, q4_0,
                   q4_i8) {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    for (update how : format_updates) {
      const auto expected = product<scalar, TestType, no_activation>(s, how);
      for_each_exact_backend(
          [&]<class B>() { CHECK(same_sums(product<B, TestType, no_activation>(s, how), expected)); });
    }
  }
}

TEMPLATE_TEST_CASE("R14: the largest sums of a block fit its integers", "[ops]", q16_0, q8_0_a16, q8_0, q4_0, q4_i8) {
  const sizes s{4, 288, 34};
  std::vector<float> x(static_cast<std::size_t>(s.rows * s.inner)), w(static_cast<std::size_t>(s.columns * s.inner));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i / static_cast<std::size_t>(s.inner) % 2 ? -1.f : 1.f;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i / static_cast<std::size_t>(s.inner) % 2 ? -1.f : 1.f;
  const auto product_of = [&]<class B>() {
    device<B> d;
    const auto dx = d.put(x, s.rows);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(s.rows * s.columns)), s.rows);
    weight<B, TestType> made;
    REQUIRE(made.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(w.data())}, s.inner),
                          {s.columns, s.inner}, "w", d.backend.memory()));
    matmul(d.queue, y.matrix(), matrix_view<const float>(dx.matrix()), made.view(), epilogue<>{});
    return d.get(y);
  };
  const auto expected = product_of.template operator()<scalar>();
  for (std::ptrdiff_t t = 0; t < s.rows; ++t)
    for (std::ptrdiff_t n = 0; n < s.columns; ++n)
      CHECK(expected[static_cast<std::size_t>(t * s.columns + n)] ==
            Approx(t % 2 == n % 2 ? s.inner : -s.inner).epsilon(0.02));
  for_each_exact_backend([&]<class B>() { CHECK(same_sums(product_of.template operator()<B>(), expected)); });
}

TEMPLATE_TEST_CASE("R14: rows of a block matmul do not depend on other rows or on threads", "[ops]", q16_0, q8_0_a16,
                   q8_0, q4_0, q4_i8) {
  const sizes all{23, 200, 150};
  const auto x = random_values(static_cast<std::size_t>(all.rows * all.inner), 1);
  for_each_backend([&]<class B>() {
    if (!is_batch_deterministic<B>) return;
    std::vector<float> whole;
    for (int threads : {1, 3}) {
      device<B> d(threads);
      const auto dx = d.put(x, all.rows);
      const auto y = d.put(std::vector<float>(static_cast<std::size_t>(all.rows * all.columns)), all.rows);
      const weight<B, TestType> w = quantised<B, TestType>(all, &d.threads);
      const matrix_view<const float> xs = dx.matrix();
      matmul(d.queue, y.matrix(), xs, w.view(), epilogue<>{});
      const auto got = d.get(y);
      if (whole.empty()) whole = got;
      CHECK(same_bytes(got, whole));
      for (std::ptrdiff_t first = 0, step = 1; first < all.rows; first += step, ++step) {  // chunks of 1, 2, 3 …
        const std::ptrdiff_t n = std::min(step, all.rows - first);
        matmul(d.queue, rows_of(y.matrix(), first, n), rows_of(xs, first, n), w.view(), epilogue<>{});
      }
      CHECK(same_bytes(d.get(y), whole));
    }
  });
}

TEMPLATE_TEST_CASE("R1: a block matmul accepts NaN, infinite and tiny activations", "[ops]", q16_0, q8_0_a16, q8_0,
                   q4_0, q4_i8) {
  const sizes s{GENERATE(3, 19), 160, 20};
  auto x = random_values(static_cast<std::size_t>(s.rows * s.inner), 1);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  x[200] = std::numeric_limits<float>::infinity();
  for (std::size_t i = 320; i < 480; ++i) x[i] = 1e-35f;
  const auto run = [&]<class B>() {
    device<B> d;
    const auto dx = d.put(x, s.rows);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(s.rows * s.columns)), s.rows);
    const weight<B, TestType> w = quantised<B, TestType>(s);
    matmul(d.queue, y.matrix(), matrix_view<const float>(dx.matrix()), w.view(), epilogue<>{});
    return d.get(y);
  };
  const auto expected = run.template operator()<scalar>();
  for (float v : expected) CHECK(std::isfinite(v));
  CHECK(expected[59] == 0.f);
  for_each_exact_backend([&]<class B>() { CHECK(same_sums(run.template operator()<B>(), expected)); });
}
