// SPDX-License-Identifier: Apache-2.0
// int8: rows and products compared with those of bitsandbytes (tests/oracle/int8_vectors.py), and products on every
// backend.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/nn/block_weight.hpp>
#include <llava/quant/int8.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {

const stored_tensor& vector_named(const std::string& name) {
  static const auto file = safetensors_file::try_open(LLAVA_TEST_DATA "/quant/int8.safetensors");
  REQUIRE(file);
  const stored_tensor* t = file->find(name);
  INFO(name);
  REQUIRE(t);
  return *t;
}
std::vector<float> floats_named(const std::string& name) {
  const stored_tensor& t = vector_named(name);
  std::vector<float> values(t.dims[0] * (t.dims.size() > 1 ? t.dims[1] : 1));
  t.with_rows(static_cast<std::int64_t>(values.size()),
              [&](const row_source& rows) { rows.read(0, 1, values.data()); });
  return values;
}

/// y = x · wᵀ, or y += it.
template <class B>
std::vector<float> product(const std::vector<float>& x, const std::vector<float>& w, std::ptrdiff_t inner,
                           const std::vector<float>& bias = {}, update how = update::assign) {
  device<B> d;
  const auto rows = static_cast<std::ptrdiff_t>(x.size()) / inner,
             columns = static_cast<std::ptrdiff_t>(w.size()) / inner;
  weight<B, int8> made;
  REQUIRE(made.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(w.data())}, inner),
                        {columns, inner}, "w", d.backend.memory(), &d.threads));
  const auto dx = d.put(x, rows), y = d.put(random_values(static_cast<std::size_t>(rows * columns), 4), rows);
  const auto db = d.put(bias.empty() ? std::vector<float>(1) : bias, 1);
  const vector_view<const float> b = bias.empty() ? vector_view<const float>() : vector_view<const float>(db.vector());
  matmul(d.queue, y.matrix(), matrix_view<const float>(dx.matrix()), made.view(), epilogue<>{b, how});
  return d.get(y);
}

/// Normal values, some of them outliers: none in row 0, few in row 1, all of row 2.
std::vector<float> activations(std::ptrdiff_t rows, std::ptrdiff_t inner) {
  auto x = random_values(static_cast<std::size_t>(rows * inner), 1);
  for (std::ptrdiff_t t = 0; t < rows; ++t)
    for (std::ptrdiff_t k = 0; k < inner; ++k)
      if (float& v = x[static_cast<std::size_t>(t * inner + k)]; t % 3 == 2 || (t % 3 == 1 && k % 37 == 5))
        v = (v < 0 ? -6.f : 6.f) + 3.f * v;
  return x;
}

struct sizes {
  std::ptrdiff_t rows, inner, columns;
};
constexpr sizes shapes[] = {{1, 32, 16}, {1, 1, 1},    {1, 588, 40}, {1, 2100, 130},
                            {2, 96, 17}, {3, 129, 33}, {9, 600, 64}, {40, 257, 64}};

}  // namespace

TEST_CASE("int8: codes and scales of rows are bitsandbytes'", "[quant]") {
  const auto w = floats_named("w");
  const stored_tensor &codes = vector_named("w.codes"), &scales = vector_named("w.scales");
  const std::size_t rows = codes.dims[0], columns = codes.dims[1];
  for (std::size_t r = 0; r < rows; ++r) {
    INFO("row " << r);
    std::vector<std::byte> row(
        static_cast<std::size_t>(block_view<int8>::row_bytes(static_cast<std::ptrdiff_t>(columns))));
    int8::encode(w.data() + r * columns, static_cast<std::ptrdiff_t>(columns), row.data());
    CHECK(std::memcmp(row.data(), scales.bytes.data() + 4 * r, 4) == 0);
    CHECK(std::memcmp(row.data() + 4, codes.bytes.data() + r * columns, columns) == 0);
  }
}

TEST_CASE("int8: products with outliers are bitsandbytes'", "[ops]") {
  const auto x = floats_named("x"), w = floats_named("w"), expected = floats_named("y");
  const auto inner = static_cast<std::ptrdiff_t>(vector_named("x").dims[1]);
  for_each_backend([&]<class B>() { CHECK(largest_error(product<B>(x, w, inner), expected) < 1e-6); });
}

TEST_CASE("R15: matmul with int8 matches double on every backend, at odd sizes", "[ops]") {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto x = activations(s.rows, s.inner), w = random_values(static_cast<std::size_t>(s.columns * s.inner), 2),
               bias = random_values(static_cast<std::size_t>(s.columns), 3);
    std::vector<std::byte> row(static_cast<std::size_t>(block_view<int8>::row_bytes(s.inner)));
    std::vector<float> decoded(w.size());
    for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
      int8::encode(w.data() + n * s.inner, s.inner, row.data());
      decode_row<int8>(row.data(), s.inner, decoded.data() + n * s.inner);
    }
    std::vector<double> expected;
    for (std::ptrdiff_t t = 0; t < s.rows; ++t)
      for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
        double sum = static_cast<double>(bias[static_cast<std::size_t>(n)]);
        for (std::ptrdiff_t k = 0; k < s.inner; ++k)
          sum += static_cast<double>(x[static_cast<std::size_t>(t * s.inner + k)]) *
                 static_cast<double>(decoded[static_cast<std::size_t>(n * s.inner + k)]);
        expected.push_back(sum);
      }
    for_each_backend([&]<class B>() { CHECK(nmse(product<B>(x, w, s.inner, bias), expected) < 5e-4); });
  }
}

TEST_CASE("R14: matmul with int8 equals scalar's byte for byte", "[ops]") {
  for (const sizes& s : shapes) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto x = activations(s.rows, s.inner), w = random_values(static_cast<std::size_t>(s.columns * s.inner), 2),
               bias = random_values(static_cast<std::size_t>(s.columns), 3);
    for (update how : format_updates) {
      const auto expected = product<scalar>(x, w, s.inner, bias, how);
      for_each_exact_backend([&]<class B>() { CHECK(same_sums(product<B>(x, w, s.inner, bias, how), expected)); });
    }
  }
}

TEST_CASE("R14: a row of an int8 matmul does not depend on the outliers of other rows", "[ops]") {
  const std::ptrdiff_t inner = 300;
  const auto x = activations(23, inner), w = random_values(150 * 300, 2);
  for_each_backend([&]<class B>() {
    if (!is_batch_deterministic<B>) return;
    const auto all = product<B>(x, w, inner);
    for (std::ptrdiff_t t = 0; t < 23; ++t) {
      const std::vector<float> row(x.begin() + t * inner, x.begin() + (t + 1) * inner);
      const auto alone = product<B>(row, w, inner);
      CHECK(std::equal(alone.begin(), alone.end(), all.begin() + t * 150));
    }
  });
}

TEST_CASE("R1: an int8 matmul accepts NaN and infinite activations, which stay in their row", "[ops]") {
  const std::ptrdiff_t inner = 160;
  const std::ptrdiff_t rows = GENERATE(3, 19);
  const auto x = activations(rows, inner), w = random_values(20 * 160, 2);
  for_each_backend([&]<class B>() {
    auto wild = x;
    wild[5] = std::numeric_limits<float>::quiet_NaN();
    wild[static_cast<std::size_t>(inner) + 7] = std::numeric_limits<float>::infinity();
    const auto usual = product<B>(x, w, inner), got = product<B>(wild, w, inner);
    for (std::size_t n = 0; n < 40; ++n) CHECK_FALSE(std::isfinite(got[n]));
    CHECK(std::equal(got.begin() + 40, got.end(), usual.begin() + 40));
  });
}
