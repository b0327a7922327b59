// SPDX-License-Identifier: Apache-2.0
/// Orders of threads and blocks, which tests of ops try on the emulator. A device chooses its own.
#pragma once
#include <llava_catch.hpp>
#if !defined(__CUDACC__)
#include "emulator/options.hpp"
#endif

namespace cuda_test {

/// Sets the schedule of the emulator: 0 for threads and blocks in order, 1 for reversed, else the seed of a shuffle.
inline void set_schedule([[maybe_unused]] unsigned schedule) {
#if !defined(__CUDACC__)
  llava::emulator::settings().schedule = schedule;
#endif
}

/// Runs test() under several orders of the threads.
template <class F>
void for_each_schedule(F&& test) {
#if defined(__CUDACC__)
  constexpr unsigned schedules[] = {0};
#else
  constexpr unsigned schedules[] = {0, 1, 2};
#endif
  for (const unsigned schedule : schedules) {
    CAPTURE(schedule);
    set_schedule(schedule);
    test();
  }
  set_schedule(0);
}

}  // namespace cuda_test
