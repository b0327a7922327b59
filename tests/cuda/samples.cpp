// SPDX-License-Identifier: Apache-2.0
/// The sample kernels against double, on odd sizes, under several schedules. In the checked program this also shows
/// that the checks find nothing in correct kernels.
#include <cmath>
#include <random>
#include <vector>

#include "samples/gemm.cuh"
#include "samples/int4_matvec.cuh"
#include "samples/rms_norm.cuh"
#include "small_kernel.hpp"

namespace cuda_test {
namespace {

using llava::bf16;
using llava::f16;

template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  std::uniform_real_distribution<float> uniform(-1.f, 1.f);
  std::vector<T> values(count);
  for (T& x : values) x = llava::from_float<T>(uniform(random));
  return values;
}

/// The normalised mean square error of y.
template <class T>
double error_of(const std::vector<T>& y, const std::vector<double>& expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double d = static_cast<double>(llava::to_float(y[i])) - expected[i];
    error += d * d;
    norm += expected[i] * expected[i];
  }
  return error / norm;
}

template <class T>
void check_rms_norm(int rows, int columns) {
  const auto size = static_cast<std::size_t>(rows * columns), width = static_cast<std::size_t>(columns);
  const auto x = random_values<float>(size, 1);
  const auto weight = random_values<T>(width, 2);
  std::vector<double> expected(size);
  for (std::size_t r = 0; r < size; r += width) {
    double squares = 0;
    for (std::size_t i = 0; i < width; ++i) squares += static_cast<double>(x[r + i]) * x[r + i];
    for (std::size_t i = 0; i < width; ++i)
      expected[r + i] = x[r + i] / std::sqrt(squares / columns + 1e-5) * llava::to_float(weight[i]);
  }
  const device_array<float> on_device(x);
  const device_array<T> weight_on_device(weight), y(size);
  launch<sample_rms_norm<T>>(test_stream(), {on_device.data(), weight_on_device.data(), y.data(), rows, columns, 1e-5f})
      .value();
  CHECK(error_of(y.read(), expected) < 1e-5);
}

template <class T>
void check_gemm(int m, int n, int k) {
  const auto a = random_values<T>(static_cast<std::size_t>(m * k), 3);
  const auto w = random_values<T>(static_cast<std::size_t>(n * k), 4);
  std::vector<double> expected(static_cast<std::size_t>(m * n));
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j)
      for (int c = 0; c < k; ++c)
        expected[static_cast<std::size_t>(i * n + j)] +=
            static_cast<double>(llava::to_float(a[static_cast<std::size_t>(i * k + c)])) *
            llava::to_float(w[static_cast<std::size_t>(j * k + c)]);
  const device_array<T> a_on_device(a), w_on_device(w);
  const device_array<float> y(static_cast<std::size_t>(m * n));
  launch<sample_gemm<T>>(test_stream(), {a_on_device.data(), w_on_device.data(), y.data(), m, n, k}).value();
  CHECK(error_of(y.read(), expected) < 1e-12);
}

template <class T>
void check_int4_matvec(int n, int k) {
  const auto x = random_values<T>(static_cast<std::size_t>(k), 5);
  const auto scales = random_values<T>(static_cast<std::size_t>(n * k / 128), 6);
  std::minstd_rand random(7);
  std::vector<std::uint32_t> w(static_cast<std::size_t>(n * k / 8));
  std::vector<double> expected(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < w.size(); ++i)
    for (unsigned j = 0; j < 8; ++j) {
      const auto nibble = static_cast<std::uint32_t>(random() >> 8 & 15u);
      w[i] |= nibble << 4 * (j / 2 + 4 * (j % 2));
      const std::size_t element = 8 * i + j, width = static_cast<std::size_t>(k);
      expected[element / width] += (static_cast<int>(nibble) - 8) *
                                   static_cast<double>(llava::to_float(scales[element / 128])) *
                                   llava::to_float(x[element % width]);
    }
  const device_array<std::uint32_t> w_on_device(w);
  const device_array<T> scales_on_device(scales), x_on_device(x);
  const device_array<float> y(static_cast<std::size_t>(n));
  launch<sample_int4_matvec<T>>(test_stream(),
                                {w_on_device.data(), scales_on_device.data(), x_on_device.data(), y.data(), n, k})
      .value();
  CHECK(error_of(y.read(), expected) < 1e-11);
}

/// Runs `test` under each schedule.
template <class F>
void on_schedules(F test) {
  for (const unsigned schedule : schedules) {
    CAPTURE(schedule);
    with_schedule(schedule, [&] {
      test();
      return 0;
    });
  }
}

}  // namespace

TEST_CASE("an RMS norm equals double") {
  on_schedules([] {
    check_rms_norm<bf16>(3, 200);
    check_rms_norm<f16>(2, 1);
    check_rms_norm<f16>(5, 129);
  });
}

TEST_CASE("a product on tensor cores equals double") {
  on_schedules([] {
    check_gemm<bf16>(70, 65, 96);
    check_gemm<f16>(1, 3, 32);
  });
  check_gemm<f16>(130, 64, 64);
}

TEST_CASE("a matrix-vector product with 4-bit weights equals double") {
  on_schedules([] {
    check_int4_matvec<bf16>(7, 256);
    check_int4_matvec<f16>(4, 1152);
  });
}

TEST_CASE("results do not depend on the schedule or the number of workers") {
  const auto a = random_values<bf16>(130 * 64, 8), w = random_values<bf16>(70 * 64, 9);
  const device_array<bf16> a_on_device(a), w_on_device(w);
  const auto product = [&] {
    const device_array<float> y(130 * 70);
    launch<sample_gemm<bf16>>(test_stream(), {a_on_device.data(), w_on_device.data(), y.data(), 130, 70, 64}).value();
    return y.read();
  };
  const std::vector<float> first = product();
  for (const unsigned workers : {1u, 3u})
    for (const unsigned schedule : schedules) CHECK(with_schedule(schedule, product, workers) == first);
}

}  // namespace cuda_test
