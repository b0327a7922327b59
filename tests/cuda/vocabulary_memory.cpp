// SPDX-License-Identifier: Apache-2.0
/// Loads, stores, asynchronous copies and arithmetic of one instruction.
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

struct loads {
  const std::uint32_t* x;  // (4, 32, 4)
  std::uint32_t* y;        // (5, 32, 4)
};
struct load_and_store : small_kernel<loads> {
  LLAVA_DEVICE static void run(const loads& p, no_shared_memory&) {
    const int t = thread_index();
    prefetch_l2(p.x + 4 * t);
    store16(p.y + 4 * t, load16(p.x + 4 * t));
    store16(p.y + 128 + 4 * t, load16_readonly(p.x + 128 + 4 * t));
    store16(p.y + 256 + 4 * t, load16_streaming(p.x + 256 + 4 * t));
    const vec8 lo = load8_streaming(p.x + 384 + 4 * t), hi = load8_streaming(p.x + 386 + 4 * t);
    store16(p.y + 384 + 4 * t, {{lo.word[0], lo.word[1], hi.word[0], hi.word[1]}});
    const std::uint32_t one = load4_streaming(p.x + t);
    store16(p.y + 512 + 4 * t, {{one, one, one, one}});
  }
};

struct staged {
  const float* x;  // (rounds, 64)
  float* y;        // (rounds, 64)
  int rounds;
};
struct stages {
  alignas(16) float x[3][64];
};
/// Three stages, two of them on their way; each thread copies four elements and reads those of another warp. Elements
/// of odd threads are not valid in round 1.
struct three_stages : small_kernel<staged, stages, 64> {
  LLAVA_DEVICE static void start(const staged& p, stages& s, int round) {
    const int t = thread_index();
    if (round < p.rounds) {
      if (t < 16) cp_async16(&s.x[round % 3][4 * t], p.x + 64 * round + 4 * t, round != 1 || t % 2 == 0);
    }
    cp_async_commit();
  }
  LLAVA_DEVICE static void run(const staged& p, stages& s) {
    const int t = thread_index();
    start(p, s, 0);
    start(p, s, 1);
    for (int round = 0; round < p.rounds; ++round) {
      cp_async_wait<1>();
      sync_block();
      start(p, s, round + 2);
      p.y[64 * round + t] = s.x[round % 3][63 - t];
    }
    cp_async_wait<0>();
  }
};
struct small_copies : small_kernel<staged, stages, 64> {
  LLAVA_DEVICE static void run(const staged& p, stages& s) {
    cp_async4(&s.x[0][thread_index()], p.x + thread_index(), thread_index() != 5);
    cp_async_commit();
    cp_async_wait<0>();
    sync_block();
    p.y[thread_index()] = s.x[0][63 - thread_index()];
  }
};

struct arithmetic {
  const float* x;
  float* y;  // (5, 64)
};
struct compute : small_kernel<arithmetic, no_shared_memory, 64> {
  LLAVA_DEVICE static void run(const arithmetic& p, no_shared_memory&) {
    const int t = thread_index();
    const float x = p.x[t];
    p.y[t] = exp2_approx(x);
    p.y[64 + t] = exp_approx(x);
    p.y[128 + t] = rsqrt_approx(std::fabs(x) + 0.25f);
    p.y[192 + t] = reciprocal_approx(x + 100.f);
    p.y[256 + t] = fused_multiply_add(x, x, minimum(x, 0.5f)) + maximum(x, -0.5f);
  }
};

std::vector<float> counted(std::size_t count) {
  std::vector<float> x(count);
  std::iota(x.begin(), x.end(), 1.f);
  return x;
}

}  // namespace

TEST_CASE("loads and stores of 4, 8 and 16 bytes") {
  std::vector<std::uint32_t> x(512);
  for (std::uint32_t i = 0; i < 512; ++i) x[i] = i * 0x9e3779b9u;
  const device_array<std::uint32_t> x_on_device(x), y(640);
  launch<load_and_store>(test_stream(), {x_on_device.data(), y.data()}).value();
  const auto found = y.read();
  CHECK(std::vector<std::uint32_t>(found.begin(), found.begin() + 512) == x);
  for (std::size_t i = 0; i < 128; ++i) CHECK(found[512 + i] == x[i / 4]);
}

TEST_CASE("asynchronous copies through three stages") {
  constexpr std::size_t rounds = 7;
  const auto x = counted(64 * rounds);
  const device_array<float> x_on_device(x), y(64 * rounds);
  for (const unsigned schedule : schedules) {
    with_schedule(schedule, [&] {
      launch<three_stages>(test_stream(), {x_on_device.data(), y.data(), rounds}).value();
      return 0;
    });
    const auto found = y.read();
    for (std::size_t r = 0; r < rounds; ++r)
      for (std::size_t t = 0; t < 64; ++t)
        CHECK(found[64 * r + t] == (r == 1 && (63 - t) / 4 % 2 == 1 ? 0 : x[64 * r + 63 - t]));
  }
  launch<small_copies>(test_stream(), {x_on_device.data(), y.data(), 1}).value();
  const auto found = y.read();
  for (std::size_t t = 0; t < 64; ++t) CHECK(found[t] == (t == 58 ? 0 : x[63 - t]));
}

TEST_CASE("arithmetic of one instruction") {
  std::vector<float> x(64);
  for (std::size_t i = 0; i < 64; ++i) x[i] = static_cast<float>(i) / 7.f - 4.f;
  x[0] = -130.f;  // 2ˣ below the smallest normal number: 0
  const device_array<float> x_on_device(x), y(320);
  launch<compute>(test_stream(), {x_on_device.data(), y.data()}).value();
  const auto found = y.read();
  CHECK(found[0] == 0);
  for (std::size_t i = 1; i < 64; ++i) {
    const double v = x[i];
    CHECK(found[i] == Approx(std::exp2(v)).epsilon(3e-7));
    CHECK(found[64 + i] == Approx(std::exp(v)).epsilon(1e-6));
    CHECK(found[128 + i] == Approx(1 / std::sqrt(std::fabs(v) + 0.25)).epsilon(3e-7));
    CHECK(found[192 + i] == Approx(1 / (v + 100)).epsilon(3e-7));
    CHECK(found[256 + i] == Approx(v * v + std::fmin(v, 0.5) + std::fmax(v, -0.5)).epsilon(3e-7).margin(1e-6));
  }
}

}  // namespace cuda_test
