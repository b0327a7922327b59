// SPDX-License-Identifier: Apache-2.0
/// host_queue: the queue of backends whose memory is the program's own. Ops run when they are called, on the executor's
/// threads, so first in is first out. In a planning arena an op takes its scratch memory and does nothing else.
#pragma once
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

  /// parallel_for_dynamic on the queue's threads.
  template <class F>
  void share(std::ptrdiff_t n, F&& piece) {
    parallel_for_dynamic(*threads_, n, piece);
  }

 private:
  executor* threads_;
  arena workspace_;
};

LLAVA_END
