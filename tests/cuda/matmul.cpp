// SPDX-License-Identifier: Apache-2.0
/// Products of the CUDA backend against double and against the scalar backend, at odd sizes, with every format, update
/// and type of y.
#include <llava/backend/adapted.hpp>
#include <llava/backend/cuda/matmul.cuh>
#include <llava/backend/scalar.hpp>
#include <llava/nn/linear.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_i8.hpp>

#include <random>
#include <vector>

#include "closeness.hpp"
#include "cuda/products.hpp"

using namespace llava;
using namespace cuda_products;

namespace {

/// act(Σ_k x[t, k] · w[n, k] + bias[n]) in double.
template <class X, class W>
std::vector<double> exact_sums(const std::vector<X>& x, const std::vector<W>& w, const std::vector<float>& bias,
                               const sizes& s) {
  std::vector<double> out;
  for (std::size_t t = 0; t < s.rows; ++t)
    for (std::size_t n = 0; n < s.columns; ++n) {
      double sum = static_cast<double>(bias[n]);
      for (std::size_t k = 0; k < s.inner; ++k)
        sum += static_cast<double>(to_float(x[t * s.inner + k])) * static_cast<double>(to_float(w[n * s.inner + k]));
      out.push_back(sum);
    }
  return out;
}
std::vector<double> ended(std::vector<double> sums, const std::vector<double>& y, update how, bool is_gelu) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (is_gelu) sums[i] = 0.5 * sums[i] * (1 + std::erf(sums[i] / std::sqrt(2.0)));
    sums[i] = how == update::add ? y[i] + sums[i] : how == update::multiply ? y[i] * sums[i] : sums[i];
  }
  return sums;
}
/// x / (1 + |x|), an activation that the library does not have.
struct soft_sign {
  static constexpr std::string_view name = "soft_sign";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    return x / (V(1.f) + (x < V(0.f) ? V(0.f) - x : x));
  }
};

/// A dense product of elements F with y of Y, of which `pad` elements lie between the rows of x.
template <class F, class Y, class A>
std::vector<float> dense_product(const sizes& s, update how, std::size_t pad = 0) {
  device<products> d;
  std::vector<F> x = random_values<F>(s.rows * s.inner, 1), wide;
  for (std::size_t t = 0; t < s.rows; ++t) {
    wide.insert(wide.end(), x.begin() + static_cast<std::ptrdiff_t>(t * s.inner),
                x.begin() + static_cast<std::ptrdiff_t>((t + 1) * s.inner));
    wide.resize(wide.size() + pad);
  }
  const auto dx = d.put(wide, s.rows), w = d.put(random_values<F>(s.columns * s.inner, 2), s.columns);
  const auto bias = d.put(random_values(s.columns, 3), 1);
  const auto y = d.put(random_values<Y>(s.rows * s.columns, 4), s.rows);
  matmul(d.queue, y.matrix(), columns_of(matrix_view<const F>(dx.matrix()), 0, static_cast<std::ptrdiff_t>(s.inner)),
         matrix_view<const F>(w.matrix()), epilogue<A>{vector_view<const float>(bias.vector()), how});
  std::vector<float> found;
  for (const Y v : d.get(y)) found.push_back(to_float(v));
  return found;
}
template <class F, class Y, class A>
std::vector<double> dense_reference(const sizes& s, update how) {
  std::vector<double> y;
  for (const Y v : random_values<Y>(s.rows * s.columns, 4)) y.push_back(static_cast<double>(to_float(v)));
  return ended(exact_sums(random_values<F>(s.rows * s.inner, 1), random_values<F>(s.columns * s.inner, 2),
                          random_values(s.columns, 3), s),
               y, how, std::is_same_v<A, gelu>);
}

