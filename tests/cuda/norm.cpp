// SPDX-License-Identifier: Apache-2.0
/// rms_norm and layer_norm on the device against double.
#include <llava/backend/cuda/norm.cuh>

#include "ops_backend.hpp"

namespace cuda_test {

using namespace llava;
static_assert(ops::has_rms_norm<ops_backend, f16> && ops::has_layer_norm<ops_backend, bf16> &&
              ops::has_rms_norm<ops_backend, float>);

namespace {
/// Operands of norms, and what double gives.
struct norm_case {
  std::size_t rows, width;
  std::vector<float> x, w = random_values(width, 2), b = random_values(width, 3);
  norm_case(std::size_t t, std::size_t d, float shift = 0.f) : rows(t), width(d), x(random_values(t * d, 1, 3.f)) {
    for (float& v : x) v += shift;
  }

  std::vector<double> expected(bool centered, bool biased) const {
    std::vector<double> y;
    const auto d = static_cast<double>(width);
    for (std::size_t t = 0; t < rows; ++t) {
      const float* const row = x.data() + t * width;
      double mean = 0, squares = 0;
      for (std::size_t i = 0; centered && i < width; ++i) mean += static_cast<double>(row[i]) / d;
      for (std::size_t i = 0; i < width; ++i) squares += std::pow(static_cast<double>(row[i]) - mean, 2);
      for (std::size_t i = 0; i < width; ++i)
        y.push_back((static_cast<double>(row[i]) - mean) / std::sqrt(squares / d + 1e-5) * static_cast<double>(w[i]) +
                    (biased ? static_cast<double>(b[i]) : 0));
    }
    return y;
  }
};

template <class T>
std::vector<float> as_floats(const std::vector<T>& values) {
  std::vector<float> y;
  for (const T v : values) y.push_back(to_float(v));
  return y;
}
}  // namespace

TEMPLATE_TEST_CASE("cuda norms match double, for rows of any length", "[cuda]", float, f16, bf16) {
  const double limit = std::is_same_v<TestType, float> ? 1e-11 : std::is_same_v<TestType, f16> ? 1e-7 : 1e-5;
  // 1030 and 4100 are more than the registers of a block hold, element by element and in pieces of four.
  for (const std::size_t width : {1u, 7u, 64u, 100u, 1030u, 4100u}) {
    CAPTURE(width);
    const norm_case c(3, width);
    on_cuda d;
    const auto x = d.put(c.x, 3), w = d.put(c.w, 1), b = d.put(c.b, 1);
    const std::vector<TestType> empty(c.x.size());
    const auto rms = d.put(empty, 3), layer = d.put(empty, 3), plain = d.put(empty, 3);
    const matrix_view<const float> in = x;
    rms_norm(d.queue, rms.matrix(), in, vector_view<const float>(w), 1e-5f);
    layer_norm(d.queue, layer.matrix(), in, vector_view<const float>(w), vector_view<const float>(b), 1e-5f);
    layer_norm(d.queue, plain.matrix(), in, vector_view<const float>(w), vector_view<const float>(), 1e-5f);
    CHECK(nmse(as_floats(d.get(rms)), c.expected(false, false)) < limit);
    CHECK(nmse(as_floats(d.get(layer)), c.expected(true, true)) < limit);
    CHECK(nmse(as_floats(d.get(plain)), c.expected(true, false)) < limit);
  }
}

TEST_CASE("cuda norms: in place, in a slice of columns, and with a mean that is large next to the deviations",
          "[cuda]") {
  constexpr std::size_t rows = 5, width = 36, whole = 44;
  for (const float shift : {0.f, 3000.f}) {
    const norm_case c(rows, width, shift);
    for (const std::size_t first : {4u, 3u}) {  // aligned pieces, single elements
      std::vector<float> values(rows * whole, 7.f);
      const auto inside = [&](std::size_t i) { return i % whole >= first && i % whole < first + width; };
      std::size_t next = 0;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (inside(i)) values[i] = c.x[next++];
      on_cuda d;
      const auto x = d.put(values, rows), w = d.put(c.w, 1), b = d.put(c.b, 1);
      const matrix_view<float> y = columns_of(x.matrix(), static_cast<std::ptrdiff_t>(first), width);
      layer_norm(d.queue, y, matrix_view<const float>(y), vector_view<const float>(w), vector_view<const float>(b),
                 1e-5f);
      const auto got = d.get(x);
      std::vector<float> inner;
      for (std::size_t i = 0; i < got.size(); ++i)
        if (inside(i))
          inner.push_back(got[i]);
        else
          CHECK(got[i] == 7.f);
      CHECK(nmse(inner, c.expected(true, true)) < (shift > 0 ? 1e-7 : 1e-11));
    }
  }
}

TEST_CASE("cuda norms: the order of the threads does not change a bit", "[cuda]") {
  const norm_case c(2, 520);
  std::vector<float> first;
  for_each_schedule([&] {
    on_cuda d;
    const auto x = d.put(c.x, 2), w = d.put(c.w, 1);
    rms_norm(d.queue, x.matrix(), matrix_view<const float>(x), vector_view<const float>(w), 1e-5f);
    const auto got = d.get(x);
    if (first.empty()) first = got;
    CHECK(same_bytes(got, first));
  });
}

}  // namespace cuda_test
