// SPDX-License-Identifier: Apache-2.0
/// host_queue: the queue of backends whose memory is the program's own. Ops run when they are called, on the executor's
/// threads, and therefore in order. In a planning arena an op only allocates its scratch memory. An op is
///
///   void op(queue& q, matrix_view<float> y, …) {
///     if (!q.accepts(ops::op_shapes(y, …))) return;      operands are valid, and no earlier op failed
///     arena_scope scope(q.workspace());
///     float* scratch = q.workspace().allocate<float>(…);
///     q.submit([&](workers on) { … });                   only the body has threads and may touch memory
///   }
///
/// The queue keeps the first error. After it no op runs until finish() returns the error and clears it.
#pragma once
#include <cstddef>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/ops/shapes.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// The threads of an op, passed to its body. A queue that plans, or has failed, runs no body.
class workers {
 public:
  int concurrency() const { return threads_->concurrency(); }

  /// Cuts [0, n) into at most `pieces` contiguous ranges and calls piece(first, last) for each.
  template <class F>
  void split(std::ptrdiff_t n, std::ptrdiff_t pieces, F&& piece) const {
    if (pieces > n) pieces = n;
    if (pieces < 1) return;
    threads_->parallel_for(static_cast<int>(pieces), [&](int i) { piece(n * i / pieces, n * (i + 1) / pieces); });
  }

  /// parallel_for_dynamic on the queue's threads.
  template <class F>
  void split_dynamic(std::ptrdiff_t n, F&& piece) const {
    parallel_for_dynamic(*threads_, n, piece);
  }

 private:
  friend class host_queue;
  explicit workers(executor& threads) : threads_(&threads) {}
  executor* threads_;
};

/// The base of the queues of host backends: threads, an arena, and the first error.
class host_queue {
 public:
  static constexpr bool runs_at_once = true;

  template <class B>
  host_queue(const B&, executor& threads, arena workspace) : threads_(&threads), workspace_(workspace) {}
  host_queue(const host_queue&) = delete;
  host_queue& operator=(const host_queue&) = delete;

  arena& workspace() { return workspace_; }
  int concurrency() const { return threads_->concurrency(); }

  /// Whether an op may continue. Operands that violate its contract are an error of the queue.
  bool accepts(const ops::shapes& operands) {
    if (!operands.fit()) [[unlikely]]
      reject(fail(errc::mismatch, operands.sentence()));
    const bool good = is_good();
    if (good && workspace_.planning()) workspace_.note_written(operands.written());
    return good;
  }

  /// Runs body(workers), the body of an op, unless the queue plans or has failed.
  template <class F>
  void submit(F&& body) {
    if (!workspace_.planning() && is_good()) body(workers(*threads_));
  }

  /// Keeps an error that the body of an op finds, if it is the first. Called only on the thread that called the op.
  [[gnu::cold]] void reject(error e) {
    if (state_) state_ = std::move(e);
  }

  /// Returns the first error and clears it. Ops have already run, so there is nothing to wait for.
  result<void> finish() {
    is_good();
    if (workspace_.overrun()) workspace_.forget_overrun();
    return std::exchange(state_, {});
  }

 private:
  bool is_good() {
    if (workspace_.overrun() && state_) [[unlikely]]
      reject(fail(errc::out_of_memory,
                  text_of("llava: a step takes ", workspace_.peak(), " bytes of memory, expected at most ",
                          workspace_.capacity(),
                          " as planned; the memory that an op or a projector takes may depend on sizes only")));
    return static_cast<bool>(state_);
  }

  executor* threads_;
  arena workspace_;
  result<void> state_;
};

LLAVA_END
