// SPDX-License-Identifier: Apache-2.0
/// What the tests of kernels share. They run on the emulator, and compiled by nvcc on a device.
#pragma once
#include <utility>

#include "device_array.hpp"
#include "llava_catch.hpp"
#if !defined(__CUDACC__)
#include "emulator/options.hpp"
#endif

namespace cuda_test {

using namespace llava::cuda_backend;

/// What small kernels have in common: their Params, Smem, threads of a block and blocks.
template <class P, class S = no_shared_memory, int Threads = 32, int Blocks = 1>
struct small_kernel {
  static constexpr int threads = Threads, min_blocks = 1;
  using Params = P;
  using Smem = S;
  static grid_size grid(const P&) { return {Blocks}; }
};

/// The Params of a kernel that only writes.
struct output {
  float* y;
};

#if defined(__CUDACC__)
inline constexpr bool is_checked = false;
/// A device chooses its own order.
inline constexpr unsigned schedules[] = {0};
template <class F>
auto with_schedule(unsigned, F run, unsigned = 0) {
  return run();
}
#else
/// Whether the emulator checks each access to memory.
inline const bool is_checked = llava::emulator::is_checked();
inline constexpr unsigned schedules[] = {0, 1, 2, 3, 4};
/// Runs `run` under a schedule of the emulator and with a number of workers (0: the default), and restores the old
/// ones.
template <class F>
auto with_schedule(unsigned schedule, F run, unsigned workers = 0) {
  const auto before = std::exchange(llava::emulator::settings(), {schedule, workers});
  auto result = run();
  llava::emulator::settings() = before;
  return result;
}
#endif

}  // namespace cuda_test
