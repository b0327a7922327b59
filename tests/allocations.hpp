// SPDX-License-Identifier: Apache-2.0
/// What the test program allocates with new, counted. The counting operators stand in tests/allocations.cpp.
#pragma once
#include <atomic>
#include <cstddef>

namespace allocations {

inline std::atomic<long> made{0};                   ///< since the program began
inline std::atomic<std::size_t> bytes{0}, most{0};  ///< that live now, and the most that have lived

/// The most bytes that have lived since this object was made, beyond those that lived then.
class peak_since_here {
 public:
  peak_since_here() : before_(bytes.load()) { most = before_; }
  std::size_t bytes_at_most() const { return most.load() - before_; }

 private:
  std::size_t before_;
};

}  // namespace allocations
