// SPDX-License-Identifier: Apache-2.0
/// Norms, activations, and the ops that move rows.
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <llava/ops/run_ahead.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {
/// Operands of norms, and what double gives.
struct norm_case {
  std::size_t rows, width;
  std::vector<float> x, w = random_values(width, 2), b = random_values(width, 3);
  norm_case(std::size_t t, std::size_t d, float shift = 0.f) : rows(t), width(d), x(random_values(t * d, 1, 3.f)) {
    for (float& v : x) v += shift;
  }
  std::vector<double> expected(bool centred, bool biased) const {
    std::vector<double> y;
    const auto d = static_cast<double>(width);
    for (std::size_t t = 0; t < rows; ++t) {
      const float* const row = x.data() + t * width;
      double mean = 0, squares = 0;
      for (std::size_t i = 0; centred && i < width; ++i) mean += static_cast<double>(row[i]) / d;
      for (std::size_t i = 0; i < width; ++i) squares += std::pow(static_cast<double>(row[i]) - mean, 2);
      for (std::size_t i = 0; i < width; ++i)
        y.push_back((static_cast<double>(row[i]) - mean) / std::sqrt(squares / d + 1e-5) * static_cast<double>(w[i]) +
                    (biased ? static_cast<double>(b[i]) : 0));
    }
    return y;
  }
};
}  // namespace

TEST_CASE("R15: norms match double, for rows of any length", "[ops]") {
  for (std::size_t width : {1u, 7u, 15u, 16u, 17u, 64u, 100u, 1030u, 4100u}) {
    const norm_case c(width < 1000 ? 11 : 3, width);
    const auto rows = static_cast<std::ptrdiff_t>(c.rows);
    const auto rms = c.expected(false, false), layer = c.expected(true, true), plain = c.expected(true, false);
    INFO("width " << width);
    for_each_backend([&]<class B>() {
      for_each_operand([&]<class Y>() {
        device<B> d;
        const auto x = d.put(c.x, rows), w = d.put(c.w, 1), b = d.put(c.b, 1);
        const auto y = d.put(std::vector<Y>(c.x.size()), rows);
        const matrix_view<const float> in = x;
        rms_norm(d.queue, y.matrix(), in, vector_view<const float>(w), 1e-5f);
        CHECK(nmse(d.get(y), rms) < rounding<Y>);
        layer_norm(d.queue, y.matrix(), in, vector_view<const float>(w), vector_view<const float>(b), 1e-5f);
        CHECK(nmse(d.get(y), layer) < rounding<Y>);
        layer_norm(d.queue, y.matrix(), in, vector_view<const float>(w), vector_view<const float>(), 1e-5f);
        CHECK(nmse(d.get(y), plain) < rounding<Y>);
        rms_norm(d.queue, x.matrix(), in, vector_view<const float>(w), 1e-5f);  // in place
        CHECK(nmse(d.get(x), rms) < 1e-11);
      });
    });
  }
}

TEST_CASE("norms: in a slice of columns, and with a mean that is large next to the deviations", "[ops]") {
  constexpr std::size_t rows = 5, width = 36, whole = 44;
  for (const float shift : {0.f, 3000.f})
    for (const std::size_t first : {4u, 3u}) {
      const norm_case c(rows, width, shift);
      const auto expected = c.expected(true, true);
      std::vector<float> values(rows * whole, 7.f);
      for (std::size_t t = 0; t < rows; ++t)
        std::copy_n(c.x.data() + t * width, width, values.data() + t * whole + first);
      const auto test = [&]<class B>() {
        device<B> d;
        const auto x = d.put(values, rows), w = d.put(c.w, 1), b = d.put(c.b, 1);
        const matrix_view<float> y = columns_of(x.matrix(), static_cast<std::ptrdiff_t>(first), width);
        layer_norm(d.queue, y, matrix_view<const float>(y), vector_view<const float>(w), vector_view<const float>(b),
                   1e-5f);
        std::vector<float> inner, outer;
        const auto got = d.get(x);
        for (std::size_t i = 0; i < got.size(); ++i)
          (i % whole >= first && i % whole < first + width ? inner : outer).push_back(got[i]);
        CHECK(nmse(inner, expected) < (shift > 0 ? 1e-7 : 1e-11));
        CHECK(outer == std::vector<float>(rows * (whole - width), 7.f));
      };
      for_each_schedule([&] { for_each_backend(test); });
    }
}

