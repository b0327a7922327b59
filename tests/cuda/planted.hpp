// SPDX-License-Identifier: Apache-2.0
/// Tests of the checks by planted mistakes. A kernel is a template over `bool Wrong`: the wrong one must be found, with
/// the name of this file and a line, under every schedule; its healthy twin must pass under every schedule.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "small_kernel.hpp"

namespace cuda_test {

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
    if (who == finder::checked_program && !is_checked) continue;
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
inline auto new_output(std::size_t count) {
  device_array<float> y(count);
  const output params{y.data()};
  return std::pair(std::move(y), params);
}

}  // namespace cuda_test
