// SPDX-License-Identifier: Apache-2.0
/// Definitions of controller.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/controller.hpp>
#include <llava/serve/controller_state.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/relay.hpp>
#include <llava/serve/system_errors.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

LLAVA_INLINE std::optional<worker_status> worker_status_of(const json_value& v) {
  const json_value *const names = v.find("model_names"), *const speed = v.find("speed"),
                          *const length = v.find("queue_length");
  if (!names || !names->is_array() || names->items().size() > 1000 || !speed || !length) return std::nullopt;
  worker_status s;
  for (const json_value& name : names->items()) {
    if (!name.text() || name.text()->size() > 1024) return std::nullopt;
    s.model_names.push_back(*name.text());
  }
  const auto is_count = [](const json_value& n) { return n.number() && *n.number() >= 0 && *n.number() <= 1e9; };
  if (!is_count(*speed) || !is_count(*length)) return std::nullopt;
  s.speed = *speed->number();
  s.queue_length = *length->number();
  return s;
}

inline std::string json_of_names(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out.append(out.size() > 1 ? "," : "").append(fastapi_json_string(name));
  return out + "]";
}

/// Whether a text may be a worker's address: http://HOST[:PORT][/PATH], without a query.
inline result<http_url> try_worker_url(const std::string& name) {
  if (name.size() > 2048 || name.find('?') != name.npos)
    return fail(errc::invalid_argument, "llava: a worker's address has no query and at most 2048 characters");
  return try_parse_http_url(name);
}

LLAVA_INLINE controller_state::~controller_state() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  stopping_.notify_all();
  if (clock_.joinable()) clock_.join();
}

LLAVA_INLINE result<void> controller_state::try_run() {
  http_settings http = settings_.http;
  http.waiting_threads = (std::max)(http.waiting_threads, std::size_t{64});  // one for each stream that is passed on
  LLAVA_TRY(started, http_server::try_start(std::move(http), routes()));
  server_.emplace(std::move(started));
  return without_exceptions("start a thread", [&]() -> result<void> {
    clock_ = std::thread([this] {
      std::unique_lock lock(mutex_);
      while (!stopping_.wait_for(lock, settings_.expiration, [this] { return is_stopping_; }))
        table_.remove_silent(now(), settings_.expiration);
    });
    return {};
  });
}

LLAVA_INLINE http_routes controller_state::routes() {
  const route_options at_once{}, waits{.may_wait = true}, of_workers{.is_open = true},
      of_workers_waits{.is_open = true, .may_wait = true};
  http_routes all;
  all.add(
      "POST", "/register_worker", [this](http_request q, http_response r) { register_worker(q, r); }, of_workers_waits);
  all.add(
      "POST", "/receive_heart_beat", [this](http_request q, http_response r) { heart_beat(q, r); }, of_workers);
  all.add(
      "POST", "/refresh_all_workers",
      [this](http_request, http_response r) {
        refresh();
        r.reply_json(200, "null");
      },
      waits);
  all.add(
      "POST", "/list_models",
      [this](http_request, http_response r) {
        const std::lock_guard lock(mutex_);
        r.reply_json(200, "{\"models\":" + json_of_names(table_.models()) + "}");
      },
      at_once);
  all.add(
      "POST", "/get_worker_address",
      [this](http_request q, http_response r) {
        const auto asked = try_parse_json("the request", q.body);
        const json_value* const model = asked ? asked->find("model") : nullptr;
        if (!model) return void(r.reply_error(400, "The request must be a JSON object with model."));
        const std::string address = model->text() ? choose(*model->text()) : std::string();
        r.reply_json(200, "{\"address\":" + fastapi_json_string(address) + "}");
      },
      at_once);
  all.add(
      "POST", "/worker_generate_stream", [this](http_request q, http_response r) { pass_on(q, r); }, waits);
  all.add(
      "POST", "/worker_get_status", [this](http_request, http_response r) { r.reply_json(200, status_of_all()); },
      waits);
  return all;
}

LLAVA_INLINE bool controller_state::may_register(const http_request& q) const {
  const std::string_view key = api_keys::bearer(q.header("authorization"));
  if (!token_.empty()) return token_.allows(key);
  const auto keys = api_keys::try_make(settings_.http.api_keys);
  return keys && keys->allows(key);
}