TEMPLATE_TEST_CASE("R15: activations match double", "[ops]", silu, gelu, quick_gelu, gelu_tanh) {
  constexpr std::size_t n = 1003;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = (static_cast<float>(i) - 501.f) / 25.f;  // −20 … 20
  const auto up = random_values(n, 8);
  std::vector<double> expected;
  for (std::size_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    double y = v / (1 + std::exp(-v));
    if (std::is_same_v<TestType, gelu>) y = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
    if (std::is_same_v<TestType, quick_gelu>) y = v / (1 + std::exp(-1.702 * v));
    if (std::is_same_v<TestType, gelu_tanh>)
      y = 0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
    expected.push_back(y * static_cast<double>(up[i]));
  }
  for_each_backend([&]<class B>() { CHECK(nmse(activated<B, TestType>(x, up), expected) < 1e-12); });
}

namespace {
std::vector<std::int32_t> random_indices(std::size_t n, std::int32_t rows) {
  std::mt19937 engine(5);
  std::vector<std::int32_t> indices(n);
  for (auto& i : indices) i = std::uniform_int_distribution<std::int32_t>(-rows / 2, rows - 1)(engine);
  return indices;
}
/// y[t] = x[from[t]] for the rows from[t] ≥ 0 of x.
template <class T>
void gather(std::vector<float>& y, const std::vector<T>& x, const std::vector<std::int32_t>& from, std::size_t width) {
  for (std::size_t i = 0; i < y.size(); ++i)
    if (const std::int32_t row = from[i / width]; row >= 0)
      y[i] = to_float(x[static_cast<std::size_t>(row) * width + i % width]);
}
}  // namespace

TEMPLATE_TEST_CASE("embed and gather_rows: a negative index leaves its row unchanged", "[ops]", f32, f16, bf16) {
  for (const auto& [width, rows] : {std::pair<std::size_t, std::size_t>{1, 12}, {5, 520}, {36, 12}, {1100, 12}}) {
    const auto t = random_values<TestType>(9 * width, 1);
    const auto x = random_values(7 * width, 2);
    const auto ids = random_indices(rows, 9), from = random_indices(rows, 7);
    std::vector<float> expected(rows * width, 9.f);
    gather(expected, t, ids, width), gather(expected, x, from, width);
    INFO(rows << " rows of " << width);
    const auto count = static_cast<std::ptrdiff_t>(rows);
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto table = d.put(t, 9);
      const auto dx = d.put(x, 7), y = d.put(std::vector<float>(expected.size(), 9.f), count);
      const auto di = d.put(ids, 1), df = d.put(from, 1);
      embed(d.queue, y.matrix(), matrix_view<const TestType>(table), vector_view<const std::int32_t>(di));
      gather_rows(d.queue, y.matrix(), matrix_view<const float>(dx), vector_view<const std::int32_t>(df));
      CHECK(d.get(y) == expected);
    });
  }
}

TEST_CASE("R15: mix_rows matches double; a negative index is no term", "[ops]") {
  const std::size_t width = GENERATE(19u, 20u);
  constexpr std::size_t rows = 9, tokens = 7, terms = 3;
  const auto x = random_values(rows * width, 1), weights = random_values(tokens * terms, 2);
  std::vector<std::int32_t> from;
  for (std::size_t i = 0; i < tokens * terms; ++i) from.push_back(static_cast<std::int32_t>(i * 5 % 11) - 2);
  for (std::size_t k = 0; k < terms; ++k) from[2 * terms + k] = -1;  // a row without a term
  std::vector<double> expected(tokens * width);
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t k = t * terms; k < (t + 1) * terms; ++k)
      for (std::size_t i = 0; i < width && from[k] >= 0; ++i)
        expected[t * width + i] +=
            static_cast<double>(weights[k]) * static_cast<double>(x[static_cast<std::size_t>(from[k]) * width + i]);
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto dx = d.put(x, rows), dw = d.put(weights, tokens);
    const auto df = d.put(from, tokens);
    const auto y = d.put(std::vector<float>(tokens * width, 9.f), tokens);
    mix_rows(d.queue, y.matrix(), matrix_view<const float>(dx.matrix()), matrix_view<const std::int32_t>(df.matrix()),
             matrix_view<const float>(dw.matrix()));
    const auto got = d.get(y);
    CHECK(nmse(got, expected) < 1e-12);
    for (std::size_t i = 0; i < width; ++i) CHECK(got[2 * width + i] == 0.f);
  });
}

