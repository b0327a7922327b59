// SPDX-License-Identifier: Apache-2.0
/// R14: on a deterministic queue of the CUDA backend, a row of a product has the same bytes in a batch of any size.
#include <llava/backend/adapted.hpp>
#include <llava/backend/cuda/matmul.cuh>
#include <llava/backend/scalar.hpp>
#include <llava/nn/linear.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_i8.hpp>

#include <algorithm>
#include <vector>

#include "closeness.hpp"
#include "cuda/products.hpp"

using namespace llava;
using namespace cuda_products;

namespace {

struct deterministic_products : products {
  static constexpr bool batch_deterministic = true;
};
static_assert(is_batch_deterministic<deterministic_products>);

/// A weight (N, K) of format F, and x (T, K).
template <class F>
struct product_of_rows {
  using B = deterministic_products;
  using operand = operand_of<B, F>;
  sizes s;
  device<B> d;
  weight<B, F> w;
  std::vector<float> values;

  explicit product_of_rows(const sizes& all) : s(all), values(random_values(all.columns * all.inner, 2)) {
    const tensor_dims dims{static_cast<std::int64_t>(s.columns), static_cast<std::int64_t>(s.inner)};
    if constexpr (affine_format<F>) {
      REQUIRE(w.try_fill(stored_in_format<F>(s), dims, "w", d.backend.memory(), &d.threads));
    } else {
      const stored_rows rows({dtype::float32, reinterpret_cast<const std::byte*>(values.data())},
                             static_cast<std::int64_t>(s.inner));
      REQUIRE(w.try_fill(rows, dims, "w", d.backend.memory(), &d.threads));
    }
  }
  /// The product of `rows` rows from row `first` of x. An outlier of int8 is in every third row.
  std::vector<float> run(std::size_t first, std::size_t rows) {
    auto x = random_values<operand>(s.rows * s.inner, 1);
    for (std::size_t t = 0; t < s.rows; t += 3) x[t * s.inner + t % s.inner] = from_float<operand>(9.f);
    const auto from = x.begin() + static_cast<std::ptrdiff_t>(first * s.inner);
    const auto dx = d.put(std::vector<operand>(from, from + static_cast<std::ptrdiff_t>(rows * s.inner)), rows);
    const auto y = d.put(random_values(rows * s.columns, 4), rows);
    matmul(d.queue, y.matrix(), matrix_view<const operand>(dx.matrix()), w.view(), epilogue<silu>{});
    return d.get(y);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("R14: on a deterministic queue a row of a product does not depend on the others", "[cuda]", f32, f16,
                   bf16, q4_0, q8_0, q16_0, q4_i8, int8, q2_k, q4_k, q6_k, nf4) {
  for (const sizes& s : {sizes{150, 256, 40}, sizes{40, 64, 130}, sizes{20, 129, 9}}) {
    if constexpr (affine_format<TestType>)
      if (s.inner % static_cast<std::size_t>(TestType::elements) != 0) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    product_of_rows<TestType> p(s);
    const auto whole = p.run(0, s.rows);
    const auto check = [&](std::size_t first, std::size_t rows) {
      INFO("rows " << first << " to " << first + rows - 1);
      const auto some = p.run(first, rows);
      const auto from = whole.begin() + static_cast<std::ptrdiff_t>(first * s.columns);
      CHECK(std::equal(some.begin(), some.end(), from));
    };
    for (const std::size_t t : {0u, 6u, 17u, 19u}) check(t, 1);
    for (const std::size_t rows : {2u, 8u, 9u, 16u, 17u}) check(3, rows);
  }
}

TEST_CASE("R14: the largest tiles of a deterministic queue have the bytes of the smallest", "[cuda]") {
  using namespace cuda_backend;
  const sizes s{130, 136, 260};
  device<products> d;
  const auto x = d.put(random_values<bf16>(s.rows * s.inner, 1), s.rows),
             w = d.put(random_values<bf16>(s.columns * s.inner, 2), s.columns);
  const auto run = [&]<class K>() {
    const auto y = d.put(std::vector<float>(s.rows * s.columns), s.rows);
    d.queue.launch<K>({x.matrix().data(), w.matrix().data(), 136, 136, 136, true, make_end(y.matrix(), epilogue<>{})});
    return d.get(y);
  };
  const auto large = run.operator()<tensor_tiles<bf16, 128, 128, library_activation>>();
  CHECK((run.operator()<tensor_tiles<bf16, 64, 64, library_activation>>() == large));
  CHECK((run.operator()<tensor_tiles<bf16, 32, 32, library_activation, 8>>() == large));
}
