// SPDX-License-Identifier: Apache-2.0
/// Products of many rows by cuBLASLt: that of the emulator (emulator/cublaslt.cpp), or compiled by nvcc, NVIDIA's.
#include <llava/backend/cuda_cublaslt.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q8_0.hpp>

#include "made_weight.hpp"
#if !defined(__CUDACC__)
#include "emulator/cublaslt.hpp"
#endif

using namespace llava;
using B = cuda_cublaslt;

namespace {

constexpr std::size_t arena_bytes = cuda_backend::blas::workspace_bytes + (std::size_t{1} << 20);

struct deterministic_cublaslt : cuda_cublaslt {
  static constexpr bool batch_deterministic = true;
};

/// T, K, N, and the elements between the rows of all matrices.
struct sizes {
  std::ptrdiff_t rows, inner, columns, gap;
};
template <class T, class Rounded>
std::vector<T> values(std::ptrdiff_t count, unsigned seed) {
  std::vector<T> made;
  for (const Rounded v : random_values<Rounded>(static_cast<std::size_t>(count), seed))
    made.push_back(from_float<T>(to_float(v)));
  return made;
}

/// y, with its gaps, after a product with weights in F on a backend whose inputs are X and results Y. y begins with
/// values of type Result.
template <class F, class Result, class X, class Y, class Backend, class A>
std::vector<float> product(device<Backend>& d, const sizes& s, A, update how, bool has_bias) {
  const std::ptrdiff_t in = s.inner + s.gap, out = s.columns + s.gap;
  const auto x = d.put(values<X, F>(s.rows * in, 1), s.rows);
  const auto w = d.put(values<F, F>(s.columns * in, 2), s.columns);
  const auto bias = d.put(random_values(static_cast<std::size_t>(s.columns), 3), 1);
  const auto y = d.put(values<Y, Result>(s.rows * out, 4), s.rows);
  matmul(d.queue, columns_of(y.matrix(), 0, s.columns), columns_of(matrix_view<const X>(x), 0, s.inner),
         columns_of(matrix_view<const F>(w), 0, s.inner),
         epilogue<A>{has_bias ? vector_view<const float>(bias) : vector_view<const float>(), how});
  std::vector<float> found;
  for (const Y v : d.get(y)) found.push_back(to_float(v));
  return found;
}

/// Checks that run() computes `products` by cuBLASLt, and launches `kernels`. On a device nobody counts.
template <class Run>
void check_calls([[maybe_unused]] long products, [[maybe_unused]] long kernels, Run&& run) {
#if defined(__CUDACC__)
  run();
#else
  const long products_before = emulator::cublaslt_calls().products, kernels_before = emulator::launches();
  run();
  CHECK(emulator::cublaslt_calls().products - products_before == products);
  CHECK(emulator::launches() - kernels_before == kernels);
#endif
}

/// `rows` rows of a product with w, whose sums are in f32.
template <class Backend, class F>
std::vector<float> rows_of_product(device<Backend>& d, std::ptrdiff_t rows, std::ptrdiff_t inner,
                                   const weight<Backend, F>& w) {
  using X = operand_of<Backend, F>;
  const auto x = d.put(random_values<X>(static_cast<std::size_t>(rows * inner), 1), rows);
  const auto y = d.put(std::vector<float>(static_cast<std::size_t>(rows * w.view().extent(0))), rows);
  matmul(d.queue, y.matrix(), matrix_view<const X>(x), w.view(), epilogue<>{});
  return d.get(y);
}

}  // namespace

TEMPLATE_TEST_CASE("R15: products of many rows by cuBLASLt match scalar's, at odd sizes and strides", "[cuda]", f32,
                   f16, bf16) {
  using F = TestType;
  device<B> d(1, arena_bytes);
  device<scalar> host(1);
  for (const sizes& s : {sizes{17, 33, 9, 1}, sizes{40, 64, 130, 8}, sizes{66, 7, 1, 0}, sizes{19, 1, 24, 3}}) {
    INFO(s.rows << " x " << s.inner << " x " << s.columns);
    const auto check = [&]<class Result, class A>(A act, update how, bool has_bias) {
      INFO("activation " << A::name << ", update " << static_cast<int>(how) << ", bias " << has_bias << ", y of "
                         << size_of(dtype_of<Result>) << " bytes");
      const bool ends =
          std::is_same_v<A, no_activation> && how != update::multiply && (std::is_same_v<Result, float> || !has_bias);
      std::vector<float> found;
      check_calls(1, ends ? 0 : 1, [&] { found = product<F, Result, F, Result>(d, s, act, how, has_bias); });
      const auto expected = product<F, Result, float, float>(host, s, act, how, has_bias);
      CHECK(nmse(found, {expected.begin(), expected.end()}) < rounding<Result>);
    };
    const auto check_all = [&]<class Result>() {
      check.template operator()<Result>(no_activation{}, update::assign, false);
      check.template operator()<Result>(no_activation{}, update::assign, true);
      check.template operator()<Result>(no_activation{}, update::add, false);
      check.template operator()<Result>(no_activation{}, update::add, true);
      check.template operator()<Result>(no_activation{}, update::multiply, true);
      check.template operator()<Result>(gelu{}, update::assign, true);
      check.template operator()<Result>(silu{}, update::add, false);
    };
    check_all.template operator()<float>();
    if constexpr (!std::is_same_v<F, float>) check_all.template operator()<F>();
  }
}

