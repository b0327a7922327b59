// SPDX-License-Identifier: Apache-2.0
/// controller_state: what stands behind a controller: the table under a mutex, the calls to workers, the routes.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/serve/api_keys.hpp>
#include <llava/serve/controller_settings.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/worker_allow_list.hpp>

LLAVA_BEGIN
namespace serve::detail {

class controller_state {
 public:
  controller_state(controller_settings s, api_keys token, worker_allow_list allowed)
      : settings_(std::move(s)), token_(std::move(token)), allowed_(std::move(allowed)) {}
  ~controller_state();

  result<void> try_run();
  std::uint16_t port() const { return server_->port(); }
  std::vector<worker_entry> workers() const;
  void remove_silent_workers();
  bool drain(std::chrono::milliseconds longest) { return server_->drain(longest); }

 private:
  http_routes routes();
  void register_worker(const http_request& q, const http_response& r);
  void refresh();
  void heart_beat(const http_request& q, const http_response& r);
  void pass_on(const http_request& q, const http_response& r);
  std::string status_of_all();

  /// Asks a worker for its status; empty: it does not answer as a worker does.
  std::optional<worker_status> ask(const worker_entry& w, const stop_signal& stop = {}) const;
  http_call call_to(const worker_entry& w, std::string_view path) const;
  std::string choose(std::string_view model);
  std::optional<worker_entry> entry_of(std::string_view name) const;
  bool may_register(const http_request& q) const;
  worker_entry::time now() const { return settings_.now ? settings_.now() : std::chrono::steady_clock::now(); }
  void log(std::string_view line) const {
    if (settings_.log) settings_.log(line);
  }

  const controller_settings settings_;
  const api_keys token_;
  const worker_allow_list allowed_;
  mutable std::mutex mutex_;
  std::condition_variable stopping_;
  bool is_stopping_ = false;
  worker_table table_;
  std::minstd_rand drawn_{std::random_device{}()};
  std::thread clock_;
  std::optional<http_server> server_;  // the last member: its handlers use the others
};

/// Reads a worker's status; empty if it is not valid: names are missing, a number is negative.
std::optional<worker_status> worker_status_of(const json_value& v);

}  // namespace serve::detail
LLAVA_END
