// SPDX-License-Identifier: Apache-2.0
/// The peak memory use of a program.
#pragma once
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace bench {

/// Measures from construction on. Pages of mapped files count once they are touched, as the program's own do. Linux
/// keeps the peak as VmHWM and resets it to the current use when 5 is written to clear_refs (proc(5)). On other systems
/// the peak is unknown.
class peak_memory {
 public:
  peak_memory() {
#if defined(__GLIBC__)
    ::malloc_trim(0);  // returns the last model's memory to the system
#endif
    std::ofstream again("/proc/self/clear_refs");
    known_ = static_cast<bool>(again << 5 << std::flush);
  }
  /// Sets the counter peak_GB if the peak is known.
  void count(benchmark::State& state) const {
    if (!known_) return;  // VmHWM would include earlier benchmarks
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) state.counters["peak_GB"] = std::stod(line.substr(6)) * 1024 / 1e9;
  }

 private:
  bool known_ = false;
};

}  // namespace bench