TEST_CASE("max_rows: the largest of each column; a negative index is no term, NaN is kept", "[ops]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::size_t repeats = GENERATE(1u, 4u);  // of each column
  const auto wide = [&](const std::vector<float>& values) {
    std::vector<float> all;
    for (const float v : values) all.insert(all.end(), repeats, v);
    return all;
  };
  const auto expected = wide({1, nan, 6, -7, -8, -9, 9, 9, 9, -4, -5, 6});
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto x = d.put(wide({1, -2, 3, -4, -5, 6, 0, nan, -9, -7, -8, -9}), 4);
    const auto from = d.put(std::vector<std::int32_t>{0, 1, 2, -1, 3, -1, -1, -1, -1, 1, 3, 1}, 4);
    const auto y = d.put(wide(std::vector<float>(12, 9.f)), 4);
    max_rows(d.queue, y.matrix(), matrix_view<const float>(x.matrix()), matrix_view<const std::int32_t>(from.matrix()));
    const auto got = d.get(y);
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK((std::isnan(expected[i]) ? std::isnan(got[i]) : got[i] == expected[i]));
  });
}

TEST_CASE("patchify: patches in row order; inside a patch by channel, row, column", "[ops]") {
  const auto [side, patch] = GENERATE(table<int, int>({{4, 2}, {5, 2}, {14, 5}, {16, 14}}));
  const int across = side / patch, area = patch * patch;  // if they do not divide, the last rows are in no patch
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(side * side * 3));
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i * 37 % 256);
  const auto table = random_values(3 * 260, 4);  // columns 2 to 257 are used
  std::vector<float> expected;
  for (int p = 0; p < across * across; ++p)
    for (int i = 0; i < 3 * area; ++i) {
      const int channel = i / area, row = p / across * patch + i % area / patch,
                column = p % across * patch + i % patch;
      const auto at = static_cast<std::size_t>((row * side + column) * 3 + channel);
      expected.push_back(table[static_cast<std::size_t>(channel) * 260 + 2 + rgb[at]]);
    }
  const int pixels_of_side = side, pixels_of_patch = patch;
  for_each_backend([&]<class B>() {
    for_each_operand([&]<class Y>() {
      device<B> d;
      const auto pixels = d.put(rgb, 1);
      const auto lookup = d.put(table, 3);
      std::vector<Y> values;
      for (const float v : expected) values.push_back(from_float<Y>(v));
      const auto patches = d.put(std::vector<Y>(values.size()), std::ptrdiff_t{across} * across);
      patchify(d.queue, patches.matrix(), vector_view<const std::uint8_t>(pixels),
               columns_of(matrix_view<const float>(lookup.matrix()), 2, 256), pixels_of_side, pixels_of_patch);
      CHECK(same_bytes(d.get(patches), values));
    });
  });
}

namespace {
template <class B, class Y, class X>
void check_copy() {
  std::vector<X> values = random_values<X>(7 * 24, 1, 100.f);
  values[3] = from_float<X>(-0.f);
  values[4] = from_float<X>(std::numeric_limits<float>::infinity());
  values[5] = from_float<X>(70000.f);
  for (const auto& [first, width] : {std::pair{0, 24}, {0, 15}, {4, 20}, {3, 16}}) {
    device<B> d;
    const auto x = d.put(values, 7);
    const auto y = d.put(std::vector<Y>(values.size(), from_float<Y>(9.f)), 7), line = d.put(std::vector<Y>(7 * 24), 1);
    copy(d.queue, columns_of(y.matrix(), first, width), columns_of(matrix_view<const X>(x), first, width));
    copy(d.queue, line.vector(), vector_view<const X>(x));
    std::vector<Y> rounded, expected;
    for (std::size_t i = 0; i < values.size(); ++i) {
      rounded.push_back(from_float<Y>(to_float(values[i])));
      const int column = static_cast<int>(i % 24);
      expected.push_back(column >= first && column < first + width ? rounded[i] : from_float<Y>(9.f));
    }
    CHECK(same_bytes(d.get(y), expected));
    CHECK(same_bytes(d.get(line), rounded));
  }
}
}  // namespace

