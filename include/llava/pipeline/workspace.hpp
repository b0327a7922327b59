// SPDX-License-Identifier: Apache-2.0
/// workspace: the resources of one running step, which a model keeps between steps: a queue with its arena, and the
/// inputs and results of the step in host memory. A model makes one for each concurrent call, and no more.
#pragma once
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/pipeline/packed_step.hpp>
#include <llava/pipeline/step_request.hpp>

LLAVA_BEGIN

/// Runs steps, one at a time.
class workspace {
 public:
  virtual ~workspace() = default;

  /// Runs a step (pipeline/step.hpp) and writes `results`.
  virtual result<void> run(const step_request& asked, function_ref<bool()> go_on) = 0;
  /// Waits for running ops and discards an unread error.
  virtual void settle() noexcept = 0;

  step_results results;
  std::vector<sampling_params> draws;  ///< of the next step, set by the caller

 protected:
  explicit workspace(const step_limits& limits) : packed(limits) {
    draws.reserve(static_cast<std::size_t>(limits.logit_rows));
  }
  packed_step packed;
};

/// Lends workspaces. Thread-safe.
class workspace_pool {
 public:
  using maker = function_ref<result<std::unique_ptr<workspace>>()>;

  /// Settles and returns a workspace on destruction.
  class lease {
   public:
    lease(workspace_pool& pool, std::unique_ptr<workspace> w) : pool_(&pool), workspace_(std::move(w)) {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&&) = delete;
    ~lease() {
      if (!workspace_) return;
      workspace_->settle();
      const std::lock_guard<std::mutex> lock(pool_->mutex_);
      pool_->idle_.push_back(std::move(workspace_));  // try_lend has reserved room
    }
    workspace* operator->() const { return workspace_.get(); }
    workspace& operator*() const { return *workspace_; }

   private:
    workspace_pool* pool_;
    std::unique_ptr<workspace> workspace_;
  };

  /// Lends an idle workspace, or else a new one.
  result<lease> try_lend(maker make) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!idle_.empty()) {
        lease l(*this, std::move(idle_.back()));
        idle_.pop_back();
        return result<lease>(std::move(l));
      }
    }
    LLAVA_TRY(made, make());
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.reserve(made_ + 1);
    ++made_;
    return lease(*this, std::move(made));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<workspace>> idle_;
  std::size_t made_ = 0;  // number of workspaces, lent ones included
};

LLAVA_END
