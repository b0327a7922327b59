// SPDX-License-Identifier: Apache-2.0
/// Products of adapted<B> against double and against B, with three adapters among the rows.
#include <llava/backend/adapted.hpp>
#include <llava/nn/block_weight.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q8_0.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {

constexpr std::ptrdiff_t rows = 11, inner = 70, columns = 37;
/// The adapter of each row; −1: none.
const std::vector<int> adapters = {0, 0, 0, -1, 2, 2, 1, -1, -1, 0, 2};
constexpr std::ptrdiff_t ranks[] = {4, 1, 19};

std::vector<float> x_values() { return random_values(rows * inner, 1); }
std::vector<float> a_values(std::size_t i) {
  return random_values(static_cast<std::size_t>(ranks[i] * inner), 10 + static_cast<unsigned>(i));
}
std::vector<float> b_values(std::size_t i) {
  return random_values(static_cast<std::size_t>(ranks[i] * columns), 20 + static_cast<unsigned>(i), 0.2f);
}

/// A product of B or adapted<B> with rows [first, first + count) of x, whose adapters are `chosen`.
template <class B, class F, class A>
std::vector<float> product(update how, const std::vector<int>& chosen, std::ptrdiff_t first = 0,
                           std::ptrdiff_t count = rows) {
  device<B> d;
  const auto x = d.put(x_values(), rows), bias = d.put(random_values(columns, 3), 1),
             y = d.put(random_values(rows * columns, 4), rows);
  using w_type = std::conditional_t<floating<F>, F, std::byte>;
  device_array<w_type> w;
  const auto dense = random_values<std::conditional_t<floating<F>, F, float>>(columns * inner, 2);
  if constexpr (floating<F>) w = d.put(dense, columns);
  weight<B, F> packed;
  if constexpr (!floating<F>)
    REQUIRE(packed.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(dense.data())}, inner),
                            {columns, inner}, "w", d.backend.memory()));
  const auto view = [&] {
    if constexpr (floating<F>)
      return matrix_view<const F>(w.matrix());
    else
      return packed.view();
  }();
  std::vector<device_array<float>> memory;
  std::vector<low_rank_weight> all;
  if constexpr (ops::adapts_rows<typename B::queue>) {
    for (std::size_t i = 0; i < 3; ++i) {
      memory.push_back(d.put(a_values(i), ranks[i])), memory.push_back(d.put(b_values(i), columns));
      all.push_back({ops::address_of(view), memory[2 * i].memory.data(), memory[2 * i + 1].memory.data(), ranks[i]});
    }
    for (std::ptrdiff_t t = 0; t < count; ++t)
      if (const int i = chosen[static_cast<std::size_t>(first + t)]; i >= 0)
        d.queue.adapt(t, 1, std::span(all).subspan(static_cast<std::size_t>(i), 1));
  }
  matmul(d.queue, rows_of(y.matrix(), first, count), rows_of(matrix_view<const float>(x.matrix()), first, count), view,
         epilogue<A>{vector_view<const float>(bias.vector()), how});
  return d.get(y);
}

