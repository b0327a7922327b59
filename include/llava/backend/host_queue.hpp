// SPDX-License-Identifier: Apache-2.0
/// host_queue: the queue of backends whose memory is the program's own. Ops run when they are called, on the executor's
/// threads, so first in is first out. In a planning arena an op takes its scratch memory and does nothing else.
#pragma once
#include <atomic>
#include <cstddef>

#include <llava/base/executor.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// What the queues of host backends share: threads and an arena.
class host_queue {
 public:
  host_queue(executor& threads, arena workspace) : threads_(&threads), workspace_(workspace) {}
  host_queue(const host_queue&) = delete;
  host_queue& operator=(const host_queue&) = delete;

  arena& workspace() { return workspace_; }
  int concurrency() const { return threads_->concurrency(); }

  /// Runs the body of an op.
  template <class F>
  void submit(F&& body) {
    if (!workspace_.planning()) body();
  }

  /// Waits until everything queued has run: nothing to wait for here.
  void finish() {}

  /// Runs piece(first, last) over [0, n) cut into at most `pieces` runs of neighbours.
  template <class F>
  void split(std::ptrdiff_t n, std::ptrdiff_t pieces, F&& piece) {
    if (pieces > n) pieces = n;
    if (pieces < 1) return;
    threads_->parallel_for(static_cast<int>(pieces), [&](int i) { piece(n * i / pieces, n * (i + 1) / pieces); });
  }

  /// Runs piece(i, slot) for i in [0, n), in no order. Each thread takes the next piece when it has done one, so that a
  /// thread which the system has put aside delays no more than its own piece; no two pieces that run at the same time have
  /// the same slot, a number below concurrency() (for scratch memory).
  template <class F>
  void share(std::ptrdiff_t n, F&& piece) {
    const std::ptrdiff_t slots = n < concurrency() ? n : concurrency();
    std::atomic<std::ptrdiff_t> next{0};
    threads_->parallel_for(static_cast<int>(slots), [&](int slot) {
      for (std::ptrdiff_t i = next.fetch_add(1, std::memory_order_relaxed); i < n;
           i = next.fetch_add(1, std::memory_order_relaxed))
        piece(i, std::ptrdiff_t{slot});
    });
  }

 private:
  executor* threads_;
  arena workspace_;
};

LLAVA_END