/// Few rows and many; K odd, even, and a multiple of 4, 8, 32 and more; N within and beyond a tile.
constexpr sizes dense_shapes[] = {{1, 1, 1},   {1, 64, 16},  {1, 520, 19}, {2, 33, 7},    {3, 96, 70},  {8, 264, 9},
                                  {9, 72, 13}, {16, 40, 33}, {17, 64, 65}, {5, 30, 9},    {66, 34, 70}, {70, 256, 9},
                                  {40, 7, 66}, {1, 0, 3},    {65, 588, 3}, {17, 104, 130}};

template <class T>
constexpr double bound = std::is_same_v<T, float> ? 1e-11
                         : std::is_same_v<T, f16> ? 1e-6
                                                  : 5e-5;

}  // namespace

TEMPLATE_TEST_CASE("R15: dense products on CUDA match double, at odd sizes", "[cuda]", f32, f16, bf16) {
  using F = TestType;
  for (const sizes& s : dense_shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    CHECK(nmse(dense_product<F, float, no_activation>(s, update::assign),
               dense_reference<F, float, no_activation>(s, update::assign)) < 1e-11);
    CHECK(nmse(dense_product<F, float, gelu>(s, update::add), dense_reference<F, float, gelu>(s, update::add)) < 1e-11);
    CHECK(nmse(dense_product<F, F, gelu>(s, update::multiply), dense_reference<F, F, gelu>(s, update::multiply)) <
          bound<F>);
    CHECK(nmse(dense_product<F, F, no_activation>(s, update::assign, 3),
               dense_reference<F, F, no_activation>(s, update::assign)) < bound<F>);
  }
}

TEMPLATE_TEST_CASE("R15: the largest tiles of dense products match double", "[cuda]", f16, bf16) {
  using F = TestType;
  const sizes s{130, 136, 260};
  device<products> d;
  const auto x = d.put(random_values<F>(s.rows * s.inner, 1), s.rows),
             w = d.put(random_values<F>(s.columns * s.inner, 2), s.columns);
  const auto bias = d.put(random_values(s.columns, 3), 1), y = d.put(random_values(s.rows * s.columns, 4), s.rows);
  const auto end = cuda_backend::make_end(y.matrix(), epilogue<gelu>{bias.vector(), update::add});
  d.queue.launch<cuda_backend::tensor_tiles<F, 128, 128, cuda_backend::library_activation>>(
      {x.matrix().data(), w.matrix().data(), 136, 136, 136, true, end});
  CHECK(nmse(d.get(y), dense_reference<F, float, gelu>(s, update::add)) < 1e-11);
}

TEST_CASE("every activation, and one of the program's own, ends a product on CUDA", "[cuda]") {
  const sizes s{3, 40, 21};
  const auto sums = dense_reference<f16, float, no_activation>(s, update::assign);
  const auto check = [&]<class A>() {
    std::vector<double> expected;
    for (const double z : sums) expected.push_back(static_cast<double>(A::apply(static_cast<float>(z))));
    INFO(std::string(A::name));
    CHECK(nmse(dense_product<f16, float, A>(s, update::assign), expected) < 1e-11);
  };
  check.operator()<quick_gelu>();
  check.operator()<gelu>();
  check.operator()<gelu_tanh>();
  check.operator()<silu>();
  check.operator()<soft_sign>();
}

TEST_CASE("activate on CUDA has the bytes of a product's end", "[cuda]") {
  const sizes s{3, 40, 1030};
  for (const update how : {update::assign, update::add, update::multiply}) {
    device<products> d;
    const auto x = d.put(random_values<f16>(s.rows * s.inner, 1), s.rows),
               w = d.put(random_values<f16>(s.columns * s.inner, 2), s.columns);
    const auto start = random_values(s.rows * s.columns, 4);
    const auto y = d.put(start, s.rows), again = d.put(start, s.rows),
               z = d.put(std::vector<float>(s.rows * s.columns), s.rows);
    const matrix_view<const f16> xs = x.matrix(), ws = w.matrix();
    matmul(d.queue, y.matrix(), xs, ws, epilogue<silu>{{}, how});
    matmul(d.queue, z.matrix(), xs, ws, epilogue<>{});
    activate(d.queue, again.matrix(), matrix_view<const float>(z.matrix()), silu{}, how);
    CHECK(d.get(again) == d.get(y));
    activate(d.queue, z.matrix(), matrix_view<const float>(z.matrix()), silu{}, update::assign);  // in place
    if (how == update::assign) CHECK(d.get(z) == d.get(y));
  }
}

