// SPDX-License-Identifier: Apache-2.0
/// What products have on CUDA beside the tests of all backends (tests/ops).
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q16_0.hpp>

#include "made_weight.hpp"

using namespace llava;

namespace {

/// x / (1 + |x|), an activation that the library does not have.
struct soft_sign {
  static constexpr std::string_view name = "soft_sign";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    return x / (V(1.f) + (x < V(0.f) ? V(0.f) - x : x));
  }
};
std::vector<double> in_double(const std::vector<float>& x) { return {x.begin(), x.end()}; }

}  // namespace

TEMPLATE_TEST_CASE("products with the largest tiles are those with other tiles", "[cuda]", f16, bf16, q4_k, q2_k, q16_0,
                   int8) {
  using F = TestType;
  using X = operand<F>;
  constexpr int rows = 130, inner = 256, columns = 140;
  const auto w = made_weight<cuda, F>(columns, inner);
  const auto run = [&](auto multiply) {
    device<cuda> d;
    const auto x = d.put(random_values<X>(rows * inner, 1), rows);
    const auto bias = d.put(random_values(columns, 3), 1), y = d.put(random_values(rows * columns, 4), rows);
    multiply(d.queue, y.matrix(), matrix_view<const X>(x), epilogue<gelu>{bias.vector(), update::add});
    return d.get(y);
  };
  const auto expected = run([&](auto& q, auto y, auto x, auto e) { matmul(q, y, x, w.view(), e); });
  const auto found = run([&](auto& q, auto y, auto x, auto e) {
    const auto end = cuda_backend::make_end(y, e);
    if constexpr (floating<F>)
      q.template launch<cuda_backend::tensor_tiles<F, 128, 128, cuda_backend::library_activation>>(
          {x.data(), w.view().data(), inner, inner, inner, true, end});
    else
      cuda_backend::detail::many_coded_rows<F, cuda_backend::library_activation>(
          q, cuda_backend::detail::quantised<F>(q, x, 256), cuda_backend::detail::part_of(w.view(), end), true);
  });
  CHECK(nmse(found, in_double(expected)) < 1e-11);
}

TEST_CASE("an activation of the program's own ends a product on CUDA, and a product of nothing is its end", "[cuda]") {
  device<cuda> d;
  const auto x = d.put(random_values<f16>(3 * 40, 1), 3), w = d.put(random_values<f16>(21 * 40, 2), 21);
  const auto bias = d.put(random_values(21, 3), 1), y = d.put(std::vector<float>(3 * 21), 3);
  const auto run = [&]<class A>(const epilogue<A>& e, std::ptrdiff_t inner) {
    matmul(d.queue, y.matrix(), columns_of(matrix_view<const f16>(x), 0, inner),
           columns_of(matrix_view<const f16>(w), 0, inner), e);
    return d.get(y);
  };
  const auto own = run(epilogue<soft_sign>{bias.vector()}, 40);
  std::vector<double> expected;
  for (const float z : run(epilogue<>{bias.vector()}, 40)) expected.push_back(soft_sign::apply(static_cast<double>(z)));
  CHECK(nmse(own, expected) < 1e-11);
  const auto empty = run(epilogue<>{bias.vector()}, 0), biases = d.get(bias);
  for (std::size_t i = 0; i < empty.size(); ++i) CHECK(empty[i] == biases[i % 21]);
}

TEMPLATE_TEST_CASE("R14: products on CUDA repeat their bytes, and rows do not depend on others of few or of many",
                   "[cuda]", f16, q4_k, q8_0) {
  using F = TestType;
  constexpr std::ptrdiff_t inner = 256, columns = 20;
  const auto w = made_weight<cuda, F>(columns, inner);
  const auto x = random_values<operand<F>>(24 * inner, 1);
  const auto run = [&](std::ptrdiff_t first, std::ptrdiff_t rows) {
    device<cuda> d;
    const auto dx = d.put(x, 24);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(rows * columns)), rows);
    matmul(d.queue, y.matrix(), rows_of(matrix_view<const operand<F>>(dx), first, rows), w.view(), epilogue<>{});
    return d.get(y);
  };
  const auto many = run(0, 24), few = run(3, 7), alone = run(5, 1), others = run(2, 18);
  for_each_schedule([&] {
    CHECK(same_bytes(run(0, 24), many));
    CHECK(same_bytes(run(3, 7), few));
  });
  CHECK(std::equal(alone.begin(), alone.end(), few.begin() + 2 * columns));
  CHECK(std::equal(others.begin(), others.end(), many.begin() + 2 * columns));
}

