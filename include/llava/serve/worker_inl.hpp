// SPDX-License-Identifier: Apache-2.0
/// Definitions of worker.hpp.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/relay.hpp>
#include <llava/serve/request_queue.hpp>
#include <llava/serve/system_errors.hpp>
#include <llava/serve/worker.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// What stands behind a worker: the queue and its threads, the thread of the heartbeats.
class worker_state {
 public:
  explicit worker_state(worker_settings s) : settings_(std::move(s)) {}

  ~worker_state() {
    server_.reset();  // requests that are answered see that their clients are gone
    queue_->close();
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& t : threads_) t.join();
    if (heart_.joinable()) heart_.join();
  }

  result<void> try_run(function_ref<result<std::shared_ptr<worker_model>>()> make_model) {
    http_routes routes;
    routes.add("POST", "/worker_get_status",
               [this](http_request, http_response r) { r.reply_json(200, status(",", ":")); });
    routes.add("POST", "/worker_generate_stream",
               [this](http_request q, http_response r) { queue_->add(std::move(q), std::move(r)); });
    LLAVA_TRY(started, http_server::try_start(settings_.http, std::move(routes), [&]() -> result<void> {
                LLAVA_TRY(made, make_model());
                model_ = std::move(made);
                return {};
              }));
    server_.emplace(std::move(started));
    if (settings_.worker_address.empty()) settings_.worker_address = text_of("http://localhost:", server_->port());
    return without_exceptions("start a thread", [&]() -> result<void> {
      for (std::size_t i = 0; i < settings_.limit; ++i) threads_.emplace_back([this] { answer_requests(); });
      if (!settings_.registers) return {};
      LLAVA_CHECK(try_register());
      heart_ = std::thread([this] { send_heart_beats(); });
      return {};
    });
  }

  std::uint16_t port() const { return server_->port(); }
  std::size_t queue_length() const { return queue_->length(); }
  bool drain(std::chrono::milliseconds longest) { return server_->drain(longest); }

 private:
  std::string status(std::string_view comma, std::string_view colon) const {
    const bool is_reply = comma == ",";
    const std::string name = is_reply ? fastapi_json_string(model_->name()) : python_json_string(model_->name());
    return text_of("{\"model_names\"", colon, "[", name, "]", comma, "\"speed\"", colon, "1", comma, "\"queue_length\"",
                   colon, queue_length(), "}");
  }

  void answer_requests() {
    while (const auto taken = queue_->take()) {
      const http_response& r = taken->response;
      beat();
      if (r.begin(200, stream_type)) {
        answer_in_records(
            *model_, taken->body, r.gone(),
            [&](std::string_view record) { return wait_for_client(r) && r.write_record(record); }, settings_.log);
        r.end();
      }
      queue_->done();
      beat();
    }
  }

  http_call call_of(std::string_view path, std::string body) {
    http_call call;
    call.url = settings_.controller_address + std::string(path);
    call.body = std::move(body);
    call.longest = 64 << 10;
    if (!settings_.worker_token.empty()) call.headers = {{"Authorization", "Bearer " + settings_.worker_token}};
    call.stop = stopping_{this};
    return call;
  }

  result<void> try_register() {
    http_call call =
        call_of("/register_worker", "{\"worker_name\": " + python_json_string(settings_.worker_address) +
                                        ", \"check_heart_beat\": true, \"worker_status\": " + status(", ", ": ") + "}");
    call.silence = 4 * call.silence;
    LLAVA_TRY(reply, try_call(call));
    if (reply.status == 200) return {};
    const std::string_view why = reply.status == 401   ? "it needs the token of its workers: --token"
                                 : reply.status == 403 ? "it does not allow this address: its --allow-worker does"
                                                       : "is it a controller of LLaVA?";
    return fail(errc::io, text_of("llava: the controller refused the worker ", settings_.worker_address,
                                  " with status ", reply.status, "; ", why));
  }

  /// Asks for a heartbeat now.
  void beat() {
    {
      const std::lock_guard lock(mutex_);
      is_due_ = true;
    }
    changed_.notify_all();
  }

  void send_heart_beats() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait_for(lock, settings_.heart_beat, [this] { return is_stopping_ || is_due_; });
      if (is_stopping_) return;
      is_due_ = false;
      lock.unlock();
      const result<void> sent = try_beat();
      if (!sent && settings_.log) settings_.log(text_of("heart beat error: ", sent.error().what()));
      lock.lock();
      if (sent) continue;
      changed_.wait_for(lock, settings_.retry, [this] { return is_stopping_; });
      is_due_ = true;
    }
  }

  result<void> try_beat() {
    LLAVA_TRY(reply, try_call(call_of("/receive_heart_beat",
                                      "{\"worker_name\": " + python_json_string(settings_.worker_address) +
                                          ", \"queue_length\": " + std::to_string(queue_length()) + "}")));
    const auto told = try_parse_json("the reply", reply.body);
    const json_value* const exist = told ? told->find("exist") : nullptr;
    if (reply.status != 200 || !exist || !exist->boolean())
      return fail(errc::io, text_of("llava: the controller answered a heartbeat with status ", reply.status));
    return *exist->boolean() ? result<void>() : try_register();
  }

  /// Ends calls when the worker stops.
  struct stopping_ {
    worker_state* state;
    bool stop_requested() const noexcept {
      const std::lock_guard lock(state->mutex_);
      return state->is_stopping_;
    }
  };

  worker_settings settings_;
  std::shared_ptr<worker_model> model_;
  const std::shared_ptr<request_queue> queue_ = std::make_shared<request_queue>();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false, is_due_ = false;
  std::optional<http_server> server_;
  std::vector<std::thread> threads_;
  std::thread heart_;
};

}  // namespace detail

LLAVA_INLINE result<worker> worker::try_start(worker_settings settings,
                                              function_ref<result<std::shared_ptr<worker_model>>()> make_model) {
  return detail::without_exceptions("start a worker", [&]() -> result<worker> {
    if (settings.limit < 1 || settings.limit > 256)
      return fail(errc::invalid_argument,
                  text_of("llava: a worker answers 1 to 256 requests at one time, not ", settings.limit));
    auto state = std::make_shared<detail::worker_state>(std::move(settings));
    LLAVA_CHECK(state->try_run(make_model));
    return result<worker>(worker(std::move(state)));
  });
}

LLAVA_INLINE worker::worker(std::shared_ptr<detail::worker_state> state) : state_(std::move(state)) {}
LLAVA_INLINE worker::worker(worker&&) noexcept = default;
LLAVA_INLINE worker& worker::operator=(worker&&) noexcept = default;
LLAVA_INLINE worker::~worker() = default;
LLAVA_INLINE std::uint16_t worker::port() const { return state_->port(); }
LLAVA_INLINE std::size_t worker::queue_length() const { return state_->queue_length(); }
LLAVA_INLINE bool worker::drain(std::chrono::milliseconds longest) { return state_->drain(longest); }

}  // namespace serve
LLAVA_END
