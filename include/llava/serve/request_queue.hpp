// SPDX-License-Identifier: Apache-2.0
/// request_queue: requests that wait for one of a few threads, first come, first served. One whose client is gone
/// leaves the queue at once.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <llava/base/macros.hpp>
#include <llava/serve/http_message.hpp>
#include <llava/serve/http_response.hpp>

LLAVA_BEGIN
namespace serve::detail {

struct queued_request {
  std::uint64_t number = 0;
  std::string body;
  http_response response;
};

class request_queue : public std::enable_shared_from_this<request_queue> {
 public:
  void add(http_request q, http_response r) {
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      number = ++last_;
      waiting_.push_back({number, std::move(q.body), r});
    }
    changed_.notify_one();
    r.on_gone([queue = weak_from_this(), number] {
      if (const auto alive = queue.lock()) alive->forget(number);
    });
  }
  /// Waits for a request; empty: the queue is closed. The request counts until done().
  std::optional<queued_request> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (closed_) return std::nullopt;
    std::optional<queued_request> first(std::move(waiting_.front()));
    waiting_.pop_front();
    ++running_;
    return first;
  }
  void done() {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  /// Drops all waiting requests.
  void close() {
    std::deque<queued_request> dropped;  // is destroyed without the mutex
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      dropped.swap(waiting_);
    }
    changed_.notify_all();
  }
  std::size_t length() const {
    const std::lock_guard lock(mutex_);
    return running_ + waiting_.size();
  }

 private:
  void forget(std::uint64_t number) {
    std::optional<queued_request> dropped;  // is destroyed without the mutex
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& w) { return w.number == number; });
    if (at == waiting_.end()) return;
    dropped.emplace(std::move(*at));
    waiting_.erase(at);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<queued_request> waiting_;
  std::size_t running_ = 0;
  std::uint64_t last_ = 0;
  bool closed_ = false;
};

}  // namespace serve::detail
LLAVA_END