TEST_CASE("cuBLASLt computes more than 16 rows of dense weights and nf4, and nothing else", "[cuda]") {
  device<B> d(1, arena_bytes);
  device<cuda> plain(1);
  const auto check = [&]<class F>(std::ptrdiff_t rows, long products, long kernels) {
    constexpr std::ptrdiff_t inner = 256, columns = 20;
    const auto w = made_weight<B, F>(columns, inner);
    const auto own = made_weight<cuda, F>(columns, inner);
    std::vector<float> found;
    check_calls(products, kernels, [&] { found = rows_of_product(d, rows, inner, w); });
    const auto expected = rows_of_product(plain, rows, inner, own);
    CHECK(nmse(found, {expected.begin(), expected.end()}) < 1e-11);
  };
  check.operator()<bf16>(17, 1, 0);
  check.operator()<bf16>(16, 0, 1);
  check.operator()<f32>(17, 1, 0);
  check.operator()<f32>(16, 0, 1);
  check.operator()<nf4>(17, 1, 1);  // the kernel expands w
  check.operator()<nf4>(16, 0, 1);
  check.operator()<q8_0>(17, 0, 3);  // x, w, tiles

  device<deterministic_cublaslt> deterministic(1);
  const auto w = made_weight<deterministic_cublaslt, bf16>(20, 256);
  check_calls(0, 1, [&] { rows_of_product(deterministic, 17, 256, w); });
}

TEST_CASE("joined and gated products by cuBLASLt have the bytes of single ones", "[cuda]") {
  using view = weight_view<B, bf16>;
  constexpr std::ptrdiff_t rows = 21, inner = 48, columns = 40;
  device<B> d(1, arena_bytes);
  const auto x = d.put(random_values<bf16>(rows * inner, 1), rows);
  const matrix_view<const bf16> in = x;
  const auto gate = made_weight<B, bf16>(columns, inner);
  weight<B, bf16> up;
  fill(up, columns, inner, 5);
  const auto bias = d.put(random_values(columns, 6), 1);
  const auto put = [&] { return d.put(std::vector<float>(rows * columns, -1.f), rows); };
  const device_array<float> single = put(), joined[2] = {put(), put()};
  const joined_product<view> both[] = {{joined[0].matrix(), gate.view(), bias.vector()},
                                       {joined[1].matrix(), up.view()}};
  check_calls(2, 0, [&] { matmul_joined(d.queue, in, std::span<const joined_product<view>>(both)), d.get(joined[0]); });
  matmul(d.queue, single.matrix(), in, gate.view(), epilogue<>{bias.vector()});
  CHECK(d.get(joined[0]) == d.get(single));
  matmul(d.queue, single.matrix(), in, up.view(), epilogue<>{});
  CHECK(d.get(joined[1]) == d.get(single));

  const auto one_by_one = d.put(std::vector<bf16>(rows * columns), rows), at_once = d.put(d.get(one_by_one), rows);
  check_calls(2, 2, [&] {
    matmul_gated(d.queue, at_once.matrix(), in, biased_weight<view>{gate.view(), bias.vector()},
                 biased_weight<view>{up.view()}, silu{});
    d.get(at_once);
  });
  matmul(d.queue, one_by_one.matrix(), in, gate.view(), epilogue<silu>{bias.vector()});
  matmul(d.queue, one_by_one.matrix(), in, up.view(), epilogue<>{{}, update::multiply});
  CHECK(same_bytes(d.get(at_once), d.get(one_by_one)));
}

