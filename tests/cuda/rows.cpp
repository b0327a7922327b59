// SPDX-License-Identifier: Apache-2.0
/// The row ops and patchify on the device against the scalar backend, which they equal to the byte.
#include <llava/backend/cuda/elementwise.cuh>
#include <llava/backend/cuda/patchify.cuh>
#include <llava/backend/cuda/rows.cuh>
#include <llava/backend/scalar.hpp>
#include <numeric>

#include "ops_backend.hpp"

namespace cuda_test {

using namespace llava;
static_assert(ops::has_rows<ops_backend> && ops::has_patchify<ops_backend, bf16>);
static_assert(runs_ahead<ops_backend::queue>);
static_assert(ops::has_embed<ops_backend, float> && ops::has_embed<ops_backend, f16> &&
              ops::has_embed<ops_backend, bf16>);

namespace {
/// test(device) on the scalar backend and on the device, under several schedules: the same bytes.
template <class F>
void check_same(F&& test) {
  device_of<scalar> host;
  const auto expected = test(host);
  for_each_schedule([&] {
    on_cuda d;
    CHECK(same_bytes(test(d), expected));
  });
}
std::vector<std::int32_t> random_indices(std::size_t n, std::int32_t rows) {
  std::mt19937 engine(5);
  std::vector<std::int32_t> indices(n);
  for (auto& i : indices) i = std::uniform_int_distribution<std::int32_t>(-rows / 2, rows - 1)(engine);
  return indices;
}
}  // namespace

TEMPLATE_TEST_CASE("cuda: embed and gather_rows read rows, and leave those with a negative index", "[cuda]", float, f16,
                   bf16) {
  for (const std::size_t width : {1u, 5u, 36u, 1100u}) {
    CAPTURE(width);
    check_same([&](auto& d) {
      const auto table = d.put(random_values<TestType>(9 * width, 1), 9);
      const auto x = d.put(random_values(7 * (width + 8), 2), 7);
      const auto y = d.put(std::vector<float>(12 * width, 9.f), 12);
      const auto ids = d.put(random_indices(12, 9), 1), from = d.put(random_indices(12, 7), 1);
      embed(d.queue, y.matrix(), matrix_view<const TestType>(table), vector_view<const std::int32_t>(ids));
      gather_rows(d.queue, y.matrix(), x.slice(width % 4, static_cast<std::ptrdiff_t>(width)),
                  vector_view<const std::int32_t>(from));
      return d.get(y);
    });
  }
}

TEST_CASE("cuda: feed_tokens replaces the numbers of rows by what they drew", "[cuda]") {
  for_each_schedule([] {
    on_cuda d;
    std::vector<std::int32_t> ids(300), expected(300);
    const std::vector<std::int32_t> drawn{7, invalid_logits, 9, no_token_left};
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto row = static_cast<std::int32_t>(i % 4);
      ids[i] = i % 3 == 0 ? fed_by(row) : i % 3 == 1 ? -1 : static_cast<std::int32_t>(i);
      expected[i] = i % 3 == 0 ? drawn[i % 4] : ids[i];
    }
    const auto y = d.put(ids, 1), from = d.put(drawn, 1);
    feed_tokens(d.queue, y.vector(), vector_view<const std::int32_t>(from));
    CHECK(d.get(y) == expected);
    feed_tokens(d.queue, y.vector(), vector_view<const std::int32_t>{});
    CHECK(d.error().find("drawn is empty") != std::string::npos);
  });
}

TEST_CASE("cuda: more rows than blocks", "[cuda]") {
  check_same([&](auto& d) {
    const auto x = d.put(random_values(50, 1), 10);
    const auto y = d.put(std::vector<float>(520 * 5, 9.f), 520);
    const auto from = d.put(random_indices(520, 10), 1);
    gather_rows(d.queue, y.matrix(), matrix_view<const float>(x), vector_view<const std::int32_t>(from));
    return d.get(y);
  });
}

