// SPDX-License-Identifier: Apache-2.0
// Block formats: bytes compared with those of gguf (tests/oracle/block_vectors.py), and properties of every format.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/quant/activations.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q4_i8.hpp>
#include <llava/quant/q8_0.hpp>
#include <llava_catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace llava;

namespace {

std::vector<float> normal_values(std::size_t n, unsigned seed, float scale = 1.f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;  // times `scale`, which may be 0
  std::vector<float> v(n);
  for (float& x : v) x = normal(engine) * scale;
  return v;
}

template <class F>
std::vector<std::byte> encoded(const std::vector<float>& x) {
  std::vector<std::byte> row(static_cast<std::size_t>(block_view<F>::row_bytes(static_cast<std::ptrdiff_t>(x.size()))));
  F::encode(x.data(), static_cast<std::ptrdiff_t>(x.size()), row.data());
  return row;
}
template <class F>
std::vector<float> round_trip(const std::vector<float>& x) {
  const std::vector<std::byte> row = encoded<F>(x);
  std::vector<float> y(x.size());
  decode_row<F>(row.data(), static_cast<std::ptrdiff_t>(y.size()), y.data());
  return y;
}
double relative_error(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    error += d * d, power += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return std::sqrt(error / power);
}

}  // namespace

TEMPLATE_TEST_CASE("GGUF's block formats encode to its bytes and decode to its values", "[quant]", q8_0, q4_0) {
  const auto file = safetensors_file::try_open(LLAVA_TEST_DATA "/quant/blocks.safetensors");
  REQUIRE(file);
  const std::string name(TestType::name);
  const stored_tensor *x = file->find("x"), *bytes = file->find(name), *values = file->find(name + ".x");
  REQUIRE((x && bytes && values));
  REQUIRE(x->dims.size() == 2);
  const std::size_t rows = x->dims[0], columns = x->dims[1], row_bytes = bytes->dims[1];
  REQUIRE(rows >= 40);
  for (std::size_t r = 0; r < rows; ++r) {
    INFO("row " << r);
    std::vector<float> line(columns), expected(columns), decoded(columns);
    std::memcpy(line.data(), x->bytes.data() + r * columns * 4, columns * 4);
    std::memcpy(expected.data(), values->bytes.data() + r * columns * 4, columns * 4);
    const std::vector<std::byte> row = encoded<TestType>(line);
    REQUIRE(row.size() == row_bytes);
    CHECK(std::memcmp(row.data(), bytes->bytes.data() + r * row_bytes, row_bytes) == 0);
    decode_row<TestType>(bytes->bytes.data() + r * row_bytes, static_cast<std::ptrdiff_t>(columns), decoded.data());
    CHECK(std::memcmp(decoded.data(), expected.data(), columns * 4) == 0);
  }
}

/// Relative error of rounding with a step of (a block's largest / levels): step² / 12 for every element.
double rounding_error(const std::vector<float>& x, double levels) {
  double error = 0, power = 0;
  for (std::size_t b = 0; b < x.size(); b += block_elements) {
    double most = 0;
    for (std::size_t i = b; i < b + block_elements; ++i) {
      most = std::max(most, std::fabs(static_cast<double>(x[i])));
      power += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    error += block_elements * most / levels * most / levels / 12;
  }
  return std::sqrt(error / power);
}

TEMPLATE_TEST_CASE("R16: block formats lose only what rounding must lose, with outliers too", "[quant]", q16_0, q8_0,
                   q4_0, q4_i8) {
  const auto x = normal_values(4096, 11, 0.02f);
  auto outliers = x;
  for (std::size_t i = 7; i < outliers.size(); i += 512) outliers[i] *= 30.f;
  const double levels = TestType::bits == 16 ? 4096 : TestType::bits == 8 ? 127 : 8;
  // Codes that span a block's least to its largest element lose a tenth less, also if some blocks are outliers.
  const double most = TestType::has_row_scale ? 0.9 : 1.1;
  CHECK(relative_error(x, round_trip<TestType>(x)) < most * rounding_error(x, levels));
  CHECK(relative_error(outliers, round_trip<TestType>(outliers)) < most * rounding_error(outliers, levels));
}

TEST_CASE("R16: q4_i8 keeps weights that are already on a 4-bit grid with scales and offsets", "[quant]") {
  std::mt19937 random(5);
  std::vector<float> x(4096);
  for (std::size_t b = 0; b < x.size(); b += block_elements) {  // as in GGUF's Q4_1
    const float step = 0.01f * static_cast<float>(1 + random() % 4),
                least = -step * (5.f + 0.01f * static_cast<float>(random() % 500));
    for (std::size_t i = 0; i < block_elements; ++i)
      x[b + i] = least + step * static_cast<float>(i == 0 ? 0 : i == 1 ? 15 : random() % 16);
  }
  CHECK(relative_error(x, round_trip<q4_i8>(x)) < 0.015);
  CHECK(relative_error(x, round_trip<q4_0>(x)) > 0.05);
}

TEMPLATE_TEST_CASE("block formats: rows that end inside a block, zeros, and values that are not finite", "[quant]",
                   q16_0, q8_0, q4_0, q4_i8) {
  for (std::size_t n : {1u, 31u, 33u, 75u}) {
    const auto x = normal_values(n, 3);
    CHECK(relative_error(x, round_trip<TestType>(x)) < 0.2);
    CHECK(round_trip<TestType>(std::vector<float>(n, 0.f)) == std::vector<float>(n, 0.f));
  }
  for (float wild : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38f, 1e-44f}) {
    auto x = normal_values(64, 4);
    x[9] = wild;
    const auto row = encoded<TestType>(x);  // no undefined behaviour: the sanitizers check
    decoded_code<TestType> values[block_elements];
    TestType::decode(row.data() + TestType::header_bytes, values);
    if (!std::isnan(wild)) continue;
    auto y = round_trip<TestType>(x);  // the others keep their values
    x[9] = y[9] = 0.f;
    CHECK(relative_error(x, y) < 0.2);
  }
}

