// SPDX-License-Identifier: Apache-2.0
// matmul with weights in affine formats (GGUF's types), whose bytes are random: any bytes of a file are weights.
#include <llava/nn/mixed_weight.hpp>

#include "affine_rows.hpp"
#include "backend/backends.hpp"

using namespace llava;

namespace {

struct sizes {
  std::ptrdiff_t rows, inner, columns;
};
constexpr sizes shapes[] = {
    {1, 256, 16},  {1, 1024, 130}, {2, 512, 17},  {3, 256, 33}, {4, 768, 8}, {7, 1280, 50},
    {9, 2304, 16}, {13, 256, 130}, {40, 512, 64}, {3, 96, 20},  {2, 32, 16}};  // the last two: blocks of 32 only

template <class B, class F, class W = F>
weight<B, W> stored_weight(const sizes& s, executor* threads = nullptr, bool contiguous = true) {
  const std::vector<std::byte> bytes = stored_matrix<F>(s.columns, s.inner);
  weight<B, W> made;
  const memory& to = B().memory();
  if (std::is_same_v<typename B::template layout<F>, stored_layout<F>> && contiguous) {  // used where it is
    static std::vector<std::vector<std::byte>> kept;
    kept.push_back(bytes);
    REQUIRE(made.try_fill(rows_in_format<F>(kept.back(), s.inner, true), {s.columns, s.inner}, "w", to, threads));
  } else {
    REQUIRE(made.try_fill(rows_in_format<F>(bytes, s.inner, contiguous), {s.columns, s.inner}, "w", to, threads));
  }
  return made;
}

template <class B, class F, class W = F>
std::vector<float> product(const sizes& s, update how, std::vector<float> x = {}, bool contiguous = true) {
  device<B> d(2);
  if (x.empty()) x = random_values(static_cast<std::size_t>(s.rows * s.inner), 1);
  const auto xs = d.put(x, s.rows);
  const auto bias = d.put(random_values(static_cast<std::size_t>(s.columns), 3), 1);
  const auto y = d.put(random_values(static_cast<std::size_t>(s.rows * s.columns), 4), s.rows);
  const weight<B, W> w = stored_weight<B, F, W>(s, &d.threads, contiguous);
  matmul(d.queue, y.matrix(), matrix_view<const float>(xs.matrix()), w.view(),
         epilogue<>{vector_view<const float>(bias.vector()), how});
  return d.get(y);
}

/// In double: exact activations times the weights that the bytes mean.
template <class F>
std::vector<double> reference(const sizes& s) {
  const auto x = random_values(static_cast<std::size_t>(s.rows * s.inner), 1),
             bias = random_values(static_cast<std::size_t>(s.columns), 3);
  const std::vector<std::byte> bytes = stored_matrix<F>(s.columns, s.inner);
  std::vector<float> w(static_cast<std::size_t>(s.columns * s.inner));
  rows_in_format<F>(bytes, s.inner, true).read(0, s.columns, w.data());
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

TEMPLATE_TEST_CASE("R15: matmul with affine formats matches double on every backend, as closely as f32", "[ops]",
                   q4_0_a16, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k) {
  for (const sizes& s : shapes) {
    if (s.inner % TestType::elements != 0) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto expected = reference<TestType>(s);
    for_each_backend([&]<class B>() { CHECK(nmse(product<B, TestType>(s, update::assign), expected) < 1e-7); });
  }
}

TEMPLATE_TEST_CASE("R14: matmul with affine formats equals scalar's byte for byte", "[ops]", q4_0_a16, q4_1, q5_0, q5_1,
                   q2_k, q3_k, q4_k, q5_k, q6_k) {
  for (const sizes& s : shapes) {
    if (s.inner % TestType::elements != 0) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    for (update how : format_updates) {
      const auto expected = product<scalar, TestType>(s, how);
      for_each_exact_backend([&]<class B>() { CHECK(same_sums(product<B, TestType>(s, how), expected)); });
    }
  }
}

TEMPLATE_TEST_CASE("R14: rows of a product with affine formats do not depend on other rows or on threads", "[ops]",
                   q4_k, q6_k) {
  const sizes all{23, 512, 150};
  const auto x = random_values(static_cast<std::size_t>(all.rows * all.inner), 1);
  for_each_backend([&]<class B>() {
    if (!is_batch_deterministic<B>) return;
    std::vector<float> whole;
    for (int threads : {1, 3}) {
      device<B> d(threads);
      const auto dx = d.put(x, all.rows);
      const auto y = d.put(std::vector<float>(static_cast<std::size_t>(all.rows * all.columns)), all.rows);
      const weight<B, TestType> w = stored_weight<B, TestType>(all, &d.threads);
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

TEMPLATE_TEST_CASE("R14: the largest sums of a group fit their integers", "[ops]", q4_0_a16, q4_1, q5_0, q5_1, q2_k,
                   q3_k, q4_k, q5_k, q6_k) {
  const sizes s{3, 512, 18};
  std::vector<float> x(static_cast<std::size_t>(s.rows * s.inner));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i / static_cast<std::size_t>(s.inner) % 2 ? -1.f : 1.f;
  auto bytes = stored_matrix<TestType>(s.columns, s.inner);
  for (std::size_t at = 0; at < bytes.size(); at += TestType::block_bytes) {  // the largest codes and factors
    const bool negative = at / TestType::block_bytes % 2 == 1;
    for (std::size_t i = 0; i < TestType::block_bytes; ++i) bytes[at + i] = negative ? std::byte{0} : std::byte{255};
    for (std::size_t i = 192; std::is_same_v<TestType, q6_k> && i < 208; ++i) bytes[at + i] = std::byte{0x80};
    write_number(bytes.data() + at + TestType::scale_at, from_float<f16>(0.5f));
    if (TestType::has_minimum)
      write_number(bytes.data() + at + TestType::scale_at + 2, from_float<f16>(negative ? 0.5f : 0.f));
  }
  const auto product_of = [&]<class B>(std::ptrdiff_t rows) {
    device<B> d;
    const auto dx = d.put(std::vector<float>(x.begin(), x.begin() + rows * s.inner), rows);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(rows * s.columns)), rows);
    weight<B, TestType> made;
    REQUIRE(
        made.try_fill(rows_in_format<TestType>(bytes, s.inner, true), {s.columns, s.inner}, "w", d.backend.memory()));
    matmul(d.queue, y.matrix(), matrix_view<const float>(dx.matrix()), made.view(), epilogue<>{});
    return d.get(y);
  };
  const auto expected = product_of.template operator()<scalar>(s.rows);
  std::vector<float> w(static_cast<std::size_t>(s.inner));
  for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
    rows_in_format<TestType>(bytes, s.inner, true).read(n, 1, w.data());
    double sum = 0;
    for (const float v : w) sum += static_cast<double>(v);
    for (std::ptrdiff_t t = 0; t < s.rows; ++t)
      CHECK(static_cast<double>(expected[static_cast<std::size_t>(t * s.columns + n)]) ==
            Approx(t % 2 ? -sum : sum).epsilon(1e-5));
  }
  for_each_exact_backend([&]<class B>() { CHECK(same_sums(product_of.template operator()<B>(s.rows), expected)); });
  // Codes of 64 · 128 − 64: both bytes are as far from zero as they can be. One row is multiplied as bytes everywhere.
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i % 32 != 0) x[i] *= 8128.f / 8191.f;
  for (const std::ptrdiff_t rows : {std::ptrdiff_t{1}, s.rows}) {
    const auto exact = product_of.template operator()<scalar>(rows);
    for_each_exact_backend([&]<class B>() { CHECK(same_sums(product_of.template operator()<B>(rows), exact)); });
  }
}

TEMPLATE_TEST_CASE("R1: a product with affine formats accepts NaN, infinite and tiny activations", "[ops]", q4_k,
                   q6_k) {
  const sizes s{3, 256, 20};
  auto x = random_values(static_cast<std::size_t>(s.rows * s.inner), 1);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  x[300] = std::numeric_limits<float>::infinity();
  for (std::size_t i = 512; i < 768; ++i) x[i] = 1e-35f;
  const auto expected = product<scalar, TestType>(s, update::assign, x);
  for (float v : expected) CHECK(std::isfinite(v));
  for_each_exact_backend([&]<class B>() { CHECK(same_sums(product<B, TestType>(s, update::assign, x), expected)); });
}

TEST_CASE("a mixed weight keeps the format of its rows, contiguous or not, and computes that format's product",
          "[ops]") {
  const sizes s{3, 512, 40};
  for_each_backend([&]<class B>() {
    for (const bool contiguous : {true, false}) {
      CHECK(same_bytes(product<B, q4_k, ggml>(s, update::add, {}, contiguous), product<B, q4_k>(s, update::add)));
      CHECK(same_bytes(product<B, q6_k, ggml>(s, update::add, {}, contiguous), product<B, q6_k>(s, update::add)));
    }
    const auto floats = random_values(static_cast<std::size_t>(s.columns * s.inner), 2);
    const stored_rows rows({dtype::float32, reinterpret_cast<const std::byte*>(floats.data())}, s.inner);
    weight<B, ggml> mixed;
    weight<B, f16> plain;
    const tensor_dims dims{s.columns, s.inner};
    CHECK(mixed.bytes_needed(rows, dims) == plain.bytes_needed(rows, dims));
    REQUIRE(mixed.try_fill(rows, dims, "w", B().memory()));
    REQUIRE(plain.try_fill(rows, dims, "w", B().memory()));
    device<B> d(2);
    const auto x = d.put(random_values(static_cast<std::size_t>(s.rows * s.inner), 1), s.rows);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(s.rows * s.columns)), s.rows),
               z = d.put(std::vector<float>(static_cast<std::size_t>(s.rows * s.columns)), s.rows);
    matmul(d.queue, y.matrix(), matrix_view<const float>(x.matrix()), mixed.view(), epilogue<>{});
    matmul(d.queue, z.matrix(), matrix_view<const float>(x.matrix()), plain.view(), epilogue<>{});
    CHECK(same_bytes(d.get(y), d.get(z)));
  });
}