namespace {

/// A product of B with weights of floats that format W stores; x has elements X.
template <class B, class W, class X = float>
std::vector<float> coded_product(const sizes& s, update how, const std::vector<float>& x, const row_source& w) {
  device<B> d;
  weight<B, W> made;
  const auto rows = static_cast<std::int64_t>(s.columns), inner = static_cast<std::int64_t>(s.inner);
  REQUIRE(made.try_fill(w, {rows, inner}, "w", d.backend.memory(), &d.threads));
  std::vector<X> operands;
  for (const float v : x) operands.push_back(from_float<X>(v));
  const auto dx = d.put(operands, s.rows);
  const auto bias = d.put(random_values(s.columns, 3), 1), y = d.put(random_values(s.rows * s.columns, 4), s.rows);
  matmul(d.queue, y.matrix(), matrix_view<const X>(dx.matrix()), made.view(), epilogue<>{bias.vector(), how});
  return d.get(y);
}
std::vector<double> in_double(const std::vector<float>& x) { return {x.begin(), x.end()}; }

constexpr sizes coded_shapes[] = {{1, 32, 16}, {1, 1, 1},     {1, 588, 40},  {1, 2112, 3}, {2, 96, 17},   {3, 129, 33},
                                  {8, 200, 9}, {11, 1056, 5}, {17, 257, 66}, {70, 64, 20}, {1, 16500, 3}, {2, 0, 3}};
/// Some of them beyond int8's limit for outliers: none in row 0, few in row 1, all of row 2.
std::vector<float> activations(const sizes& s) {
  auto x = random_values(s.rows * s.inner, 1);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (const std::size_t t = i / s.inner, k = i % s.inner; t % 3 == 2 || (t % 3 == 1 && k % 37 == 5))
      x[i] = (x[i] < 0 ? -6.f : 6.f) + 3.f * x[i];
  return x;
}

}  // namespace

TEMPLATE_TEST_CASE("R15: products with block formats on CUDA are those of scalar", "[cuda]", q16_0, q8_0_a16, q8_0,
                   q4_0, q4_i8, int8) {
  for (const sizes& s : coded_shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto values = random_values(s.columns * s.inner, 2), x = activations(s);
    const stored_rows w({dtype::float32, reinterpret_cast<const std::byte*>(values.data())},
                        static_cast<std::int64_t>(s.inner));
    for (const update how : {update::assign, update::multiply}) {
      const auto expected = in_double(coded_product<scalar, TestType>(s, how, x, w));
      CHECK(nmse(coded_product<products, TestType>(s, how, x, w), expected) < 1e-11);
    }
  }
}

TEMPLATE_TEST_CASE("R15: products with affine formats on CUDA are those of scalar", "[cuda]", q4_0_a16, q4_1, q5_0,
                   q5_1, q2_k, q3_k, q4_k, q5_k, q6_k) {
  for (const sizes& s : {sizes{1, 256, 16}, sizes{1, 2304, 3}, sizes{3, 512, 17}, sizes{9, 256, 33}, sizes{20, 768, 70},
                         sizes{2, 96, 5}, sizes{17, 32, 9}}) {
    if (s.inner % static_cast<std::size_t>(TestType::elements) != 0) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto x = activations(s);
    const stored_in_format<TestType> w(s);
    for (const update how : {update::assign, update::add}) {
      const auto expected = in_double(coded_product<scalar, TestType>(s, how, x, w));
      CHECK(nmse(coded_product<products, TestType>(s, how, x, w), expected) < 1e-11);
    }
  }
}

