// SPDX-License-Identifier: Apache-2.0
// matmul with weights in nf4.
#include <llava/nn/tensor_weight.hpp>
#include <llava/quant/nf4.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {

struct sizes {
  std::ptrdiff_t rows, inner, columns;
};
/// Blocks that end with a row, and blocks that continue in the next one.
constexpr sizes shapes[] = {{1, 64, 16}, {1, 2048, 129}, {2, 128, 17}, {9, 1920, 50}, {17, 64, 130}, {40, 192, 64},
                            {1, 1, 1},   {1, 75, 20},    {3, 129, 33}, {4, 96, 70},   {2, 588, 8}};

template <class B>
weight<B, nf4> made_weight(const sizes& s, executor* threads = nullptr) {
  const auto w = random_values(static_cast<std::size_t>(s.columns * s.inner), 2);
  weight<B, nf4> made;
  REQUIRE(made.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(w.data())}, s.inner),
                        {s.columns, s.inner}, "w", B().memory(), threads));
  return made;
}

/// X: what the backend multiplies, or f32, which it rounds to that.
template <class B, class X = operand<nf4>>
std::vector<float> product(const sizes& s, update how) {
  device<B> d;
  std::vector<X> values;
  for (const auto v : random_values<operand<nf4>>(static_cast<std::size_t>(s.rows * s.inner), 1))
    values.push_back(from_float<X>(to_float(v)));
  const auto x = d.put(values, s.rows);
  const auto bias = d.put(random_values(static_cast<std::size_t>(s.columns), 3), 1);
  const auto y = d.put(random_values(static_cast<std::size_t>(s.rows * s.columns), 4), s.rows);
  const weight<B, nf4> w = made_weight<B>(s, &d.threads);
  matmul(d.queue, y.matrix(), matrix_view<const X>(x.matrix()), w.view(),
         epilogue<>{vector_view<const float>(bias.vector()), how});
  return d.get(y);
}

/// In double, with the values that the stored matrix holds.
std::vector<double> reference(const sizes& s) {
  const auto x = random_values<operand<nf4>>(static_cast<std::size_t>(s.rows * s.inner), 1);
  const auto bias = random_values(static_cast<std::size_t>(s.columns), 3);
  const weight<scalar, nf4> w = made_weight<scalar>(s);
  const nf4::reader stored(w.view().data, s.columns * s.inner);
  std::vector<double> out;
  for (std::ptrdiff_t t = 0; t < s.rows; ++t)
    for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(n)]);
      for (std::ptrdiff_t k = 0; k < s.inner; ++k) {
        const std::ptrdiff_t e = n * s.inner + k;
        sum += static_cast<double>(to_float(x[static_cast<std::size_t>(t * s.inner + k)])) *
               static_cast<double>(nf4::book[stored.code(e)]) * static_cast<double>(stored.scale(e / nf4::block));
      }
      out.push_back(sum);
    }
  return out;
}

}  // namespace

TEST_CASE("R15: matmul with nf4 matches double on every backend, at odd sizes", "[ops]") {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto expected = reference(s);
    for_each_backend([&]<class B>() {
      CHECK(nmse(product<B>(s, update::assign), expected) < rounding<operand<nf4>>);
      CHECK(nmse(product<B, float>(s, update::assign), expected) < rounding<operand<nf4>>);
    });
  }
}

#if !LLAVA_TEST_ON_CUDA  // its operands are f16
TEST_CASE("R14: matmul with nf4 equals scalar's byte for byte", "[ops]") {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    for (update how : {update::assign, update::add, update::multiply}) {
      const auto expected = product<scalar>(s, how);
      for_each_exact_backend([&]<class B>() { CHECK(same_bytes(product<B>(s, how), expected)); });
    }
  }
}

TEST_CASE("R14: rows of an nf4 matmul do not depend on other rows or on threads", "[ops]") {
  for (const sizes& all : {sizes{23, 192, 150}, sizes{23, 200, 30}}) {
    const auto x = random_values(static_cast<std::size_t>(all.rows * all.inner), 1);
    for_each_backend([&]<class B>() {
      std::vector<float> whole;
      for (int threads : {1, 3}) {
        device<B> d(threads);
        const auto dx = d.put(x, all.rows);
        const auto y = d.put(std::vector<float>(static_cast<std::size_t>(all.rows * all.columns)), all.rows);
        const weight<B, nf4> w = made_weight<B>(all, &d.threads);
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
}

TEST_CASE("nf4: packed bytes are used where they are mapped", "[ops]") {
  for (const sizes& s : {sizes{1, 128, 40}, sizes{1, 75, 20}}) {
    const weight<simd, nf4> w = made_weight<simd>(s);
    const tensor_dims dims{s.columns, s.inner};
    weight<simd, nf4> mapped;
    CHECK(mapped.packed_layout() == "nf4 in panels of 16, 1");
    CHECK_FALSE(mapped.can_map(w.packed().first(w.packed().size() - 1), dims));
    REQUIRE(mapped.can_map(w.packed(), dims));
    mapped.map(w.packed(), dims);
    device<simd> d;
    const auto x = d.put(random_values(static_cast<std::size_t>(s.inner), 1), 1);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(2 * s.columns)), 2);
    matmul(d.queue, rows_of(y.matrix(), 0, 1), matrix_view<const float>(x.matrix()), w.view(), epilogue<>{});
    matmul(d.queue, rows_of(y.matrix(), 1, 1), matrix_view<const float>(x.matrix()), mapped.view(), epilogue<>{});
    const auto got = d.get(y);
    CHECK(std::equal(got.begin(), got.begin() + s.columns, got.begin() + s.columns));
  }
}
#endif