TEST_CASE("q4_i8: elements decode by their block's header, for any bytes of a file", "[quant]") {
  std::mt19937 random(6);
  std::byte row[q4_i8::header_bytes + q4_i8::block_bytes];
  write_number(row, 0.25f);
  for (int round = 0; round < 1000; ++round) {
    const int f = round < 4 ? (round % 2 ? 127 : -128) : static_cast<int>(random() % 256) - 128;
    const int o = round < 4 ? (round / 2 ? 127 : -128) : static_cast<int>(random() % 256) - 128;
    row[4] = static_cast<std::byte>(f), row[5] = static_cast<std::byte>(o);
    for (std::size_t i = 6; i < sizeof(row); ++i) row[i] = static_cast<std::byte>(random());
    float x[block_elements];
    decode_row<q4_i8>(row, block_elements, x);
    for (int i = 0; i < block_elements; ++i) {
      const int both = std::to_integer<int>(row[6 + i % 16]), code = i < 16 ? both % 16 : both / 16;
      CHECK(x[i] == 0.25f * static_cast<float>(f * (code - 8) - 8 * o));
    }
  }
}

TEST_CASE("q16_0: an f16 of at least a quarter of its block's largest is exact, a smaller one loses at most 2⁻¹³ of it",
          "[quant]") {
  for (float size : {6e4f, 1.f, 0.02f, 3e-4f}) {
    auto x = normal_values(4096, 6, size / 4);
    for (float& v : x) v = to_float(from_float<f16>(std::clamp(v, -size, size)));
    const auto y = round_trip<q16_0>(x);
    for (std::size_t b = 0; b < x.size(); b += block_elements) {
      float most = 0.f;
      for (std::size_t i = b; i < b + block_elements; ++i) most = std::max(most, std::fabs(x[i]));
      for (std::size_t i = b; i < b + block_elements; ++i) {
        if (std::fabs(x[i]) >= most / 4) CHECK(y[i] == x[i]);
        CHECK(std::fabs(y[i] - x[i]) <= std::ldexp(most, -13));
      }
    }
    CHECK(encoded<q16_0>(y) == encoded<q16_0>(x));
  }
  // Codes that no encoder writes are clamped, so that sums fit their integers.
  std::byte block[q16_0::block_bytes];
  std::memset(block, 0x7f, sizeof(block));
  std::int16_t values[block_elements];
  q16_0::decode(block, values);
  CHECK(values[31] == 8191);
  std::memset(block, 0x80, sizeof(block));
  q16_0::decode(block, values);
  CHECK(values[0] == -8191);
}

TEST_CASE("activations are quantised group by group, ties to even", "[quant]") {
  std::vector<float> x(40, 0.f);
  x[0] = 127.f, x[1] = 0.5f, x[2] = 1.5f, x[3] = -2.5f, x[4] = 126.7f;
  x[32] = -2.f, x[33] = 1.f;
  std::int8_t codes[64];
  float scales[2];
  quantise_activations(x.data(), 40, 32, codes, scales);
  CHECK(scales[0] == 1.f);
  CHECK(codes[0] == 127);
  CHECK(codes[1] == 0);
  CHECK(codes[2] == 2);
  CHECK(codes[3] == -2);
  CHECK(codes[4] == 127);
  CHECK(scales[1] == 2.f / 127.f);
  CHECK(codes[32] == -127);
  CHECK(codes[33] == 64);  // 63.5
  for (int i = 34; i < 64; ++i) CHECK(codes[i] == 0);

  std::int16_t words[64];
  quantise_activations(x.data(), 40, 32, words, scales);
  CHECK(scales[0] == 127.f / 8191.f);
  CHECK(words[0] == 8191);
  CHECK(words[1] == 32);  // 32.2
  CHECK(words[32] == -8191);
  CHECK(words[33] == 4096);  // 4095.5
  CHECK(words[34] == 0);
}