TEMPLATE_TEST_CASE("R15: the largest tiles of coded products are scalar's", "[cuda]", q4_k, q2_k, q16_0, int8) {
  using F = TestType;
  const sizes s{130, 256, 140};
  const auto x = activations(s), values = random_values(s.columns * s.inner, 2);
  const auto check = [&](const row_source& w) {
    device<products> d;
    weight<products, F> made;
    REQUIRE(made.try_fill(w, {140, 256}, "w", d.backend.memory(), &d.threads));
    const auto dx = d.put(x, s.rows), bias = d.put(random_values(s.columns, 3), 1),
               y = d.put(random_values(s.rows * s.columns, 4), s.rows);
    const auto end = cuda_backend::make_end(y.matrix(), epilogue<>{bias.vector(), update::add});
    const auto codes = cuda_backend::detail::quantised<F>(d.queue, matrix_view<const float>(dx.matrix()), 256);
    cuda_backend::detail::many_coded_rows<F, cuda_backend::library_activation>(
        d.queue, codes, cuda_backend::detail::part_of(made.view(), end), true);
    CHECK(nmse(d.get(y), in_double(coded_product<scalar, F>(s, update::add, x, w))) < 1e-11);
  };
  if constexpr (affine_format<F>)
    check(stored_in_format<F>(s));
  else
    check(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(values.data())}, 256));
}

TEST_CASE("R1: coded products on CUDA accept NaN, infinite, large and tiny activations", "[cuda]") {
  for (const std::size_t rows : {3u, 19u}) {
    const sizes s{rows, 160, 20};
    auto x = random_values(s.rows * s.inner, 1);
    x[5] = std::numeric_limits<float>::quiet_NaN();
    x[200] = std::numeric_limits<float>::infinity();
    for (std::size_t i = 320; i < 480; ++i) x[i] = 1e-35f;
    const auto values = random_values(s.columns * s.inner, 2);
    const stored_rows w({dtype::float32, reinterpret_cast<const std::byte*>(values.data())}, 160);
    const auto check = [&]<class F>() {
      INFO(std::string(F::name));
      CHECK(nmse(coded_product<products, F>(s, update::assign, x, w),
                 in_double(coded_product<scalar, F>(s, update::assign, x, w))) < 1e-11);
    };
    check.operator()<q8_0>();
    check.operator()<q8_0_a16>();
    check.operator()<q4_i8>();
    const auto wild = coded_product<products, int8>(s, update::assign, x, w),
               usual = coded_product<scalar, int8>(s, update::assign, x, w);
    for (std::size_t i = 0; i < 40; ++i) CHECK_FALSE(std::isfinite(wild[i]));
    CHECK(nmse({wild.begin() + 40, wild.end()}, in_double({usual.begin() + 40, usual.end()})) < 1e-11);
  }
}

TEST_CASE("R15: products with nf4 on CUDA match double", "[cuda]") {
  for (const sizes& s : {sizes{1, 64, 16}, sizes{1, 2112, 9}, sizes{2, 128, 17}, sizes{9, 192, 50}, sizes{16, 320, 5},
                         sizes{17, 64, 30}, sizes{40, 192, 66}, sizes{1, 1, 1}, sizes{3, 129, 33}, sizes{4, 96, 9}}) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    std::vector<float> x;
    for (const f16 v : random_values<f16>(s.rows * s.inner, 1)) x.push_back(to_float(v));
    const auto values = random_values(s.columns * s.inner, 2);
    const stored_rows w({dtype::float32, reinterpret_cast<const std::byte*>(values.data())},
                        static_cast<std::int64_t>(s.inner));
    const auto expected = in_double(coded_product<scalar, nf4>(s, update::add, x, w));
    CHECK(nmse(coded_product<products, nf4, f16>(s, update::add, x, w), expected) < 1e-6);
    CHECK(nmse(coded_product<products, nf4, float>(s, update::add, x, w), expected) < 1e-6);
  }
}

