// SPDX-License-Identifier: Apache-2.0
// nf4: bytes compared with those of bitsandbytes (tests/oracle/nf4_vectors.py).
#include <llava/checkpoint/safetensors.hpp>
#include <llava/quant/nf4.hpp>
#include <llava_catch.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace llava;

namespace {

const safetensors_file& vectors() {
  static const auto file = safetensors_file::try_open(LLAVA_TEST_DATA "/quant/nf4.safetensors");
  REQUIRE(file);
  return *file;
}
const stored_tensor& vector_named(const std::string& name) {
  const stored_tensor* t = vectors().find(name);
  INFO(name);
  REQUIRE(t);
  return *t;
}

struct matrix {
  std::ptrdiff_t rows, columns;
  std::vector<std::byte> stored;
  nf4::reader reader() const { return {stored.data(), rows * columns}; }
};
matrix encoded(const row_source& from, std::ptrdiff_t rows, std::ptrdiff_t columns, int threads = 2) {
  matrix m{rows, columns, std::vector<std::byte>(static_cast<std::size_t>(nf4::stored_bytes(rows, columns)))};
  thread_pool pool(threads);
  REQUIRE(nf4::try_encode(from, rows, columns, "w", m.stored.data(), pool));
  return m;
}
matrix encoded(const std::vector<float>& x, std::ptrdiff_t columns, int threads = 2) {
  const stored_rows rows({dtype::float32, reinterpret_cast<const std::byte*>(x.data())}, columns);
  return encoded(rows, static_cast<std::ptrdiff_t>(x.size()) / columns, columns, threads);
}

bool same(const std::byte* found, const stored_tensor& expected) {
  return std::memcmp(found, expected.bytes.data(), expected.bytes.size()) == 0;
}

}  // namespace

TEST_CASE("nf4: codes, scales and values are bitsandbytes' for f32, f16 and bf16", "[quant]") {
  for (const std::string name : {"wide", "inside", "small", "many", "brain", "outliers", "zeros", "equal", "ends"}) {
    INFO(name);
    const stored_tensor& x = vector_named(name);
    const auto columns = static_cast<std::ptrdiff_t>(x.dims[1]), n = static_cast<std::ptrdiff_t>(x.dims[0]) * columns;
    const matrix m = x.with_rows(columns, [&](const row_source& rows) {
      return encoded(rows, static_cast<std::ptrdiff_t>(x.dims[0]), columns);
    });
    const nf4::parts at(n);
    CHECK(same(m.stored.data() + at.codes, vector_named(name + ".codes")));
    CHECK(same(m.stored.data() + at.scale_codes, vector_named(name + ".scale_codes")));
    CHECK(same(m.stored.data() + 4, vector_named("map")));
    // torch adds the scales in another order.
    CHECK(read_number<float>(m.stored.data()) ==
          Approx(read_number<float>(vector_named(name + ".mean").bytes.data())).epsilon(2e-7));
    const stored_tensor& outer = vector_named(name + ".outer");
    for (std::size_t i = 0; i < outer.dims[0]; ++i)
      CHECK(read_number<float>(m.stored.data() + at.scales + 4 * i) ==
            Approx(read_number<float>(outer.bytes.data() + 4 * i)).epsilon(1e-6));
    // With bitsandbytes' own mean and outer scales, every value has its bytes.
    const stored_tensor* values = vectors().find(name + ".values");
    CHECK((values != nullptr) == (name != "many"));
    if (!values) continue;
    auto exact = m.stored;
    std::memcpy(exact.data(), vector_named(name + ".mean").bytes.data(), 4);
    std::memcpy(exact.data() + at.scales, outer.bytes.data(), outer.bytes.size());
    const nf4::reader reader(exact.data(), n);
    for (std::ptrdiff_t e = 0; e < n; ++e) {
      const float value = nf4::book[reader.code(e)] * reader.scale(e / nf4::block);
      REQUIRE(value == read_number<float>(values->bytes.data() + 4 * e));
    }
  }
}

TEST_CASE("nf4: a matrix has the same bytes for any number of threads", "[quant]") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> x(130 * 99);
  for (float& v : x) v = normal(random);
  CHECK(encoded(x, 99, 1).stored == encoded(x, 99, 5).stored);
  CHECK(encoded(x, 130, 3).stored == encoded(x, 99, 1).stored);  // blocks follow the elements and not the rows
}

TEST_CASE("nf4: weights that are not finite are an error that names the tensor", "[quant]") {
  for (const float wild : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity()})
    for (const std::size_t at : {0u, 63u, 100u}) {
      std::vector<float> x(128, 1.f);
      x[at] = wild;
      std::vector<std::byte> stored(static_cast<std::size_t>(nf4::stored_bytes(2, 64)));
      serial_executor alone;
      const auto made = nf4::try_encode(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(x.data())}, 64),
                                        2, 64, "text.layers.0.up.weight", stored.data(), alone);
      REQUIRE_FALSE(made);
      CHECK(std::string(made.error().what()) ==
            "llava: text.layers.0.up.weight has values that are not finite, which nf4 cannot store");
    }
}

TEST_CASE("nf4: a matrix needs half a byte for a weight and a byte for 64", "[quant]") {
  STATIC_REQUIRE(format<nf4>::bytes(4096, 4096) == 4096 * 4096 / 2 + 4096 * 64 + 1024 * 4 + 1028);
  STATIC_REQUIRE(format<nf4>::bytes(1, 1) == 1 + 1 + 4 + 1028);
  STATIC_REQUIRE(tensor_format<nf4>);
  STATIC_REQUIRE(!block_format<nf4>);
  STATIC_REQUIRE(std::is_same_v<weights<nf4>::projector, nf4>);
  STATIC_REQUIRE(std::is_same_v<weights<nf4>::vision, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<nf4>::head, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<nf4>::embeddings, f16>);
}
