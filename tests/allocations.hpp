// SPDX-License-Identifier: Apache-2.0
/// Counts what the test program allocates with new, and refuses an allocation on request. The operators are defined in
/// tests/allocations.cpp.
#pragma once
#include <atomic>
#include <cstddef>

namespace allocations {

inline std::atomic<long> made{0};                   ///< since program start
inline std::atomic<std::size_t> bytes{0}, most{0};  ///< in use now, and the peak

inline std::atomic<long> left{-1};  ///< allocations that succeed before one is refused; negative: none is refused

/// Refuses one allocation after `after` successful ones, as long as this object lives.
class refuse_one {
 public:
  explicit refuse_one(long after) { left = after; }
  refuse_one(const refuse_one&) = delete;
  refuse_one& operator=(const refuse_one&) = delete;
  ~refuse_one() { left = -1; }
  /// Whether an allocation has been refused.
  bool refused() const { return left.load() < 0; }
};

/// The peak of allocated bytes since construction, minus the bytes in use then.
class peak_since_here {
 public:
  peak_since_here() : before_(bytes.load()) { most = before_; }
  std::size_t bytes_at_most() const { return most.load() - before_; }

 private:
  std::size_t before_;
};

}  // namespace allocations