TEST_CASE("a mixed format on CUDA multiplies each weight in its own", "[cuda]") {
  static_assert(std::is_same_v<products::operand<ggml>, float>);
  const sizes s{5, 256, 20};
  const auto x = activations(s);
  CHECK(nmse(coded_product<products, ggml>(s, update::assign, x, stored_in_format<q4_k>(s)),
             in_double(coded_product<scalar, q4_k>(s, update::assign, x, stored_in_format<q4_k>(s)))) < 1e-11);
  const auto halves = random_values<f16>(s.columns * s.inner, 2);
  const stored_rows w({dtype::float16, reinterpret_cast<const std::byte*>(halves.data())}, 256);
  CHECK(nmse(coded_product<products, ggml>(s, update::assign, x, w),
             in_double(coded_product<scalar, f16>(s, update::assign, x, w))) < 1e-6);
}

TEST_CASE("adapters on CUDA add their low-rank products", "[cuda]") {
  using B = adapted<products>;
  const sizes s{5, 72, 37};
  constexpr std::ptrdiff_t rank = 6;
  device<B> d;
  const auto x = random_values<bf16>(s.rows * s.inner, 1), w = random_values<bf16>(s.columns * s.inner, 2),
             a = random_values<bf16>(static_cast<std::size_t>(rank) * s.inner, 5),
             b = random_values<bf16>(s.columns * static_cast<std::size_t>(rank), 6);
  const auto dx = d.put(x, s.rows), dw = d.put(w, s.columns), da = d.put(a, rank), db = d.put(b, s.columns);
  const auto y = d.put(std::vector<float>(s.rows * s.columns), s.rows);
  const low_rank_weight adapter{dw.memory.data(), da.memory.data(), db.memory.data(), rank};
  d.queue.adapt(1, 3, {&adapter, 1});
  matmul(d.queue, y.matrix(), matrix_view<const bf16>(dx.matrix()), matrix_view<const bf16>(dw.matrix()),
         epilogue<silu>{});
  auto expected = exact_sums(x, w, std::vector<float>(s.columns), s);
  const auto inner = exact_sums(x, a, std::vector<float>(rank), {s.rows, s.inner, rank});
  for (std::size_t t = 0; t < s.rows; ++t)
    for (std::size_t n = 0; n < s.columns; ++n) {
      double& sum = expected[t * s.columns + n];
      for (std::size_t r = 0; r < rank && t >= 1 && t < 4; ++r)
        sum += static_cast<double>(to_float(b[n * rank + r])) * inner[t * rank + r];
      sum = sum / (1 + std::exp(-sum));
    }
  CHECK(nmse(d.get(y), expected) < 5e-5);
}

TEMPLATE_TEST_CASE("R14: products on CUDA repeat their bytes, and rows do not depend on others of few or of many",
                   "[cuda]", f16, q4_k, q8_0) {
  using F = TestType;
  const sizes all{24, 256, 20};
  const auto values = random_values<f16>(all.columns * all.inner, 2);
  std::vector<float> floats;
  for (const f16 v : values) floats.push_back(to_float(v));
  const auto run = [&](std::size_t first, std::size_t rows) {
    const sizes s{rows, all.inner, all.columns};
    const auto x = random_values(all.rows * all.inner, 1);
    const std::vector<float> own(x.begin() + static_cast<std::ptrdiff_t>(first * all.inner),
                                 x.begin() + static_cast<std::ptrdiff_t>((first + rows) * all.inner));
    using X = products::operand<F>;
    if constexpr (affine_format<F>)
      return coded_product<products, F, X>(s, update::assign, own, stored_in_format<F>(s));
    else
      return coded_product<products, F, X>(
          s, update::assign, own,
          stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(floats.data())}, 256));
  };
  const auto row = [&](const std::vector<float>& y, std::size_t t) {
    return std::vector<float>(y.begin() + static_cast<std::ptrdiff_t>(t * all.columns),
                              y.begin() + static_cast<std::ptrdiff_t>((t + 1) * all.columns));
  };
  const auto many = run(0, 24), few = run(3, 7), alone = run(5, 1), others = run(2, 18);
  for (const unsigned schedule : {0u, 1u, 7u}) {
    with_schedule(schedule, [&] {
      CHECK(run(0, 24) == many);
      CHECK(run(3, 7) == few);
    });
  }
  CHECK(row(few, 2) == alone);
  for (std::size_t t = 0; t < 18; ++t) CHECK(row(many, t + 2) == row(others, t));
}

