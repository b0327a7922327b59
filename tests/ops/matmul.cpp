// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include "backend/backends.hpp"

using namespace llava;

namespace {

struct sizes {
  std::ptrdiff_t rows, inner, columns;
};
constexpr sizes shapes[] = {{1, 1, 1},    {1, 64, 16},    {1, 33, 17},   {2, 100, 7},   {3, 16, 48},
                            {4, 257, 31}, {5, 15, 33},    {1, 160, 100}, {3, 96, 70},   {9, 300, 130},
                            {8, 264, 9},  {16, 40, 33},   {17, 520, 64}, {40, 64, 257}, {50, 530, 40},
                            {66, 34, 70}, {17, 104, 130}, {70, 256, 9},  {2, 2100, 9},  {19, 2051, 131}};

/// y has elements Y, and `gap` elements lie between the rows of x.
template <class B, class F, class A, class Y = float>
std::vector<Y> product(const sizes& s, update how, std::ptrdiff_t gap = 0) {
  device<B> d;
  const auto values = random_values<operand<F>>(static_cast<std::size_t>(s.rows * s.inner), 1);
  std::vector<operand<F>> wide(static_cast<std::size_t>(s.rows * (s.inner + gap)));
  for (std::ptrdiff_t t = 0; t < s.rows; ++t)
    std::copy_n(values.begin() + t * s.inner, s.inner, wide.begin() + t * (s.inner + gap));
  const auto x = d.put(wide, s.rows);
  const auto w = d.put(random_values<F>(static_cast<std::size_t>(s.columns * s.inner), 2), s.columns);
  const auto bias = d.put(random_values(static_cast<std::size_t>(s.columns), 3), 1);
  const auto y = d.put(random_values<Y>(static_cast<std::size_t>(s.rows * s.columns), 4), s.rows);
  matmul(d.queue, y.matrix(), columns_of(matrix_view<const operand<F>>(x.matrix()), 0, s.inner),
         matrix_view<const F>(w.matrix()), epilogue<A>{vector_view<const float>(bias.vector()), how});
  return d.get(y);
}

template <class F, class A, class Y = float>
std::vector<double> reference(const sizes& s, update how) {
  const auto x = random_values<operand<F>>(static_cast<std::size_t>(s.rows * s.inner), 1);
  const auto bias = random_values(static_cast<std::size_t>(s.columns), 3);
  const auto y = random_values<Y>(static_cast<std::size_t>(s.rows * s.columns), 4);
  const auto w = random_values<F>(static_cast<std::size_t>(s.columns * s.inner), 2);
  std::vector<double> out;
  for (std::ptrdiff_t t = 0; t < s.rows; ++t)
    for (std::ptrdiff_t n = 0; n < s.columns; ++n) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(n)]);
      for (std::ptrdiff_t k = 0; k < s.inner; ++k)
        sum += static_cast<double>(to_float(x[static_cast<std::size_t>(t * s.inner + k)])) *
               static_cast<double>(to_float(w[static_cast<std::size_t>(n * s.inner + k)]));
      if constexpr (std::is_same_v<A, gelu>) sum = 0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0)));
      const auto old = static_cast<double>(to_float(y[out.size()]));
      out.push_back(how == update::add ? old + sum : how == update::multiply ? old * sum : sum);
    }
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("R15: matmul matches double on every backend, at odd sizes", "[ops]", f32, f16, bf16) {
  using F = TestType;
  using Y = operand<F>;
  for (const sizes& s : shapes) {
    if (s.rows * s.inner * s.columns > most_multiplications) continue;
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto plain = reference<F, no_activation>(s, update::assign), residual = reference<F, gelu>(s, update::add),
               gate = reference<F, gelu, Y>(s, update::multiply);
    for_each_backend([&]<class B>() {
      CHECK(nmse(product<B, F, no_activation>(s, update::assign, 3), plain) < 1e-11);
      CHECK(nmse(product<B, F, gelu>(s, update::add), residual) < 1e-11);
      CHECK(nmse(product<B, F, gelu, Y>(s, update::multiply), gate) < rounding<Y>);
    });
  }
}

TEMPLATE_TEST_CASE("R14: a row of a matmul does not depend on other rows or on threads", "[ops]", f32, f16, bf16) {
  const std::ptrdiff_t inner = GENERATE(200, 1030), columns = 150, rows = 47;
  const auto x = random_values<operand<TestType>>(static_cast<std::size_t>(rows * inner), 5);
  const auto w = random_values<TestType>(static_cast<std::size_t>(columns * inner), 6);
  for_each_backend([&]<class B>() {
    if (!is_batch_deterministic<B>) return;  // as it declares
    std::vector<float> whole;
    for (int threads : {1, 3}) {
      device<B> d(threads);
      const auto dx = d.put(x, rows);
      const auto dw = d.put(w, columns);
      const auto y = d.put(std::vector<float>(rows * columns), rows);
      const matrix_view<const operand<TestType>> inputs = dx;
      matmul(d.queue, y.matrix(), inputs, matrix_view<const TestType>(dw.matrix()), epilogue<>{});
      const auto got = d.get(y);
      if (whole.empty()) whole = got;
      CHECK(same_bytes(got, whole));
      for (std::ptrdiff_t first = 0, step = 1; first < rows; first += step, ++step) {  // chunks of 1, 2, 3 …
        const std::ptrdiff_t n = std::min(step, rows - first);
        matmul(d.queue, rows_of(y.matrix(), first, n), rows_of(inputs, first, n),
               matrix_view<const TestType>(dw.matrix()), epilogue<>{});
      }
      CHECK(same_bytes(d.get(y), whole));
    }
  });
}

TEST_CASE("R1: matmul reads nothing beyond the end of mapped weights", "[ops]") {
  // The last element of w is the last one before an unreadable page.
  constexpr std::size_t page = 4096, rows = 19, columns = 37;
  auto* memory =
      static_cast<std::byte*>(::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(memory != MAP_FAILED);
  ::mprotect(memory + page, page, PROT_NONE);
  auto* w = reinterpret_cast<f16*>(memory + page) - rows * columns;
  for (std::size_t i = 0; i < rows * columns; ++i) w[i] = from_float<f16>(1.f);
  const matrix_view<const f16> view(w, dynamic_shape<2>(rows, columns));
  for_each_backend([&]<class B>() {
    if constexpr (B::reads_host_memory)
      for (std::ptrdiff_t tokens : {1, 4, 9}) {
        device<B> d;
        const auto x = d.put(std::vector<float>(static_cast<std::size_t>(tokens) * columns, 1.f), tokens);
        const auto y = d.put(std::vector<float>(static_cast<std::size_t>(tokens) * rows), tokens);
        matmul(d.queue, y.matrix(), matrix_view<const float>(x.matrix()), view, epilogue<>{});
        CHECK(d.get(y) == std::vector<float>(static_cast<std::size_t>(tokens) * rows, 37.f));
      }
  });
  ::munmap(memory, 2 * page);
}