#if !defined(__CUDACC__)
TEST_CASE("a weight that a test frees before its product has run is an error of the device, which ends last",
          "[cuda]") {
  if (!emulator::is_checked()) return;
  device<cuda> d;
  const auto x = d.put(random_values<f16>(3 * 40, 1), 3);
  const auto y = d.put(std::vector<float>(3 * 21), 3);
  matmul(d.queue, y.matrix(), matrix_view<const f16>(x), made_weight<cuda, f16>(21, 40).view(), epilogue<>{});
  CHECK(d.error().find("use of freed memory") != std::string::npos);
}
#endif

TEST_CASE("products of few rows on CUDA may start before the kernel that writes x has ended", "[cuda]") {
  // In a programmatic stream the emulator's checks find what a kernel reads of its predecessor too early.
  using namespace cuda_backend;
  constexpr int rows = 3, inner = 256, columns = 20;
  device<cuda> d;
  stream programmatic;
  programmatic.programmatic = true;
  const auto z = d.put(random_values(rows * inner, 1), rows), x = d.put(std::vector<float>(rows * inner), rows),
             y = d.put(std::vector<float>(rows * columns), rows);
  const auto half = d.put(std::vector<f16>(rows * inner), rows);
  const auto dense = made_weight<cuda, f16>(columns, inner);
  const auto single = made_weight<cuda, f32>(columns, inner);
  const auto book = made_weight<cuda, nf4>(columns, inner);
  const auto blocks = made_weight<cuda, q8_0>(columns, inner);
  const auto w = dense.view();
  const auto w32 = single.view();
  const auto end = make_end(y.matrix(), epilogue<>{});
  matmul(d.queue, y.matrix(), matrix_view<const float>(z), w32, epilogue<>{});
  const auto expected = in_double(d.get(y));
  using A = library_activation;
  const auto write_x = [&](const auto& to) {
    REQUIRE(launch<activate_rows<A>>(programmatic, {z.matrix().data(), inner, make_end(to.matrix(), epilogue<>{})}));
  };
  const auto check = [&](const result<void>& ran) {
    if (!ran) FAIL(ran.error().sentence());
    REQUIRE(finish(programmatic));
    CHECK(nmse(d.get(y), expected) < 5e-2);
  };
  using namespace cuda_backend::detail;
  const product_parts<f16, A> of_dense{{part_of(w, end)}};
  write_x(half);
  check(launch<few_rows<f16, 8, A>>(programmatic, {half.matrix().data(), inner, inner, of_dense}));
  write_x(half);
  check(launch<few_rows<f16, 16, A>>(programmatic, {half.matrix().data(), inner, inner, of_dense}));
  write_x(x);
  check(launch<few_float_rows<A>>(programmatic, {x.matrix().data(), w32.data(), inner, inner, inner, end}));
  const product_parts<std::byte, A> of_nf4{{part_of(book.view(), end)}};
  write_x(half);
  check(launch<few_nf4_rows<8, A>>(programmatic, {half.matrix().data(), inner, inner, nf4_book::make(), of_nf4}));
  write_x(x);
  device<cuda> scratch;  // its queue is idle: the arrays of coded_x are in its arena
  coded_x codes = quantised<q8_0>(scratch.queue, matrix_view<const float>(z.matrix()), rows);
  REQUIRE(scratch.queue.finish());
  codes.x = x.matrix().data();
  REQUIRE(launch<quantise_rows<std::int8_t, 32>>(programmatic, codes));
  product_parts<std::byte, A> of_blocks{{part_of(blocks.view(), end)}};
  check(launch<coded_few_rows<q8_0, 8, false, A>>(programmatic, {codes, of_blocks}));
  write_x(x);
  of_blocks.part[0].end.rows = 1;
  const coded_x row = sizes_of(rows_of(matrix_view<const float>(x.matrix()), 0, 1), 1);
  check(launch<coded_few_rows<q8_0, 1, true, A>>(programmatic, {row, of_blocks}));
}
