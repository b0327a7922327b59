// SPDX-License-Identifier: Apache-2.0
/// Norms, activations, and the ops that move rows.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "backend/backends.hpp"

using namespace llava;

TEST_CASE("R15: norms match double, also in place", "[ops]") {
  for (std::size_t width : {1u, 7u, 15u, 16u, 17u, 64u, 100u, 1000u}) {
    constexpr std::size_t rows = 11;
    const auto x = random_values(rows * width, 1, 3.f), w = random_values(width, 2), b = random_values(width, 3);
    std::vector<double> rms, layer;
    for (std::size_t t = 0; t < rows; ++t) {
      double squares = 0, mean = 0, variance = 0;
      for (std::size_t i = 0; i < width; ++i)
        squares += std::pow(static_cast<double>(x[t * width + i]), 2), mean += static_cast<double>(x[t * width + i]);
      mean /= static_cast<double>(width);
      for (std::size_t i = 0; i < width; ++i) variance += std::pow(static_cast<double>(x[t * width + i]) - mean, 2);
      for (std::size_t i = 0; i < width; ++i) {
        const double v = static_cast<double>(x[t * width + i]), d = static_cast<double>(width);
        rms.push_back(v / std::sqrt(squares / d + 1e-5) * static_cast<double>(w[i]));
        layer.push_back((v - mean) / std::sqrt(variance / d + 1e-5) * static_cast<double>(w[i]) +
                        static_cast<double>(b[i]));
      }
    }
    INFO("width " << width);
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto dw = d.put(w, 1), db = d.put(b, 1);
      auto y = d.put(x, rows);
      rms_norm(d.queue, y.matrix(), matrix_view<const float>(y.matrix()), vector_view<const float>(dw.vector()), 1e-5f);
      CHECK(nmse(d.get(y), rms) < 1e-11);
      const auto z = d.put(x, rows);
      layer_norm(d.queue, z.matrix(), matrix_view<const float>(z.matrix()), vector_view<const float>(dw.vector()),
                 vector_view<const float>(db.vector()), 1e-5f);
      CHECK(nmse(d.get(z), layer) < 1e-11);
      const auto plain = d.put(x, rows);  // without a bias
      layer_norm(d.queue, plain.matrix(), matrix_view<const float>(plain.matrix()),
                 vector_view<const float>(dw.vector()), vector_view<const float>(), 1e-5f);
      std::vector<double> unshifted = layer;
      for (std::size_t i = 0; i < unshifted.size(); ++i) unshifted[i] -= static_cast<double>(b[i % width]);
      CHECK(nmse(d.get(plain), unshifted) < 1e-11);
    });
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

TEST_CASE("embed and gather_rows: a negative index leaves its row unchanged", "[ops]") {
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto table = d.put(random_values<f16>(5 * 3, 1), 5);
    const auto ids = d.put(std::vector<std::int32_t>{4, -1, 0, -200}, 1);
    const auto from = d.put(std::vector<std::int32_t>{-1, 1, -1, 0}, 1);
    const auto x = d.put(std::vector<float>{1, 2, 3, 4, 5, 6}, 2);
    const auto y = d.put(std::vector<float>(12, 9.f), 4);
    embed(d.queue, y.matrix(), matrix_view<const f16>(table.matrix()), vector_view<const std::int32_t>(ids.vector()));
    gather_rows(d.queue, y.matrix(), matrix_view<const float>(x.matrix()),
                vector_view<const std::int32_t>(from.vector()));
    const auto t = random_values<f16>(15, 1);
    const std::vector<float> expected{to_float(t[12]), to_float(t[13]), to_float(t[14]), 4, 5, 6,
                                      to_float(t[0]),  to_float(t[1]),  to_float(t[2]),  1, 2, 3};
    CHECK(d.get(y) == expected);
  });
}

TEST_CASE("R15: mix_rows matches double; a negative index is no term", "[ops]") {
  constexpr std::size_t rows = 9, width = 19, tokens = 7, terms = 3;
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
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto x = d.put(std::vector<float>{1, -2, 3, -4, -5, 6, 0, nan, -9, -7, -8, -9}, 4);
    const auto from = d.put(std::vector<std::int32_t>{0, 1, 2, -1, 3, -1, -1, -1, -1, 1, 3, 1}, 4);
    const auto y = d.put(std::vector<float>(12, 9.f), 4);
    max_rows(d.queue, y.matrix(), matrix_view<const float>(x.matrix()), matrix_view<const std::int32_t>(from.matrix()));
    const auto got = d.get(y);
    CHECK(std::isnan(got[1]));
    const std::vector<float> expected{1, 0, 6, -7, -8, -9, 9, 9, 9, -4, -5, 6};
    for (std::size_t i = 0; i < 12; ++i)
      if (i != 1) CHECK(got[i] == expected[i]);
  });
}

TEST_CASE("patchify: patches in row order; inside a patch by channel, row, column", "[ops]") {
  const int side = GENERATE(4, 5);  // for 5, the last row and column are in no patch
  constexpr int patch = 2;
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(side * side * 3));
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i);
  std::vector<float> table(768);
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<float>(i % 256) + 1000.f * static_cast<float>(i / 256);
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto pixels = d.put(rgb, 1);
    const auto lookup = d.put(table, 3);
    const auto patches = d.put(std::vector<float>(48), 4);
    patchify(d.queue, patches.matrix(), vector_view<const std::uint8_t>(pixels.vector()),
             matrix_view<const float>(lookup.matrix()), side, patch);
    const auto got = d.get(patches);
    const auto down = static_cast<float>(3 * side);  // from a pixel to the one below
    CHECK(std::vector<float>(got.begin() + 12, got.begin() + 24) ==
          std::vector<float>{6, 9, down + 6, down + 9, 1007, 1010, down + 1007, down + 1010, 2008, 2011, down + 2008,
                             down + 2011});
    CHECK(got[36] == 2 * down + 6);  // the last patch: row 2, column 2
  });
}

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
