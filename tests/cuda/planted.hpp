// SPDX-License-Identifier: Apache-2.0
/// Tests of the checks by planted mistakes. A kernel is a template over `bool Wrong`: the wrong one must be found, with
/// the name of this file and a line, under every schedule; its healthy twin must pass under every schedule.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "device_array.hpp"
#include "emulator/options.hpp"
#include "llava_catch.hpp"

namespace cuda_test {

using namespace llava::cuda_backend;

/// What the kernels below have in common: their Params, Smem, threads of a block and blocks.
template <class P, class S = no_shared_memory, int Threads = 32, int Blocks = 1>
struct small_kernel {
  static constexpr int threads = Threads, min_blocks = 1;
  using Params = P;
  using Smem = S;
  static grid_size grid(const P&) { return {Blocks}; }
};

/// Runs `run` under a schedule, and restores the old one.
template <class F>
auto with_schedule(unsigned schedule, F run) {
  const unsigned before = std::exchange(llava::emulator::settings().schedule, schedule);
  auto result = run();
  llava::emulator::settings().schedule = before;
  return result;
}
inline constexpr unsigned schedules[] = {0, 1, 2, 3, 4};

/// Who finds a mistake: every program, or only a checked one.
enum class finder { any_program, checked_program };

/// Launches the wrong kernel and its twin; `make` returns the parameters of a launch.
template <template <bool> class K, class F>
void check_planted(finder who, std::string_view what, F make) {
  for (const unsigned schedule : schedules) {
    CAPTURE(schedule);
    const auto launched = [&]<bool Wrong>() {
      auto [arrays, params] = make();
      return launch<K<Wrong>>(test_stream(), params);
    };
    const auto healthy = with_schedule(schedule, [&] { return launched.template operator()<false>(); });
    if (!healthy) FAIL(healthy.error().sentence());
    if (who == finder::checked_program && !llava::emulator::is_checked()) continue;
    const auto wrong = with_schedule(schedule, [&] { return launched.template operator()<true>(); });
    REQUIRE(!wrong);
    const std::string sentence = wrong.error().sentence();
    CAPTURE(sentence);
    CHECK(wrong.error().code() == llava::errc::device_failed);
    CHECK(sentence.find(what) != sentence.npos);
    CHECK(sentence.find("planted_") != sentence.npos);  // the file …
    CHECK(sentence.find(".cpp:") != sentence.npos);     // … and the line
  }
}

/// An output of `count` floats and the Params that have only it.
struct output {
  float* y;
};
inline auto new_output(std::size_t count) {
  device_array<float> y(count);
  const output params{y.data()};
  return std::pair(std::move(y), params);
}

}  // namespace cuda_test