TEST_CASE("copy rounds between any two types, in slices too, and without a conversion keeps every bit", "[ops]") {
  for_each_backend([&]<class B>() {
    for_each_operand([&]<class Y>() { for_each_operand([&]<class X>() { check_copy<B, Y, X>(); }); });
    for (const std::ptrdiff_t width : {4, 3}) {
      device<B> d;
      const std::vector<float> values(static_cast<std::size_t>(2 * width), std::bit_cast<float>(0x7fa12345u));  // a NaN
      const auto x = d.put(values, 2), y = d.put(std::vector<float>(values.size()), 2);
      copy(d.queue, y.matrix(), matrix_view<const float>(x));
      CHECK(same_bytes(d.get(y), values));
    }
  });
}

TEST_CASE("add, in slices too", "[ops]") {
  const auto x = random_values(9 * 24, 1), y = random_values(9 * 24, 2);
  for (const int first : {0, 4, 3})
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto dx = d.put(x, 9), dy = d.put(y, 9);
      add(d.queue, columns_of(dy.matrix(), first, 20), columns_of(matrix_view<const float>(dx), first, 20));
      std::vector<float> expected = y;
      for (std::size_t i = 0; i < y.size(); ++i)
        if (const int column = static_cast<int>(i % 24); column >= first && column < first + 20) expected[i] += x[i];
      CHECK(d.get(dy) == expected);
    });
}

TEST_CASE("upload reads its source at once, and download has what was queued before", "[ops]") {
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto y = d.put(std::vector<std::int32_t>(12), 3);
    std::vector<std::int32_t> values{1, 2, 3, 4, 5, 6, 7, 8}, got(12, -1);
    upload(d.queue, rows_of(y.matrix(), 1, 2), std::span<const std::int32_t>(values));
    values.assign(8, 0);
    download(d.queue, std::span(got), vector_view<const std::int32_t>(y));
    CHECK(d.error().empty());
    CHECK(got == std::vector<std::int32_t>{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  });
}

#if !LLAVA_TEST_ON_CUDA
TEST_CASE("remote: memory cannot be read outside an op, and ops are deferred until a download", "[ops]") {
  device<remote> d;
  const auto y = d.put(std::vector<float>{1, 2}, 1);
  const auto x = d.put(std::vector<float>{10, 20}, 1);
  add(d.queue, y.matrix(), matrix_view<const float>(x.matrix()));
  CHECK(::msync(y.memory.data(), 4096, MS_ASYNC) == 0);  // mapped …
  const int child = ::fork();
  if (child == 0) {  // … and inaccessible: a read ends the child by a signal
    ::signal(SIGSEGV, SIG_DFL);
    volatile float seen = *y.matrix().data();
    static_cast<void>(seen);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(d.get(y) == std::vector<float>{11, 22});
}
#endif

TEST_CASE("feed_tokens replaces the numbers of rows by what they drew", "[ops]") {
  std::vector<std::int32_t> ids(300), expected(300);
  const std::vector<std::int32_t> drawn{7, invalid_logits, 9, no_token_left};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = i % 3 == 0 ? fed_by(static_cast<std::int32_t>(i % 4)) : i % 3 == 1 ? -1 : static_cast<std::int32_t>(i);
    expected[i] = i % 3 == 0 ? drawn[i % 4] : ids[i];
  }
  for_each_schedule([&] {
    for_each_backend([&]<class B>() {
      if constexpr (runs_ahead<typename B::queue>) {
        device<B> d;
        const auto y = d.put(ids, 1), from = d.put(drawn, 1);
        feed_tokens(d.queue, y.vector(), vector_view<const std::int32_t>(from));
        CHECK(d.get(y) == expected);
        feed_tokens(d.queue, y.vector(), vector_view<const std::int32_t>{});
        CHECK(d.error().find("drawn is empty") != std::string::npos);
      }
    });
  });
}
