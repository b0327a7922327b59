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

  /// Queues a step, and waits for its results (begin_step and finish_step in pipeline/step.hpp). Two steps may be
  /// under way if the queue runs ahead; the older one is finished first.
  virtual result<void> begin(const step_request& asked, function_ref<bool()> go_on, step_results& to) = 0;
  virtual result<void> finish(const step_results& begun) = 0;
  virtual bool may_run_ahead() const = 0;
  /// Runs a whole step, writes `results`, and counts its tokens in the caches.
  result<void> run(const step_request& asked, function_ref<bool()> go_on) {
    LLAVA_CHECK(begin(asked, go_on, results));
    LLAVA_CHECK(finish(results));
    for (const step_part& p : asked.parts) p.cache->set_tokens(p.cache->tokens() + static_cast<int>(p.tokens.size()));
    return {};
  }
  /// Waits for running ops and discards an unread error.
  virtual void settle() noexcept = 0;

  step_results results;                ///< of run()
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
