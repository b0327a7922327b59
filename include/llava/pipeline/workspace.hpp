// SPDX-License-Identifier: Apache-2.0
/// workspace: what one running step needs and a model keeps between steps: a queue with its arena, and the numbers and
/// results of the step in the program's memory. A model makes one for every thread that asks at the same time, and no
/// more.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <llava/base/executor.hpp>
#include <llava/pipeline/step.hpp>

LLAVA_BEGIN

/// A queue with an arena, lent to one step at a time.
template <class B>
struct workspace {
  buffer memory;
  typename B::queue queue;
  packed_step packed;
  step_results results;
  std::vector<sample_draw> draws;  // of the next step's tokens

  workspace(const B& backend, buffer m, executor& threads, const step_limits& limits)
      : memory(std::move(m)), queue(backend, threads, arena(memory.data(), memory.size())), packed(limits) {
    draws.reserve(static_cast<std::size_t>(limits.logit_rows));
  }
};

/// Lends workspaces. Safe from several threads.
template <class B>
class workspace_pool {
 public:
  workspace_pool(const B& backend, executor& threads, const step_limits& limits, std::size_t arena_bytes)
      : backend_(backend), threads_(&threads), limits_(limits), arena_bytes_(arena_bytes) {}

  /// Gives a workspace back when it goes: drained, and without an error that nobody asked for.
  class lease {
   public:
    lease(workspace_pool& pool, std::unique_ptr<workspace<B>> w) : pool_(&pool), workspace_(std::move(w)) {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&&) = delete;
    ~lease() {
      if (!workspace_) return;
      static_cast<void>(workspace_->queue.finish());
      const std::lock_guard<std::mutex> lock(pool_->mutex_);
      pool_->idle_.push_back(std::move(workspace_));  // there is room: see try_lend
    }
    workspace<B>* operator->() const { return workspace_.get(); }
    workspace<B>& operator*() const { return *workspace_; }

   private:
    workspace_pool* pool_;
    std::unique_ptr<workspace<B>> workspace_;
  };

  result<lease> try_lend() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!idle_.empty()) {
        lease l(*this, std::move(idle_.back()));
        idle_.pop_back();
        return result<lease>(std::move(l));
      }
    }
    LLAVA_TRY(memory, backend_.memory().try_allocate(arena_bytes_, "activations"));
    auto made = std::make_unique<workspace<B>>(backend_, std::move(memory), *threads_, limits_);
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.reserve(made_ + 1);
    ++made_;
    return lease(*this, std::move(made));
  }

 private:
  [[no_unique_address]] B backend_;
  executor* threads_;
  step_limits limits_;
  std::size_t arena_bytes_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<workspace<B>>> idle_;
  std::size_t made_ = 0;  // workspaces there are, lent ones too
};

LLAVA_END
