// SPDX-License-Identifier: Apache-2.0
/// admission: how much a server takes on at one time (R12). What does not fit is refused at once, before anything is
/// computed for it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// Counts something up to a limit. Any thread may use it.
class limited_count {
 public:
  explicit limited_count(std::uint64_t most) : most_(most) {}
  bool try_add(std::uint64_t n) {
    std::uint64_t now = count_.load();
    while (n <= most_ && now <= most_ - n)
      if (count_.compare_exchange_weak(now, now + n)) return true;
    return false;
  }
  void remove(std::uint64_t n) { count_ -= n; }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t most_;
  std::atomic<std::uint64_t> count_{0};
};

/// A share of a limited count, given back by the destructor.
class admission {
 public:
  admission() = default;
  explicit admission(std::shared_ptr<limited_count> from) : from_(std::move(from)) {}
  admission(admission&& other) noexcept : from_(std::move(other.from_)), n_(std::exchange(other.n_, 0)) {}
  admission& operator=(admission&& other) noexcept {
    std::swap(from_, other.from_);
    std::swap(n_, other.n_);
    return *this;
  }
  ~admission() {
    if (from_) from_->remove(n_);
  }
  /// Takes n more. Returns false if there is no room.
  bool try_take(std::uint64_t n) {
    if (!from_->try_add(n)) return false;
    n_ += n;
    return true;
  }

 private:
  std::shared_ptr<limited_count> from_;
  std::uint64_t n_ = 0;
};

}  // namespace serve
LLAVA_END
