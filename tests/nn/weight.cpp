// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd.hpp>
#include <llava/nn/linear.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q8_0.hpp>
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
/// The rows of a matrix with `columns` columns.
template <class T>
stored_rows of(const std::vector<T>& v, std::int64_t columns) {
  return {{dtype_of<T>, reinterpret_cast<const std::byte*>(v.data())}, columns};
}
}  // namespace

TEST_CASE("weight: values stored in the weight's type are used in place", "[nn]") {
  const auto values = numbers<f16>(12);
  weight<scalar, f16> w;
  REQUIRE(w.try_fill(of(values, 4), {3, 4}, "w", host_memory()));
  CHECK(w.view().data() == values.data());
  CHECK(w.view().extent(0) == 3);
  CHECK(w.bytes_needed(of(values, 4), {3, 4}) == 0);
  CHECK(w.bytes_needed(of(numbers<f32>(12), 4), {3, 4}) == 24);
}

TEST_CASE("weight: other types and unaligned data are converted", "[nn]") {
  const auto values = numbers<bf16>(200000);  // more than one piece of the conversion
  weight<scalar, f32> w;
  REQUIRE(w.try_fill(of(values, 500), {400, 500}, "w", host_memory()));
  CHECK(w.view()(399, 499) == to_float(values.back()));
  CHECK(w.view()(131, 36) == to_float(values[131 * 500 + 36]));

  std::vector<std::byte> shifted(13);
  const float three = 3.f;
  std::memcpy(shifted.data() + 1, &three, 4);
  const stored_rows unaligned({dtype::float32, shifted.data() + 1}, 1);
  CHECK(w.bytes_needed(unaligned, {1, 1}) == 4);
  REQUIRE(w.try_fill(unaligned, {1, 1}, "w", host_memory()));
  CHECK(w.view()(0, 0) == 3.f);
}

TEST_CASE("weight: a convolution is a matrix with one row per output channel", "[nn]") {
  const auto values = numbers<f32>(2 * 3 * 2 * 2);
  weight<scalar, f32> w;
  REQUIRE(w.try_fill(of(values, 12), {2, 3, 2, 2}, "w", host_memory()));
  CHECK(w.view().extent(0) == 2);
  CHECK(w.view().extent(1) == 12);
}

TEST_CASE("weight: integers are refused with the tensor's name", "[nn]") {
  const std::int64_t values[] = {1, 2};
  parameter<scalar> p;
  const auto filled = p.try_fill(stored_rows({dtype::int64, reinterpret_cast<const std::byte*>(values)}, 1), {2},
                                 "model.norm.weight", host_memory());
  REQUIRE_FALSE(filled);
  CHECK(filled.error().sentence().find("model.norm.weight is stored as i64") != std::string::npos);
}

TEST_CASE("linear: each weight is visited once, with its name and shape", "[nn]") {
  linear<scalar, f32> l;
  std::string said;
  l.each([&](const std::string& name, auto&,
             const tensor_dims& d) { said += name + " " + std::to_string(d.size()) + "; "; },
         "fc1", 5, 7, true);
  CHECK(said == "fc1.weight 35; fc1.bias 5; ");
}

TEST_CASE("weight: block formats are quantised when loaded, or repacked from stored blocks", "[nn]") {
  const auto values = numbers<bf16>(40 * 70);
  const tensor_dims dims{40, 70};
  thread_pool threads(3);
  weight<scalar, q4_0> made;
  REQUIRE(made.try_fill(of(values, 70), dims, "w", host_memory(), &threads));
  std::vector<float> row(70), expected(70);
  for (std::size_t i = 0; i < 70; ++i) expected[i] = to_float(values[39 * 70 + i]);
  std::vector<std::byte> stored(static_cast<std::size_t>(block_view<q4_0>::row_bytes(70)));
  q4_0::encode(expected.data(), 70, stored.data());
  CHECK(std::memcmp(made.view().row(39), stored.data(), stored.size()) == 0);

  // Stored rows: scalar uses them in place, simd repacks them into panels.
  const stored_rows rows({dtype::uint8, made.view().data, "q4_0"}, 70);
  weight<scalar, q4_0> in_place;
  REQUIRE(in_place.try_fill(rows, dims, "w", host_memory()));
  CHECK(in_place.view().data == made.view().data);
  CHECK(in_place.bytes_needed(rows, dims) == 0);
  weight<simd, q4_0> from_rows, from_values;
  REQUIRE(from_rows.try_fill(rows, dims, "w", host_memory(), &threads));
  REQUIRE(from_values.try_fill(of(values, 70), dims, "w", host_memory()));
  const std::size_t bytes = from_rows.bytes_needed(rows, dims);
  CHECK(bytes == 3 * static_cast<std::size_t>(simd::layout<q4_0>::unit_bytes(70)));
  CHECK(std::memcmp(from_rows.view().data, from_values.view().data, bytes) == 0);
}