TEST_CASE("cuda: mix_rows and max_rows", "[cuda]") {
  for (const std::size_t width : {3u, 20u})
    for (const std::size_t terms : {1u, 4u}) {
      CAPTURE(width, terms);
      std::vector<float> x = random_values(8 * width, 1);
      x[3 * width + 1] = std::numeric_limits<float>::quiet_NaN();
      // Weights that are powers of two make products exact, and so the sums of a fused multiply-add those of two steps.
      std::vector<float> weights(6 * terms);
      for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = std::ldexp(1.f, static_cast<int>(i % 5) - 2);
      const auto from = random_indices(6 * terms, 8);
      const auto run = [&](auto& d, bool largest) {
        const auto dx = d.put(x, 8), dw = d.put(weights, 6);
        const auto df = d.put(from, 6);
        const auto y = d.put(std::vector<float>(6 * width, 9.f), 6);
        if (largest)
          max_rows(d.queue, y.matrix(), matrix_view<const float>(dx), matrix_view<const std::int32_t>(df));
        else
          mix_rows(d.queue, y.matrix(), matrix_view<const float>(dx), matrix_view<const std::int32_t>(df),
                   matrix_view<const float>(dw));
        auto got = d.get(y);
        for (float& v : got)
          if (v != v) v = 12345.f;  // any NaN
        return got;
      };
      check_same([&](auto& d) { return run(d, false); });
      check_same([&](auto& d) { return run(d, true); });
    }
}

TEST_CASE("cuda: an index past the last row is the first error, by the sentence of the host, and nothing is written",
          "[cuda]") {
  const auto run = [](auto& d, int op, bool is_bad) {
    const std::int32_t past = is_bad ? 5 : 4;
    const auto x = d.put(random_values(20, 1), 5);
    const auto ids = d.put(std::vector<std::int32_t>{0, past, -1, past}, 1);
    const auto from = d.put(std::vector<std::int32_t>{0, 1, -1, past, 2, 3, past, 0}, 4);
    const auto weights = d.put(std::vector<float>(8, 1.f), 4);
    const auto y = d.put(std::vector<float>(16, 9.f), 4);
    const matrix_view<const float> in = x;
    if (op == 0) embed(d.queue, y.matrix(), in, vector_view<const std::int32_t>(ids));
    if (op == 1) gather_rows(d.queue, y.matrix(), in, vector_view<const std::int32_t>(ids));
    if (op == 2)
      mix_rows(d.queue, y.matrix(), in, matrix_view<const std::int32_t>(from), matrix_view<const float>(weights));
    if (op == 3) max_rows(d.queue, y.matrix(), in, matrix_view<const std::int32_t>(from));
    const std::string found = d.error();
    if (is_bad) CHECK(d.get(y) == std::vector<float>(16, 9.f));
    return found;
  };
  for (int op = 0; op < 4; ++op)
    for_each_schedule([&] {
      CAPTURE(op);
      device_of<scalar> host;
      on_cuda d;
      const std::string expected = run(host, op, true);
      CHECK(!expected.empty());
      CHECK(run(d, op, true) == expected);
      CHECK(run(d, op, false).empty());  // the queue goes on
    });
}

TEST_CASE("cuda: of two ops with an index past the last row, the first is reported", "[cuda]") {
  on_cuda d;
  const auto x = d.put(random_values(20, 1), 5), y = d.put(std::vector<float>(8, 9.f), 2);
  const auto first = d.put(std::vector<std::int32_t>{1, 7}, 1), second = d.put(std::vector<std::int32_t>{8, 0}, 1);
  gather_rows(d.queue, y.matrix(), matrix_view<const float>(x), vector_view<const std::int32_t>(first));
  embed(d.queue, y.matrix(), matrix_view<const float>(x), vector_view<const std::int32_t>(second));
  CHECK(d.error() == "llava: gather_rows: from[1] is 7, expected less than the number of rows, 5");
}