#if !LLAVA_TEST_ON_CUDA
TEST_CASE("a mixed weight takes its format before it is filled, and its packed bytes can be mapped", "[ops]") {
  const sizes s{1, 512, 40};
  const auto bytes = stored_matrix<q5_k>(s.columns, s.inner);
  const rows_in_format<q5_k> rows(bytes, s.inner, false);
  const tensor_dims dims{s.columns, s.inner};
  weight<simd, ggml> filled, mapped;
  REQUIRE(filled.try_fill(rows, dims, "w", simd().memory()));
  CHECK(mapped.packed_layout().empty());
  mapped.choose(rows);
  CHECK(mapped.packed_layout() == "q5_k in panels of 16, 2");
  CHECK(mapped.bytes_needed(rows, dims) == filled.packed().size());
  REQUIRE(mapped.can_map(filled.packed(), dims));
  mapped.map(filled.packed(), dims);
  CHECK(mapped.view().extent(0) == s.columns);
  CHECK(mapped.packed().data() == filled.packed().data());
  CHECK(filled.accepts("q8_0"));
  CHECK(filled.accepts(""));
  CHECK_FALSE(filled.accepts("q16_0"));
}

TEST_CASE("a format without an encoder takes only rows that are in it", "[ops]") {
  const std::vector<float> floats(512);
  weight<simd, q4_k> w;
  const auto filled = w.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(floats.data())}, 256),
                                 {2, 256}, "text.layers.0.up.weight", simd().memory());
  REQUIRE_FALSE(filled);
  CHECK(
      filled.error().sentence() ==
      "llava: text.layers.0.up.weight is not stored as q4_k, and no encoder makes it that; open the model with weights "
      "of ggml");
}
#endif
