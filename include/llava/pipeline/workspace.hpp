// SPDX-License-Identifier: Apache-2.0
/// workspace: what one running step needs and a model keeps between steps: a queue with its arena, and the numbers and
/// results of the step in the program's memory. A model makes one for every thread that asks at the same time, and no
/// more.
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

/// Where steps run, one at a time.
class workspace {
 public:
  virtual ~workspace() = default;

  /// Runs a step (pipeline/step.hpp); its results are in `results`.
  virtual result<void> run(const step_request& asked, function_ref<bool()> go_on) = 0;
  /// Waits for what was begun; an error that nobody asked for is forgotten.
  virtual void settle() noexcept = 0;

  step_results results;
  std::vector<sampling_params> draws;  ///< of the next step, for whoever asks

 protected:
  explicit workspace(const step_limits& limits) : packed(limits) {
    draws.reserve(static_cast<std::size_t>(limits.logit_rows));
  }
  packed_step packed;
};

/// Lends workspaces. Safe from several threads.
class workspace_pool {
 public:
  using maker = function_ref<result<std::unique_ptr<workspace>>()>;

  /// Gives a workspace back when it goes, settled.
  class lease {
   public:
    lease(workspace_pool& pool, std::unique_ptr<workspace> w) : pool_(&pool), workspace_(std::move(w)) {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&&) = delete;
    ~lease() {
      if (!workspace_) return;
      workspace_->settle();
      const std::lock_guard<std::mutex> lock(pool_->mutex_);
      pool_->idle_.push_back(std::move(workspace_));  // there is room: see try_lend
    }
    workspace* operator->() const { return workspace_.get(); }
    workspace& operator*() const { return *workspace_; }

   private:
    workspace_pool* pool_;
    std::unique_ptr<workspace> workspace_;
  };

  /// One that is idle, or else a new one.
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
  std::size_t made_ = 0;  // workspaces there are, lent ones too
};

LLAVA_END
