// SPDX-License-Identifier: Apache-2.0
/// executor: runs the pieces of an op. Pieces are independent and never wait for each other, so any thread pool works:
/// a host program derives from `executor` to pass its own. The result of an op does not depend on the threads that run
/// its pieces.
///
/// A model reads concurrency() once, when it is opened, because a host's pool may grow later. It allocates scratch
/// memory for that many pieces.
///
/// thread_pool is the library's own. Its workers spin briefly after a job, because the next op follows within
/// microseconds, and then sleep. A descheduled worker delays a job only if it holds a piece. The caller then spins
/// briefly and sleeps, which frees its processor for that worker.
#pragma once
#include <pthread.h>
#include <sched.h>
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

/// Runs the pieces of an op, on the library's thread_pool or on the host's threads.
class executor {
 public:
  virtual ~executor() = default;
  /// Number of pieces that can run at the same time; at least 1.
  virtual int concurrency() const = 0;
  /// Calls piece(0) … piece(pieces - 1) in any order on any threads, and returns when all have returned. Several
  /// threads may call it at once. Pieces neither throw nor allocate.
  virtual void parallel_for(int pieces, function_ref<void(int)> piece) = 0;
};

/// Runs all pieces on the calling thread.
class serial_executor final : public executor {
 public:
  int concurrency() const override { return 1; }
  void parallel_for(int pieces, function_ref<void(int)> piece) override {
    for (int i = 0; i < pieces; ++i) piece(i);
  }
};

/// Runs piece(i, slot) for i in [0, n), in any order. Each thread takes the next piece when it finishes one, so a
/// descheduled thread delays only its own piece. Pieces that run at the same time have different slots from 0 to
/// concurrency() - 1. A slot indexes scratch memory; pieces do not allocate.
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

/// Wraps an executor and reads its concurrency once.
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

/// The library's own threads, which spin briefly before they sleep.
class thread_pool final : public executor {
 public:
  /// Largest number of threads in a pool.
  static constexpr int most_threads = 1024;

  /// Makes `threads` threads, the calling one included, at most most_threads; 0 or less: one per processor that the
  /// process may use. If the system refuses some, the pool has fewer: concurrency() is the actual number.
  explicit thread_pool(int threads = 0) {
    if (threads <= 0) threads = usable_processors();
    if (threads > most_threads) threads = most_threads;
    workers_.reserve(static_cast<std::size_t>(threads));
    // Not std::thread: without exceptions it ends the program when a thread cannot be created.
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

  /// Number of processors in the affinity mask of the calling thread, which its workers inherit.
  static int usable_processors() {
    for (std::size_t most = CPU_SETSIZE; most <= std::size_t{1} << 20; most *= 2) {
      const std::size_t bytes = CPU_ALLOC_SIZE(most);
      cpu_set_t* const mask = CPU_ALLOC(most);
      if (!mask) break;
      const bool is_read = ::sched_getaffinity(0, bytes, mask) == 0;  // fails if the system's mask is larger
      const int count = is_read ? CPU_COUNT_S(bytes, mask) : 0;
      CPU_FREE(mask);
      if (is_read) return count;
    }
    return ::get_nprocs();
  }

  int concurrency() const override { return static_cast<int>(workers_.size()) + 1; }

  void parallel_for(int pieces, function_ref<void(int)> piece) override {
    // A second caller runs its pieces itself: the workers are busy with the first caller's.
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
    // Waits for the pieces that workers have taken.
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
      // Incrementing `active_` before reading `open_` pins the job: its owner clears `open_` first and then waits for
      // `active_`.
      active_.fetch_add(1);
      if (open_.load()) run_pieces();
      if (active_.fetch_sub(1) == 1) active_.notify_one();  // only the caller waits for `active_`
    }
  }

  static constexpr int spins = 4000;  // about 50 microseconds

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