TEST_CASE("R12: what cuBLASLt takes of a step's memory is planned, and a step with less is an error", "[cuda]") {
  constexpr std::ptrdiff_t rows = 30, inner = 40, columns = 50;
  device<B> d(1, arena_bytes);
  const auto x = d.put(random_values<bf16>(rows * inner, 1), rows), y = d.put(std::vector<bf16>(rows * columns), rows);
  const auto w = made_weight<B, bf16>(columns, inner);
  const auto multiply = [&](auto& queue) {
    matmul(queue, y.matrix(), matrix_view<const bf16>(x), w.view(), epilogue<gelu>{});
  };
  serial_executor alone;
  B::queue planning(B{}, alone, arena{});
  multiply(planning);
  REQUIRE(planning.finish());
  const std::size_t planned = planning.workspace().peak();
  CHECK(planned >= cuda_backend::blas::workspace_bytes + rows * columns * sizeof(float));
  multiply(d.queue);
  const auto expected = d.get(y);
  device<B> exact(1, planned);
  multiply(exact.queue);
  CHECK(exact.error().empty());
  CHECK(same_bytes(d.get(y), expected));
  device<B> small(1, planned - arena::alignment);
  multiply(small.queue);
  CHECK(small.error().starts_with("llava: a step takes " + std::to_string(planned) + " bytes of memory, expected"));
}

TEST_CASE("a recorded step repeats its products by cuBLASLt with what memory then holds", "[cuda]") {
  constexpr std::ptrdiff_t rows = 20, inner = 24, columns = 30;
  device<B> d(1, arena_bytes);
  const auto from = random_values<f16>(rows * inner, 1);
  const auto x = d.put(from, rows);
  const auto y = d.put(std::vector<float>(rows * columns), rows);
  const auto w = made_weight<B, f16>(columns, inner);
  int calls = 0;
  const auto step = [&] {
    d.queue.replay(1, [&] {
      ++calls;
      matmul(d.queue, y.matrix(), matrix_view<const f16>(x), w.view(), epilogue<silu>{});
    });
    return d.get(y);
  };
  const auto once = step();
  CHECK(step() == once);
  std::vector<f16> turned(from.rbegin(), from.rend());
  upload(d.queue, x.matrix(), std::span<const f16>(turned));
  const auto other = step();
  CHECK(other != once);
  CHECK(calls == 2);
  matmul(d.queue, y.matrix(), matrix_view<const f16>(x), w.view(), epilogue<silu>{});
  CHECK(d.get(y) == other);
}

#if !defined(__CUDACC__)
TEST_CASE("an error of cuBLASLt names the call and the product; where it has no algorithm, cuda's kernels compute",
          "[cuda]") {
  device<B> d(1, arena_bytes);
  const auto w = made_weight<B, bf16>(21, 32);
  auto& settings = emulator::cublaslt_settings();
  const auto error_of = [&](std::string_view call, cublasStatus_t status, std::ptrdiff_t rows) {
    settings = {call, status};
    const auto x = d.put(random_values<bf16>(static_cast<std::size_t>(rows * 32), 1), rows);
    const auto y = d.put(std::vector<float>(static_cast<std::size_t>(rows * 21)), rows);
    matmul(d.queue, y.matrix(), matrix_view<const bf16>(x), w.view(), epilogue<gelu>{});
    settings = {};
    return d.error();
  };
  CHECK(error_of("cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED, 18) ==
        "llava: cublasLtMatmul failed: CUBLAS_STATUS_EXECUTION_FAILED (y (18, 21) = x (18, 32) · w (21, 32)ᵀ, "
        "bf16)");
  CHECK(error_of("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INVALID_VALUE, 19) ==
        "llava: cublasLtMatmulAlgoGetHeuristic failed: CUBLAS_STATUS_INVALID_VALUE (y (19, 21) = x (19, 32) · "
        "w (21, 32)ᵀ, bf16)");
  cuda_backend::cublaslt unprepared;
  settings = {"cublasLtCreate", CUBLAS_STATUS_ALLOC_FAILED};
  const auto failed = unprepared.try_prepare();
  settings = {};
  REQUIRE(!failed);
  CHECK(failed.error().code() == errc::out_of_memory);
  CHECK(failed.error().sentence() == "llava: cublasLtCreate failed: CUBLAS_STATUS_ALLOC_FAILED");
  CHECK(unprepared.try_prepare());

  settings.has_no_algorithm = true;
  std::vector<float> found;
  check_calls(0, 1, [&] { found = rows_of_product(d, 23, 32, w); });
  settings = {};
  device<cuda> plain(1);
  CHECK(found == rows_of_product(plain, 23, 32, made_weight<cuda, bf16>(21, 32)));
}

TEST_CASE("cuBLASLt's heuristic is asked once for a product", "[cuda]") {
  device<B> d(1, arena_bytes);
  const auto w = made_weight<B, bf16>(22, 32);
  const auto asked_for = [&](std::ptrdiff_t rows) {
    const long before = emulator::cublaslt_calls().questions;
    rows_of_product(d, rows, 32, w);
    return emulator::cublaslt_calls().questions - before;
  };
  CHECK(asked_for(24) == 1);
  CHECK(asked_for(24) == 0);
  CHECK(asked_for(25) == 1);
}
#endif