TEST_CASE("weight: block formats refuse integers and other formats", "[nn]") {
  const std::int64_t values[] = {1, 2};
  weight<scalar, q8_0> w;
  const auto filled = w.try_fill(stored_rows({dtype::int64, reinterpret_cast<const std::byte*>(values)}, 2), {1, 2},
                                 "up_proj.weight", host_memory());
  REQUIRE_FALSE(filled);
  CHECK(filled.error().sentence().find("up_proj.weight is stored as i64") != std::string::npos);
  CHECK(w.accepts("q8_0"));
  CHECK(w.accepts(""));
  CHECK_FALSE(w.accepts("q4_0"));
  CHECK_FALSE(weight<scalar, f16>().accepts("q4_0"));
  CHECK_FALSE(parameter<scalar>().accepts("q4_0"));
}

namespace {
/// Computes its elements on request: 100 · row + column.
struct computed_rows final : row_source {
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t r = first; r < first + count; ++r)
      for (std::int64_t c = 0; c < 40; ++c) *to++ = static_cast<float>(100 * r + c);
  }
};
}  // namespace

TEST_CASE("weight: computed rows fill dense and block formats as stored ones do", "[nn]") {
  const computed_rows computed;
  std::vector<f32> values(50 * 40);
  computed.read(0, 50, values.data());
  thread_pool threads(3);
  const auto filled = [&]<class W>(W w, const row_source& from) {
    REQUIRE(w.try_fill(from, {50, 40}, "w", host_memory(), &threads));
    return w;
  };
  const auto dense = filled(weight<simd, f16>(), computed), same = filled(weight<simd, f16>(), of(values, 40));
  CHECK(std::memcmp(dense.view().data(), same.view().data(), 50 * 40 * sizeof(f16)) == 0);
  const auto blocks = filled(weight<simd, q8_0>(), computed), stored = filled(weight<simd, q8_0>(), of(values, 40));
  CHECK(std::equal(blocks.packed().begin(), blocks.packed().end(), stored.packed().begin(), stored.packed().end()));
  CHECK(weight<scalar, f32>().bytes_needed(computed, {50, 40}) == 50 * 40 * sizeof(float));
  CHECK(weight<scalar, f32>().bytes_needed(of(values, 40), {50, 40}) == 0);
}

namespace {
/// Counts the largest number of pieces of a call.
struct counting_executor final : executor {
  thread_pool inner{3};
  int most = 0;
  int concurrency() const override { return inner.concurrency(); }
  void parallel_for(int pieces, function_ref<void(int)> piece) override {
    most = std::max(most, pieces);
    inner.parallel_for(pieces, piece);
  }
};
}  // namespace

TEST_CASE("weight: rows of any number are converted by all threads to the bytes that one thread makes", "[nn]") {
  for (const std::int64_t rows : {1, 15, 16, 17, 1638, 1639, 5000, 9999}) {
    const auto values = numbers<f32>(static_cast<std::size_t>(rows * 40));
    const tensor_dims dims{rows, 40};
    const auto same_bytes = [&]<class W>(W alone, W together) {
      counting_executor threads;
      REQUIRE(alone.try_fill(of(values, 40), dims, "w", host_memory()));
      REQUIRE(together.try_fill(of(values, 40), dims, "w", host_memory(), &threads));
      CHECK(threads.most == std::min(threads.concurrency(), static_cast<int>((rows + 1637) / 1638)));
      return std::memcmp(alone.view().data(), together.view().data(), alone.bytes_needed(of(values, 40), dims)) == 0;
    };
    INFO(rows);
    CHECK(same_bytes(weight<simd, f16>(), weight<simd, f16>()));
    CHECK(same_bytes(weight<simd, bf16>(), weight<simd, bf16>()));
    CHECK(same_bytes(parameter<simd>(), parameter<simd>()));
  }
}
