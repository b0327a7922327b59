// SPDX-License-Identifier: Apache-2.0
/// The most memory that a program holds at a time.
#pragma once
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace bench {

/// From its making on: pages of files that are mapped count as the program's own do, once they are touched. Linux keeps
/// this as VmHWM and starts anew from what is held now when 5 is written to clear_refs (proc(5)); elsewhere nothing is
/// known.
class peak_memory {
 public:
  peak_memory() {
#if defined(__GLIBC__)
    ::malloc_trim(0);  // what the last model left
#endif
    std::ofstream again("/proc/self/clear_refs");
    known_ = static_cast<bool>(again << 5 << std::flush);
  }
  /// Adds the counter peak_GB, where it is known.
  void count(benchmark::State& state) const {
    if (!known_) return;  // it would be an earlier benchmark's
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) state.counters["peak_GB"] = std::stod(line.substr(6)) * 1024 / 1e9;
  }

 private:
  bool known_ = false;
};

}  // namespace bench