LLAVA_INLINE void controller_state::register_worker(const http_request& q, const http_response& r) {
  if (!may_register(q))
    return void(r.reply_error(401, "A worker's token is needed: Authorization: Bearer TOKEN.", "authentication_error"));
  const auto asked = try_parse_json("the request", q.body);
  const json_value* const name = asked ? asked->find("worker_name") : nullptr;
  const json_value* const check = asked ? asked->find("check_heart_beat") : nullptr;
  if (!name || !name->text() || !check || !check->boolean())
    return void(
        r.reply_error(400, "The request must be a JSON object with worker_name, a text, and check_heart_beat."));
  const auto url = try_worker_url(*name->text());
  if (!url) return void(r.reply_error(400, "worker_name must be http://HOST:PORT."));
  worker_entry made{
      .name = *name->text(), .check_heart_beat = *check->boolean(), .peer = std::string(address_of_peer(q.peer))};
  if (const auto allowed = allowed_.try_allow_host(url->host, made.peer); !allowed) {
    log(text_of("Refused the worker ", made.name, " of ", made.peer, ": its address is not allowed"));
    return void(
        r.reply_error(403, "The worker's address is not allowed; the controller's --allow-worker names others."));
  }
  const json_value* const told = asked->find("worker_status");
  const bool is_told = told && told->is_object() && !told->members().empty();
  const auto status = is_told ? worker_status_of(*told) : ask(made, r.gone());
  if (!status && is_told) return void(r.reply_error(400, "worker_status must have model_names, speed, queue_length."));
  if (status) {
    made.status = *status;
    made.last_heart_beat = now();
    const std::lock_guard lock(mutex_);
    if (!table_.set(made)) return void(r.reply_error(503, "The controller has too many workers.", "server_error"));
  }
  log(text_of(status ? "Register done: " : "The worker does not answer: ", made.name));
  r.reply_json(200, "null");
}

LLAVA_INLINE void controller_state::refresh() {
  for (worker_entry& w : workers()) {
    const auto status = ask(w);
    const std::lock_guard lock(mutex_);
    worker_entry* const known = table_.find(w.name);
    if (!known) continue;
    if (status) {
      known->status = *status;
      known->last_heart_beat = now();
    } else if (known->last_heart_beat == w.last_heart_beat) {  // it has not been heard of since
      log(text_of("Remove stale worker: ", w.name));
      table_.remove(w.name);
    }
  }
}

LLAVA_INLINE void controller_state::heart_beat(const http_request& q, const http_response& r) {
  if (!may_register(q))
    return void(r.reply_error(401, "A worker's token is needed: Authorization: Bearer TOKEN.", "authentication_error"));
  const auto asked = try_parse_json("the request", q.body);
  const json_value* const name = asked ? asked->find("worker_name") : nullptr;
  const json_value* const length = asked ? asked->find("queue_length") : nullptr;
  if (!name || !name->text() || !length || !length->number() || *length->number() < 0 || *length->number() > 1e9)
    return void(r.reply_error(400, "The request must be a JSON object with worker_name and queue_length, a count."));
  const std::lock_guard lock(mutex_);
  worker_entry* const known = table_.find(*name->text());
  if (known) {
    known->status.queue_length = *length->number();
    known->last_heart_beat = now();
  }
  r.reply_json(200, known ? "{\"exist\":true}" : "{\"exist\":false}");
}

LLAVA_INLINE void controller_state::pass_on(const http_request& q, const http_response& r) {
  const auto asked = try_parse_json("the request", q.body);
  const json_value* const model = asked ? asked->find("model") : nullptr;
  if (!model) return void(r.reply_error(400, "The request must be a JSON object with model."));
  const auto w = entry_of(model->text() ? choose(*model->text()) : std::string());
  if (!r.begin(200, stream_type)) return;
  bool is_answered = false;
  if (w) {
    http_call call = call_to(*w, "/worker_generate_stream");
    call.body = q.body;
    call.stop = r.gone();
    is_answered = relay_records(call, r);
  } else {
    r.write_record(stream_chunk(server_error_message, 2));  // the original then asks an empty address, and fails
  }
  if (!is_answered) r.write_record(stream_chunk(server_error_message, 3));
  r.end();
}

