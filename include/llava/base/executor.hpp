// SPDX-License-Identifier: Apache-2.0
/// executor: where the pieces of an op run. Pieces are independent and no piece waits for another, so any pool will do:
/// a host passes its own by deriving from `executor`. What an op computes does not depend on how its pieces are spread.
///
/// What an executor can run at the same time is asked for once, when a model is opened: its scratch memory is made for
/// that many pieces, and a host's pool may grow later.
///
/// thread_pool is ours: workers that spin for a moment after a job, because the next op follows within microseconds,
/// and then sleep. A worker that the system has put aside costs nothing unless it holds a piece; then the caller spins
/// for a moment too and sleeps, so that its own processor is free for that worker.
#pragma once
#include <pthread.h>
#include <sys/sysinfo.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// What runs the pieces of an op: the library's thread_pool, or the host's threads.
class executor {
 public:
  virtual ~executor() = default;
  /// How many pieces can run at the same time; at least 1.
  virtual int concurrency() const = 0;
  /// Calls piece(0) … piece(pieces - 1), in any order, on any threads, and returns when all have returned. May be
  /// called from several threads at once. Pieces neither throw nor allocate.
  virtual void parallel_for(int pieces, function_ref<void(int)> piece) = 0;
};

/// Everything on the calling thread.
class serial_executor final : public executor {
 public:
  int concurrency() const override { return 1; }
  void parallel_for(int pieces, function_ref<void(int)> piece) override {
    for (int i = 0; i < pieces; ++i) piece(i);
  }
};

/// Runs piece(i, slot) for i in [0, n), in no order. Each thread takes the next piece when it has done one, so that a
/// thread which the system has put aside delays no more than its own piece; no two pieces that run at the same time
/// have the same slot, a number below concurrency() (for scratch memory, which pieces do not allocate themselves).
template <class F>
void parallel_for_dynamic(executor& threads, std::ptrdiff_t n, F&& piece) {
  const std::ptrdiff_t runners = n < threads.concurrency() ? n : threads.concurrency();
  std::atomic<std::ptrdiff_t> next{0};
  threads.parallel_for(static_cast<int>(runners), [&](int slot) {
    for (std::ptrdiff_t i = next.fetch_add(1, std::memory_order_relaxed); i < n;
         i = next.fetch_add(1, std::memory_order_relaxed))
      piece(i, std::ptrdiff_t{slot});
  });
}

/// Another executor, whose concurrency was asked for once.
class steady_executor final : public executor {
 public:
  explicit steady_executor(std::shared_ptr<executor> inner)
      : inner_(std::move(inner)), concurrency_(inner_->concurrency()) {}
  int concurrency() const override { return concurrency_; }
  void parallel_for(int pieces, function_ref<void(int)> piece) override { inner_->parallel_for(pieces, piece); }

 private:
  std::shared_ptr<executor> inner_;
  int concurrency_;
};

/// Threads of the library's own, which spin for a moment before they sleep.
class thread_pool final : public executor {
 public:
  /// As many as any pool has.
  static constexpr int most_threads = 1024;

  /// `threads` in all, the calling one included, at most most_threads; 0 or less: as many as the process may use
  /// processors. Fewer when the system refuses to make more: concurrency() says how many there are.
  explicit thread_pool(int threads = 0) {
    if (threads <= 0) threads = ::get_nprocs();
    if (threads > most_threads) threads = most_threads;
    workers_.reserve(static_cast<std::size_t>(threads));
    // Not std::thread: a thread that cannot be made ends a program without exceptions.
    for (pthread_t worker; concurrency() < threads; workers_.push_back(worker))
      if (::pthread_create(&worker, nullptr, &begin, this) != 0) break;
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() override {
    stop_.store(true);
    epoch_.fetch_add(1);
    epoch_.notify_all();
    for (const pthread_t w : workers_) ::pthread_join(w, nullptr);
  }

  int concurrency() const override { return static_cast<int>(workers_.size()) + 1; }

  void parallel_for(int pieces, function_ref<void(int)> piece) override {
    // A second caller runs its pieces itself: the workers are busy with the first one's.
    std::unique_lock<std::mutex> owner(submit_, std::try_to_lock);
    if (!owner || workers_.empty() || pieces < 2) {
      for (int i = 0; i < pieces; ++i) piece(i);
      return;
    }
    job_ = &piece;
    pieces_ = pieces;
    next_.store(0, std::memory_order_relaxed);
    open_.store(true);
    epoch_.fetch_add(1);
    if (sleepers_.load() > 0) epoch_.notify_all();
    run_pieces();
    open_.store(false);
    // Pieces already taken by workers.
    for (int spin = 0; spin < spins && active_.load(std::memory_order_relaxed) != 0; ++spin) LLAVA_PAUSE();
    for (int n = active_.load(); n != 0; n = active_.load()) active_.wait(n);
  }

 private:
  void run_pieces() {
    for (int i = next_.fetch_add(1); i < pieces_; i = next_.fetch_add(1)) (*job_)(i);
  }

  static void* begin(void* pool) {
    static_cast<thread_pool*>(pool)->work();
    return nullptr;
  }

  void work() {
    unsigned seen = 0;
    while (!stop_.load()) {
      for (int spin = 0; spin < spins && epoch_.load(std::memory_order_relaxed) == seen; ++spin) LLAVA_PAUSE();
      if (epoch_.load() == seen) {
        sleepers_.fetch_add(1);
        epoch_.wait(seen);
        sleepers_.fetch_sub(1);
      }
      seen = epoch_.load();
      // Registering before looking at `open_` pins the job: its owner closes it first and then waits for `active_`.
      active_.fetch_add(1);
      if (open_.load()) run_pieces();
      if (active_.fetch_sub(1) == 1) active_.notify_one();  // only the caller waits for it
    }
  }

  static constexpr int spins = 4000;  // some 50 microseconds

  std::vector<pthread_t> workers_;
  std::mutex submit_;
  std::atomic<unsigned> epoch_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<int> active_{0};
  std::atomic<int> next_{0};
  std::atomic<bool> open_{false};
  std::atomic<bool> stop_{false};
  const function_ref<void(int)>* job_ = nullptr;
  int pieces_ = 0;
};

LLAVA_END
