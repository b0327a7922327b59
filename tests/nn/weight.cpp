// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/scalar.hpp>
#include <llava/nn/linear.hpp>
#include <llava_catch.hpp>

#include <vector>

using namespace llava;

namespace {
template <class T>
std::vector<T> numbers(std::size_t n) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = from_float<T>(static_cast<float>(i) * 0.25f - 3.f);
  return v;
}
template <class T>
host_values of(const std::vector<T>& v) {
  return {dtype_of<T>, reinterpret_cast<const std::byte*>(v.data())};
}
}  // namespace

TEST_CASE("weight: a stored type that fits is used in place", "[nn]") {
  const auto values = numbers<f16>(12);
  weight<scalar, f16> w;
  REQUIRE(w.try_fill(of(values), {3, 4}, "w"));
  CHECK(w.view().data() == values.data());
  CHECK(w.view().extent(0) == 3);
  CHECK(weight<scalar, f16>::bytes_needed(dtype::float16, {3, 4}) == 0);
  CHECK(weight<scalar, f16>::bytes_needed(dtype::float32, {3, 4}) == 24);
}

TEST_CASE("weight: other types, and data that is not aligned, are converted", "[nn]") {
  const auto values = numbers<bf16>(200000);  // more than one piece of the conversion
  weight<scalar, f32> w;
  REQUIRE(w.try_fill(of(values), {400, 500}, "w"));
  CHECK(w.view()(399, 499) == to_float(values.back()));
  CHECK(w.view()(131, 36) == to_float(values[131 * 500 + 36]));

  std::vector<std::byte> shifted(13);
  const float three = 3.f;
  std::memcpy(shifted.data() + 1, &three, 4);
  REQUIRE(w.try_fill({dtype::float32, shifted.data() + 1}, {1, 1}, "w"));
  CHECK(w.view()(0, 0) == 3.f);
}

TEST_CASE("weight: a convolution is a matrix of rows", "[nn]") {
  const auto values = numbers<f32>(2 * 3 * 2 * 2);
  weight<scalar, f32> w;
  REQUIRE(w.try_fill(of(values), {2, 3, 2, 2}, "w"));
  CHECK(w.view().extent(0) == 2);
  CHECK(w.view().extent(1) == 12);
}

TEST_CASE("weight: whole numbers are refused with the tensor's name", "[nn]") {
  const std::int64_t values[] = {1, 2};
  parameter<scalar> p;
  const auto filled = p.try_fill({dtype::int64, reinterpret_cast<const std::byte*>(values)}, {2}, "model.norm.weight");
  REQUIRE_FALSE(filled);
  CHECK(filled.error().sentence().find("model.norm.weight is stored as i64") != std::string::npos);
}

TEST_CASE("linear: names and shapes are said once", "[nn]") {
  linear<scalar, f32> l;
  std::string said;
  l.each([&](const std::string& name, auto&,
             const tensor_dims& d) { said += name + " " + std::to_string(d.size()) + "; "; },
         "fc1", 5, 7, true);
  CHECK(said == "fc1.weight 35; fc1.bias 5; ");
}
