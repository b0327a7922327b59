// SPDX-License-Identifier: Apache-2.0
/// R14: on a deterministic queue of the CUDA backend, a row of a product has the same bytes in a batch of any size.
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_i8.hpp>

#include "made_weight.hpp"

using namespace llava;
using B = cuda_deterministic;
static_assert(is_batch_deterministic<B> && !is_batch_deterministic<cuda>);

namespace {

/// T, K, N.
struct sizes {
  std::ptrdiff_t rows, inner, columns;
};

/// A weight (N, K) of format F, and x (T, K) with an outlier of int8 in every third row.
template <class F>
struct product_of_rows {
  using X = operand<F>;
  sizes s;
  device<B> d;
  weight<B, F> w;
  std::vector<X> x;

  explicit product_of_rows(const sizes& all)
      : s(all), x(random_values<X>(static_cast<std::size_t>(s.rows * s.inner), 1)) {
    fill(w, s.columns, s.inner);
    for (std::ptrdiff_t t = 0; t < s.rows; t += 3)
      x[static_cast<std::size_t>(t * s.inner + t % s.inner)] = from_float<X>(9.f);
  }
  /// The product of `rows` rows from row `first` of x.
  std::vector<float> run(std::ptrdiff_t first, std::ptrdiff_t rows) {
    const auto from = x.begin() + first * s.inner;
    const auto dx = d.put(std::vector<X>(from, from + rows * s.inner), rows);
    const auto y = d.put(random_values(static_cast<std::size_t>(rows * s.columns), 4), rows);
    matmul(d.queue, y.matrix(), matrix_view<const X>(dx), w.view(), epilogue<silu>{});
    return d.get(y);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("R14: on a deterministic queue a row of a product does not depend on the others", "[cuda]", f32, f16,
                   bf16, q4_0, q8_0, q16_0, q4_i8, int8, q2_k, q4_k, q6_k, nf4) {
  for (const sizes& s : {sizes{150, 256, 40}, sizes{40, 64, 130}, sizes{20, 129, 9}}) {
    if constexpr (affine_format<TestType>)
      if (s.inner % TestType::elements != 0) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    product_of_rows<TestType> p(s);
    const auto whole = p.run(0, s.rows);
    const auto check = [&](std::ptrdiff_t first, std::ptrdiff_t rows) {
      INFO("rows " << first << " to " << first + rows - 1);
      const auto some = p.run(first, rows);
      CHECK(std::equal(some.begin(), some.end(), whole.begin() + first * s.columns));
    };
    for (const int t : {0, 6, 17, 19}) check(t, 1);
    for (const int rows : {2, 8, 9, 16, 17}) check(3, rows);
  }
}

TEST_CASE("R14: the largest tiles of a deterministic queue have the bytes of the smallest", "[cuda]") {
  using namespace cuda_backend;
  constexpr int rows = 130, inner = 136, columns = 260;
  device<cuda> d;
  const auto x = d.put(random_values<bf16>(rows * inner, 1), rows),
             w = d.put(random_values<bf16>(columns * inner, 2), columns);
  const auto run = [&]<class K>() {
    const auto y = d.put(std::vector<float>(rows * columns), rows);
    d.queue.launch<K>(
        {x.matrix().data(), w.matrix().data(), inner, inner, inner, true, make_end(y.matrix(), epilogue<>{})});
    return d.get(y);
  };
  const auto large = run.operator()<tensor_tiles<bf16, 128, 128, library_activation>>();
  CHECK((run.operator()<tensor_tiles<bf16, 64, 64, library_activation>>() == large));
  CHECK((run.operator()<tensor_tiles<bf16, 32, 32, library_activation, 8>>() == large));
}