LLAVA_INLINE std::string controller_state::status_of_all() {
  std::vector<std::string> names;
  double speed = 0, length = 0;
  for (const worker_entry& w : workers()) {
    const auto status = ask(w);
    if (!status) continue;
    for (const std::string& m : status->model_names)
      if (std::find(names.begin(), names.end(), m) == names.end()) names.push_back(m);
    speed += status->speed;
    length += status->queue_length;
  }
  return "{\"model_names\":" + json_of_names(names) + ",\"speed\":" + python_number(speed) +
         ",\"queue_length\":" + python_number(length) + "}";
}

LLAVA_INLINE http_call controller_state::call_to(const worker_entry& w, std::string_view path) const {
  http_call call;
  call.url = w.name + std::string(path);
  call.connect_time = call.silence = settings_.worker_time;
  call.allows_address = [this, w](std::string_view ip) {
    const auto url = try_parse_http_url(w.name);
    return url && allowed_.allows(ip, url->host, w.peer);
  };
  return call;
}

LLAVA_INLINE std::optional<worker_status> controller_state::ask(const worker_entry& w, const stop_signal& stop) const {
  http_call call = call_to(w, "/worker_get_status");
  call.total = 4 * settings_.worker_time;
  call.longest = 1 << 20;
  call.stop = stop;
  const auto reply = try_call(call);
  if (!reply || reply->status != 200) return std::nullopt;
  const auto told = try_parse_json("the status", reply->body);
  return told ? worker_status_of(*told) : std::nullopt;
}

LLAVA_INLINE std::string controller_state::choose(std::string_view model) {
  const std::lock_guard lock(mutex_);
  const double random = settings_.random ? settings_.random() : std::uniform_real_distribution<double>(0, 1)(drawn_);
  return table_.choose(model, settings_.dispatch, random);
}

LLAVA_INLINE std::optional<worker_entry> controller_state::entry_of(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  for (const worker_entry& w : table_.all())
    if (w.name == name) return w;
  return std::nullopt;
}

LLAVA_INLINE std::vector<worker_entry> controller_state::workers() const {
  const std::lock_guard lock(mutex_);
  return table_.all();
}

LLAVA_INLINE void controller_state::remove_silent_workers() {
  const std::lock_guard lock(mutex_);
  table_.remove_silent(now(), settings_.expiration);
}

}  // namespace detail

LLAVA_INLINE result<controller> controller::try_start(controller_settings settings) {
  return detail::without_exceptions("start a controller", [&]() -> result<controller> {
    if (settings.worker_token.empty() && !is_loopback_address(settings.http.address))
      return fail(errc::invalid_argument,
                  text_of("llava: a controller on ", settings.http.address, " can be reached by others; ",
                          "set a token that its workers must know (--token), or listen on 127.0.0.1"));
    LLAVA_TRY(allowed, worker_allow_list::try_make(settings.allowed_workers));
    LLAVA_TRY(token,
              api_keys::try_make(settings.worker_token.empty() ? std::vector<std::string>()
                                                               : std::vector<std::string>{settings.worker_token}));
    auto state = std::make_shared<detail::controller_state>(std::move(settings), std::move(token), std::move(allowed));
    LLAVA_CHECK(state->try_run());
    return result<controller>(controller(std::move(state)));
  });
}

LLAVA_INLINE controller::controller(std::shared_ptr<detail::controller_state> state) : state_(std::move(state)) {}
LLAVA_INLINE controller::controller(controller&&) noexcept = default;
LLAVA_INLINE controller& controller::operator=(controller&&) noexcept = default;
LLAVA_INLINE controller::~controller() = default;
LLAVA_INLINE std::uint16_t controller::port() const { return state_->port(); }
LLAVA_INLINE std::vector<worker_entry> controller::workers() const { return state_->workers(); }
LLAVA_INLINE void controller::remove_silent_workers() { state_->remove_silent_workers(); }
LLAVA_INLINE bool controller::drain(std::chrono::milliseconds longest) { return state_->drain(longest); }

}  // namespace serve
LLAVA_END
