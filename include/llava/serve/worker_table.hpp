// SPDX-License-Identifier: Apache-2.0
/// worker_table: the workers that a controller knows, in the order of their first registration, and the choice of one
/// for a request, as in LLaVA's controller. It reads no clock and draws no random number: both come with the calls.
///
/// shortest_queue takes the least queue_length / speed; of equal ones the first. It then counts one request more for
/// that worker, until the worker's next heartbeat. lottery draws a worker with a probability proportional to its speed.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

enum class dispatch_method { lottery, shortest_queue };

/// What a worker tells of itself.
struct worker_status {
  std::vector<std::string> model_names = {};
  double speed = 1;  ///< relative to other workers; not negative
  double queue_length = 0;
};

/// A registered worker.
struct worker_entry {
  using time = std::chrono::steady_clock::time_point;

  std::string name = {};  ///< its address: http://HOST:PORT
  worker_status status = {};
  bool check_heart_beat = true;  ///< whether it is forgotten when its heartbeats cease
  time last_heart_beat = {};
  std::string peer = {};  ///< the IP address that registered it
};

/// See the top of this file. It is not synchronised.
class worker_table {
 public:
  using time = worker_entry::time;

  /// The most workers, so that nobody fills the memory.
  static constexpr std::size_t most = 1024;

  /// Adds a worker, or overwrites the one with this name, which keeps its place. False: the table is full.
  bool set(worker_entry made) {
    if (worker_entry* const known = find(made.name)) {
      *known = std::move(made);
      return true;
    }
    if (all_.size() == most) return false;
    all_.push_back(std::move(made));
    return true;
  }

  worker_entry* find(std::string_view name) {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const worker_entry& w) { return w.name == name; });
    return at == all_.end() ? nullptr : &*at;
  }
  const std::vector<worker_entry>& all() const { return all_; }

  void remove(std::string_view name) {
    std::erase_if(all_, [&](const worker_entry& w) { return w.name == name; });
  }
  /// Removes the workers that are to send heartbeats and whose last is older than `longest`.
  void remove_silent(time now, std::chrono::milliseconds longest) {
    std::erase_if(all_, [&](const worker_entry& w) { return w.check_heart_beat && w.last_heart_beat < now - longest; });
  }

  /// The models of all workers, each once, in order.
  std::vector<std::string> models() const {
    std::vector<std::string> out;
    for (const worker_entry& w : all_)
      for (const std::string& m : w.status.model_names)
        if (std::find(out.begin(), out.end(), m) == out.end()) out.push_back(m);
    return out;
  }

  /// The address of a worker for a request, or an empty text. `random` is in [0, 1), for the lottery.
  std::string choose(std::string_view model, dispatch_method how, double random) {
    std::vector<worker_entry*> able;
    for (worker_entry& w : all_)
      if (const auto& m = w.status.model_names; std::find(m.begin(), m.end(), model) != m.end()) able.push_back(&w);
    return how == dispatch_method::lottery ? draw(able, random) : shortest(able);
  }

 private:
  static std::string draw(const std::vector<worker_entry*>& able, double random) {
    double sum = 0;
    for (const worker_entry* w : able) sum += w->status.speed;
    if (sum < 1e-4) return {};
    double left = random * sum;
    const worker_entry* last = nullptr;
    for (const worker_entry* w : able) {
      if (w->status.speed <= 0) continue;
      last = w;
      if ((left -= w->status.speed) < 0) break;
    }
    return last->name;
  }
  static std::string shortest(const std::vector<worker_entry*>& able) {
    worker_entry* best = nullptr;
    // a / b < c / d without a division: a speed may be 0
    for (worker_entry* w : able)
      if (!best || w->status.queue_length * best->status.speed < best->status.queue_length * w->status.speed) best = w;
    if (!best) return {};
    best->status.queue_length += 1;
    return best->name;
  }

  std::vector<worker_entry> all_;
};

}  // namespace serve
LLAVA_END
