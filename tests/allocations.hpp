// SPDX-License-Identifier: Apache-2.0
/// What the test program allocates with new, counted, and refused on request. The operators stand in
/// tests/allocations.cpp.
#pragma once
#include <atomic>
#include <cstddef>

namespace allocations {

inline std::atomic<long> made{0};                   ///< since the program began
inline std::atomic<std::size_t> bytes{0}, most{0};  ///< that live now, and the most that have lived

inline std::atomic<long> left{-1};  ///< allocations that still succeed before one is refused; negative: all do

/// Refuses one allocation, after so many, as long as this object lives.
class refuse_one {
 public:
  explicit refuse_one(long after) { left = after; }
  refuse_one(const refuse_one&) = delete;
  refuse_one& operator=(const refuse_one&) = delete;
  ~refuse_one() { left = -1; }
  /// Whether it came to that.
  bool refused() const { return left.load() < 0; }
};

/// The most bytes that have lived since this object was made, beyond those that lived then.
class peak_since_here {
 public:
  peak_since_here() : before_(bytes.load()) { most = before_; }
  std::size_t bytes_at_most() const { return most.load() - before_; }

 private:
  std::size_t before_;
};

}  // namespace allocations