template <class A>
std::vector<double> reference(update how) {
  const auto x = x_values(), w = random_values(columns * inner, 2), bias = random_values(columns, 3),
             y = random_values(rows * columns, 4);
  std::vector<double> out;
  for (std::ptrdiff_t t = 0; t < rows; ++t)
    for (std::ptrdiff_t n = 0; n < columns; ++n) {
      const auto dot = [&](const std::vector<float>& m, std::ptrdiff_t row) {
        double s = 0;
        for (std::ptrdiff_t k = 0; k < inner; ++k)
          s += static_cast<double>(x[static_cast<std::size_t>(t * inner + k)]) *
               static_cast<double>(m[static_cast<std::size_t>(row * inner + k)]);
        return s;
      };
      double sum = static_cast<double>(bias[static_cast<std::size_t>(n)]) + dot(w, n);
      if (const int i = adapters[static_cast<std::size_t>(t)]; i >= 0) {
        const auto a = a_values(static_cast<std::size_t>(i)), b = b_values(static_cast<std::size_t>(i));
        for (std::ptrdiff_t r = 0; r < ranks[i]; ++r)
          sum += static_cast<double>(b[static_cast<std::size_t>(n * ranks[i] + r)]) * dot(a, r);
      }
      if constexpr (std::is_same_v<A, silu>) sum = sum / (1 + std::exp(-sum));
      const auto old = static_cast<double>(y[out.size()]);
      out.push_back(how == update::add ? old + sum : how == update::multiply ? old * sum : sum);
    }
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("products with adapters match double, with every update and activation", "[ops]", no_activation,
                   silu) {
  for (const update how : {update::assign, update::add, update::multiply}) {
    INFO("update " << static_cast<int>(how));
    const auto expected = reference<TestType>(how);
    for_each_backend(
        [&]<class B>() { CHECK(nmse(product<adapted<B>, f32, TestType>(how, adapters), expected) < 1e-11); });
  }
}

TEMPLATE_TEST_CASE("R14: a row of a product with adapters does not depend on the other rows and their adapters",
                   "[ops]", f32, f16, q4_0, q8_0) {
  for_each_backend([&]<class B>() {
    if constexpr (is_batch_deterministic<B>) {
      for (const update how : {update::assign, update::add, update::multiply}) {
        INFO("update " << static_cast<int>(how));
        const auto together = product<adapted<B>, TestType, silu>(how, adapters);
        const auto plain = product<B, TestType, silu>(how, adapters);
        const std::vector<int> none(rows, -1);
        CHECK(same_bytes(product<adapted<B>, TestType, silu>(how, none), plain));
        for (std::ptrdiff_t t = 0; t < rows; ++t) {
          const auto alone = product<adapted<B>, TestType, silu>(how, adapters, t, 1);
          const auto same_row = [&](const std::vector<float>& a, const std::vector<float>& b) {
            return std::memcmp(a.data() + t * columns, b.data() + t * columns, columns * sizeof(float)) == 0;
          };
          CHECK(same_row(together, alone));
          CHECK(same_row(together, plain) == (adapters[static_cast<std::size_t>(t)] < 0));
        }
      }
    }
  });
}

TEST_CASE("a device with 16-bit operands multiplies adapters of their type, and writes gates of it", "[ops]") {
#if LLAVA_TEST_ON_CUDA
  device<adapted<cuda>> d;
#else
  device<adapted<remote_of<bf16>>> d;
#endif
  const auto x = random_values<bf16>(4 * 30, 1), w = random_values<bf16>(9 * 30, 2), a = random_values<bf16>(3 * 30, 3),
             b = random_values<bf16>(9 * 3, 4);
  const auto dx = d.put(x, 4), dw = d.put(w, 9), da = d.put(a, 3), db = d.put(b, 9),
             y = d.put(std::vector<bf16>(4 * 9), 4);
  const low_rank_weight adapter{dw.memory.data(), da.memory.data(), db.memory.data(), 3};
  d.queue.adapt(1, 2, {&adapter, 1});
  matmul(d.queue, y.matrix(), matrix_view<const bf16>(dx.matrix()), matrix_view<const bf16>(dw.matrix()),
         epilogue<silu>{});
  std::vector<float> found;
  for (const bf16 v : d.get(y)) found.push_back(to_float(v));
  std::vector<double> expected;
  const auto dot = [](const std::vector<bf16>& left, std::size_t t, const std::vector<bf16>& right, std::size_t n) {
    double sum = 0;
    for (std::size_t k = 0; k < 30; ++k)
      sum += static_cast<double>(to_float(left[t * 30 + k])) * static_cast<double>(to_float(right[n * 30 + k]));
    return sum;
  };
  for (std::size_t t = 0; t < 4; ++t)
    for (std::size_t n = 0; n < 9; ++n) {
      double sum = dot(x, t, w, n);
      for (std::size_t r = 0; r < 3 && (t == 1 || t == 2); ++r)
        sum += static_cast<double>(to_float(b[n * 3 + r])) * dot(x, t, a, r);
      expected.push_back(sum / (1 + std::exp(-sum)));
    }
  CHECK(nmse(found, expected) < 5e-5);
}

TEST_CASE("an adapted backend plans memory for adapters of max_rank, and names the weights of its products", "[ops]") {
  const adapted<scalar> backend({}, 32);
  serial_executor alone;
  adapted<scalar>::queue planning(backend, alone, arena{});
  const f16 w{};
  const matrix_view<float> y = allocate_matrix(planning, 4, 6);
  const matrix_view<const float> x = allocate_matrix(planning, 4, 5);
  const std::size_t before = planning.workspace().peak();
  matmul(planning, y, x, matrix_view<const f16>(&w, dynamic_shape<2>(6, 5)), epilogue<>{});
  CHECK(planning.workspace().peak() == before + 4 * 32 * sizeof(float));
  matmul(planning, y, x, matrix_view<const f16>(&w, dynamic_shape<2>(6, 5)), epilogue<>{{}, update::multiply});
  CHECK(planning.workspace().peak() == before + 4 * 32 * sizeof(float) + 128);  // 4 · 6 floats, in whole cache lines
  REQUIRE(planning.finish());
  REQUIRE(planning.multiplied().size() == 2);
  CHECK(planning.multiplied()[0].weight == &w);
  CHECK(planning.multiplied()[0].rows == 6);
  CHECK(planning.multiplied()[0].columns == 5);

  for (const int rank : {0, -1, 65537}) {
    const auto refused = adapted<scalar>({}, rank).try_check();
    REQUIRE(!refused);
    CHECK(refused.error().sentence() ==
          "llava: max_rank of an adapted backend is " + std::to_string(rank) + ", expected 1 to 65536");
  }
}