TEST_CASE("products of few rows on CUDA may start before the kernel that writes x has ended", "[cuda]") {
  // In a programmatic stream the emulator's checks find what a kernel reads of its predecessor too early.
  using namespace cuda_backend;
  const sizes s{3, 256, 20};
  device<products> d;
  stream programmatic;
  programmatic.programmatic = true;
  const auto z = d.put(random_values(s.rows * s.inner, 1), s.rows),
             x = d.put(std::vector<float>(s.rows * s.inner), s.rows),
             y = d.put(std::vector<float>(s.rows * s.columns), s.rows);
  const auto half = d.put(std::vector<f16>(s.rows * s.inner), s.rows);
  const auto values = random_values(s.columns * s.inner, 2);
  const stored_rows rows({dtype::float32, reinterpret_cast<const std::byte*>(values.data())}, 256);
  const auto fill = [&]<class W>(weight<products, W>& w) {
    REQUIRE(w.try_fill(rows, {20, 256}, "w", d.backend.memory()));
    return w.view();
  };
  const auto end = make_end(y.matrix(), epilogue<>{});
  using A = library_activation;
  const auto write_x = [&](const auto& to) {
    REQUIRE(launch<activate_rows<A>>(programmatic, {z.matrix().data(), 256, make_end(to.matrix(), epilogue<>{})}));
  };
  const auto check = [&](const result<void>& ran) {
    if (!ran) FAIL(ran.error().sentence());
    REQUIRE(finish(programmatic));
    CHECK(nmse(d.get(y), exact_sums(d.get(z), values, std::vector<float>(s.columns), s)) < 5e-2);
  };
  weight<products, f16> dense;
  const auto w = fill(dense);
  write_x(half);
  using namespace cuda_backend::detail;
  const product_parts<f16, A> of_dense{{part_of(w, end)}};
  check(launch<few_rows<f16, 8, A>>(programmatic, {half.matrix().data(), 256, 256, of_dense}));
  write_x(half);
  check(launch<few_rows<f16, 16, A>>(programmatic, {half.matrix().data(), 256, 256, of_dense}));
  weight<products, f32> single;
  const auto w32 = fill(single);
  write_x(x);
  check(launch<few_float_rows<A>>(programmatic, {x.matrix().data(), w32.data(), 256, 256, 256, end}));
  weight<products, nf4> book;
  const auto coded = fill(book);
  write_x(half);
  const product_parts<std::byte, A> of_nf4{{part_of(coded, end)}};
  check(launch<few_nf4_rows<8, A>>(programmatic, {half.matrix().data(), 256, 256, nf4_book::make(), of_nf4}));
  weight<products, q8_0> blocks;
  const auto packed = fill(blocks);
  write_x(x);
  device<products> scratch;  // its queue is idle: the arrays of coded_x are in its arena
  const coded_x codes = quantised<q8_0>(scratch.queue, matrix_view<const float>(z.matrix()), 3);
  REQUIRE(scratch.queue.finish());
  coded_x own = codes;
  own.x = x.matrix().data();
  REQUIRE(launch<quantise_rows<std::int8_t, 32>>(programmatic, own));
  product_parts<std::byte, A> of_blocks{{part_of(packed, end)}};
  check(launch<coded_few_rows<q8_0, 8, false, A>>(programmatic, {own, of_blocks}));
  write_x(x);
  of_blocks.part[0].end.rows = 1;
  const coded_x row = sizes_of(rows_of(matrix_view<const float>(x.matrix()), 0, 1), 1);
  check(launch<coded_few_rows<q8_0, 1, true, A>>(programmatic, {row, of_blocks}));
}
