// SPDX-License-Identifier: Apache-2.0
/// task_pool: a few threads that run tasks when these are notified. A task runs on one thread at a time; a notification
/// while it runs makes it run once more. notify() allocates nothing and waits for nobody, so that it may be called from
/// a step of an engine (answer_request::on_news).
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

class task_pool;

/// Something that a pool runs.
class pool_task {
 public:
  /// With `is_held`, notifications only count until release().
  explicit pool_task(bool is_held = false) : state_(is_held ? running : idle) {}
  pool_task(const pool_task&) = delete;
  pool_task& operator=(const pool_task&) = delete;
  virtual ~pool_task() = default;

 private:
  friend task_pool;
  enum state : int { idle, running, again };
  virtual void run() noexcept = 0;

  std::atomic<int> state_;
  std::shared_ptr<pool_task> next_;  // in the queue
};

/// The threads. The destructor runs what is queued, and joins them. Errors: std::system_error, no threads.
class task_pool {
 public:
  explicit task_pool(std::size_t threads) {
    try {
      for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  task_pool(const task_pool&) = delete;
  task_pool& operator=(const task_pool&) = delete;
  ~task_pool() { stop(); }

  /// Lets the task run once more. It is not copied unless it has to be queued.
  void notify(const std::shared_ptr<pool_task>& task) {
    int was = task->state_.load();
    while (was != pool_task::again)
      if (task->state_.compare_exchange_weak(was, was == pool_task::idle ? pool_task::running : pool_task::again)) {
        if (was == pool_task::idle) push(task);
        return;
      }
  }
  /// Lets a task that was made held run from now on, and once at first.
  void release(const std::shared_ptr<pool_task>& task) {
    task->state_ = pool_task::running;
    push(task);
  }

 private:
  void push(std::shared_ptr<pool_task> task) {
    {
      const std::lock_guard lock(mutex_);
      pool_task* const last = last_;
      last_ = task.get();
      (last ? last->next_ : first_) = std::move(task);
    }
    changed_.notify_one();
  }

  void work() {
    for (;;) {
      std::shared_ptr<pool_task> task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return first_ || is_stopping_; });
        if (!first_) return;
        task = std::move(first_);
        first_ = std::move(task->next_);
        if (!first_) last_ = nullptr;
      }
      task->run();
      int was = pool_task::running;
      if (task->state_.compare_exchange_strong(was, pool_task::idle)) continue;
      task->state_ = pool_task::running;
      push(std::move(task));  // behind the others
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<pool_task> first_;
  pool_task* last_ = nullptr;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace serve
LLAVA_END