namespace {
template <class Y, class X>
void check_copy() {
  std::vector<X> values = random_values<X>(7 * 24, 1, 100.f);
  values[3] = from_float<X>(-0.f);
  values[4] = from_float<X>(std::numeric_limits<float>::infinity());
  values[5] = from_float<X>(70000.f);
  for (const std::ptrdiff_t first : {0, 4, 3})
    for (const std::ptrdiff_t width : {24, 16, 15})
      if (first + width <= 24)
        check_same([&](auto& d) {
          const auto x = d.put(values, 7);
          const auto y = d.put(std::vector<Y>(values.size(), from_float<Y>(9.f)), 7);
          copy(d.queue, columns_of(y.matrix(), first, width), x.slice(first, width));
          return d.get(y);
        });
  check_same([&](auto& d) {
    const auto x = d.put(values, 1);
    const auto y = d.put(std::vector<Y>(values.size()), 1);
    copy(d.queue, y.vector(), vector_view<const X>(x));
    return d.get(y);
  });
}
}  // namespace

TEMPLATE_TEST_CASE("cuda: copy rounds between any two types, in slices too", "[cuda]", float, f16, bf16) {
  check_copy<TestType, float>();
  check_copy<TestType, f16>();
  check_copy<TestType, bf16>();
}

TEST_CASE("cuda: a copy without a conversion keeps every bit of a NaN", "[cuda]") {
  for (const std::ptrdiff_t width : {4, 3})
    check_same([&](auto& d) {
      std::vector<f16> values(static_cast<std::size_t>(2 * width), f16{0x7d05});
      const auto x = d.put(values, 2);
      const auto y = d.put(std::vector<f16>(values.size()), 2);
      copy(d.queue, y.matrix(), matrix_view<const f16>(x));
      return d.get(y);
    });
}

TEST_CASE("cuda: add, in slices too", "[cuda]") {
  for (const std::ptrdiff_t first : {0, 4, 3})
    check_same([&](auto& d) {
      const auto x = d.put(random_values(9 * 24, 1), 9), y = d.put(random_values(9 * 24, 2), 9);
      add(d.queue, columns_of(y.matrix(), first, 20), x.slice(first, 20));
      return d.get(y);
    });
}

TEST_CASE("cuda: upload and download", "[cuda]") {
  on_cuda d;
  const auto y = d.put(std::vector<std::int32_t>(12), 3);
  std::vector<std::int32_t> values(8), got(12, -1);
  std::iota(values.begin(), values.end(), 1);
  upload(d.queue, rows_of(y.matrix(), 1, 2), std::span<const std::int32_t>(values));
  values.assign(8, 0);  // upload has read it
  download(d.queue, std::span(got), vector_view<const std::int32_t>(y));
  CHECK(d.error().empty());
  CHECK(got == std::vector<std::int32_t>{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  download(d.queue, std::span(got).first(6), y.slice(0, 2));
  CHECK(d.error() == "llava: download: the view has a stride of 4, expected contiguous rows");
}

TEMPLATE_TEST_CASE("cuda: patchify", "[cuda]", float, f16, bf16) {
  std::vector<std::uint8_t> rgb(3 * 16 * 16);
  std::mt19937 engine(3);
  for (auto& v : rgb) v = static_cast<std::uint8_t>(engine());
  for (const int side : {14, 16})
    for (const int patch : {14, 5})
      check_same([&](auto& d) {
        const std::vector<std::uint8_t> square(rgb.begin(), rgb.begin() + 3 * side * side);
        const auto pixels = d.put(square, 1);
        const auto table = d.put(random_values(3 * 260, 4), 3);
        const std::ptrdiff_t patches = std::ptrdiff_t{side / patch} * (side / patch);
        const auto y = d.put(std::vector<TestType>(static_cast<std::size_t>(patches * 3 * patch * patch)), patches);
        patchify(d.queue, y.matrix(), vector_view<const std::uint8_t>(pixels), table.slice(2, 256), side, patch);
        return d.get(y);
      });
}

}  // namespace cuda_test
