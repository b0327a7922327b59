// SPDX-License-Identifier: Apache-2.0
/// stopwatch: wall time.
#pragma once
#include <chrono>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Measures wall time from its construction on.
class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

LLAVA_END
