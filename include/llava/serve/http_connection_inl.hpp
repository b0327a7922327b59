// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_connection.hpp: reading and answering. Writing and closing: http_connection_output_inl.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <llava/serve/connection_exchange.hpp>
#include <llava/serve/http_connection.hpp>

LLAVA_BEGIN
namespace serve::detail {

inline steady_time steady_now() { return std::chrono::steady_clock::now(); }

template <class F>
void http_connection::post(F f) noexcept {
  try {
    boost::asio::post(socket_.get_executor(), [self = shared_from_this(), f = std::move(f)] {
      try {
        f(*self);
      } catch (...) {
        self->close();
      }
    });
  } catch (...) {
    is_broken_ = true;
  }
}

LLAVA_INLINE http_connection::http_connection(std::shared_ptr<http_core> core, http_socket socket)
    : core_(std::move(core)), socket_(std::move(socket)) {
  boost::system::error_code ec;
  const auto peer = socket_.remote_endpoint(ec);
  if (!ec) {
    const std::string address = peer.address().to_string(ec);
    peer_ = peer.address().is_v6() ? text_of('[', address, "]:", peer.port()) : text_of(address, ':', peer.port());
  }
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ec);
  socket_.set_option(boost::asio::socket_base::keep_alive(true), ec);
}

LLAVA_INLINE http_connection::~http_connection() {
  if (!is_closed_) core_->remove(this);
}

LLAVA_INLINE void http_connection::start(http_fault refusal) {
  if (refusal == http_fault::none) wait_since(steady_now());  // before the post: it counts as waiting at once
  post([refusal](http_connection& self) {
    self.is_refused_ = refusal != http_fault::none;
    if (self.is_refused_)
      self.refuse(refusal);
    else
      self.set_deadline(self.core_->settings.limits.head_time);
    self.read();
  });
}

// --- reading ---------------------------------------------------------------------------------------------------------

LLAVA_INLINE void http_connection::read() {
  if (is_reading_ || is_closed_ || is_at_end_) return;
  is_reading_ = true;
  socket_.async_read_some(boost::asio::buffer(received_),
                          [self = shared_from_this()](const boost::system::error_code& ec, std::size_t size) {
                            self->is_reading_ = false;
                            try {
                              self->on_read(ec, size);
                            } catch (...) {  // no memory
                              self->close();
                            }
                          });
}

LLAVA_INLINE void http_connection::on_read(const boost::system::error_code& ec, std::size_t size) {
  if (is_closed_) return;
  if (ec) {
    is_at_end_ = true;
    bool is_answered;
    {
      const std::lock_guard lock(out_mutex_);
      is_answered = is_finished_ && ec == boost::asio::error::eof;  // the client may still read the reply
    }
    if (!is_answered) close();
    return;
  }
  if (state_ != state::closing) in_.append(received_.data(), size);
  if (state_ == state::reply && in_.size() > core_->settings.limits.pipelined) return close();
  if (state_ == state::head || state_ == state::body) advance();
  read();
}

/// Uses what has been received, up to the end of a request. The next one waits in in_ until this one is answered.
LLAVA_INLINE void http_connection::advance() {
  if (state_ == state::head && !in_.empty() && !read_head()) return;
  if (state_ == state::body && read_body()) answer();
}

/// Returns whether the head is complete and its body is wanted.
LLAVA_INLINE bool http_connection::read_head() {
  drop_empty_lines(in_);
  if (in_.empty() || in_ == "\r") return false;
  if (head_start_ == steady_time()) {
    head_start_ = steady_now();
    if (is_used_) set_deadline(core_->settings.limits.head_time);  // the first head's time began with the connection
  }
  http_fault fault = parse_http_head(in_, core_->settings.limits, head_);
  if (fault == http_fault::none && head_.size == 0) return false;
  if (!stop_waiting()) return false;  // it has just given way to another connection
  is_used_ = true;
  if (fault == http_fault::none && core_->is_draining) fault = http_fault::stopping;
  if (fault == http_fault::none && core_->origins.is_preflight(head_)) return send_preflight(), false;
  if (fault == http_fault::none) fault = check_request();
  if (fault != http_fault::none) return refuse(fault), false;
  state_ = state::body;
  body_start_ = steady_now();
  set_deadline(core_->settings.limits.body_time);
  body_.start(head_, core_->settings.limits);
  if (head_.expects_continue && in_.size() == head_.size) send("HTTP/1.1 100 Continue\r\n\r\n", false);
  return true;
}

/// Everything that can be refused before the body is read.
LLAVA_INLINE http_fault http_connection::check_request() {
  if (const http_fault fault = core_->origins.check(head_); fault != http_fault::none) return fault;
  route_ = core_->routes.find(head_.method, head_.path);
  const bool is_open = route_ && route_->options.is_open;
  if (!is_open && !core_->keys.allows(api_keys::bearer(head_.header("authorization")))) return http_fault::unauthorized;
  if (route_) return http_fault::none;
  return core_->routes.methods_of(head_.path).empty() ? http_fault::not_found : http_fault::method_not_allowed;
}

/// Returns whether the request is complete.
LLAVA_INLINE bool http_connection::read_body() {
  const http_limits& limits = core_->settings.limits;
  if (const http_fault fault = body_.feed(in_); fault != http_fault::none) {
    stop_waiting();
    return refuse(fault), false;
  }
  const std::size_t more = body_.size() - body_bytes_;
  body_bytes_ += more;
  if (core_->body_bytes.fetch_add(more) + more > limits.bodies) {
    stop_waiting();
    return refuse(http_fault::too_many_bodies), false;
  }
  if (body_.is_done()) {
    // A connection whose body has stopped may have given way; otherwise it no longer waits.
    return !gives_way_in_body_ || stop_waiting();
  }
  const auto in_time = body_bytes_ * 1000 / (std::max)(limits.body_rate, std::size_t(1));
  const auto deadline = body_start_ + limits.body_time + std::chrono::milliseconds(in_time);
  read_deadline_ = deadline.time_since_epoch().count();
  if (gives_way_in_body_ && !stop_waiting()) return false;
  gives_way_in_body_ = true;
  wait_since(steady_now() + std::chrono::seconds(1));
  return false;
}

// --- answering -------------------------------------------------------------------------------------------------------

LLAVA_INLINE void http_connection::answer() {
  state_ = state::reply;
  read_deadline_ = 0;
  keep_alive_ = head_.keep_alive;
  http_request request;
  request.method = head_.method, request.path = head_.path, request.query = head_.query;
  request.tail = http_routes::tail_of(*route_, head_.path);
  request.api_key = api_keys::bearer(head_.header("authorization"));
  request.peer = peer_;
  request.body = body_.take();
  body_.drop();
  const auto exchange = std::make_shared<connection_exchange>(shared_from_this(), head_, core_->origins.headers(head_));
  request.headers = std::move(head_.headers);
  exchange_ = exchange;
  // The handle is a local of the call: if the handler throws, it ends the answer with a 500.
  auto call = [core = core_, route = route_, request = std::move(request),
               response = http_response(exchange)]() mutable {
    try {
      try {
        route->handler(std::move(request), std::move(response));
      } catch (const std::exception& e) {
        if (core->settings.on_exception) core->settings.on_exception(e.what());
      }
    } catch (...) {  // the client gets a 500, whatever it was
    }
  };
  if (!route_->options.may_wait) return call();
  try {
    boost::asio::post(core_->waiting, std::move(call));
  } catch (...) {  // no memory: the end of the call is a 500
  }
}

LLAVA_INLINE void http_connection::send_fault(http_fault fault, std::vector<http_header> more) {
  const http_fault_reply r = reply_of(fault);
  if (r.status == 503) more.push_back({"Retry-After", "1"});
  if (r.status == 401) more.push_back({"WWW-Authenticate", "Bearer"});
  if (r.status == 405) more.push_back({"Allow", core_->routes.methods_of(head_.path)});
  const std::string body = error_json(r.message, r.type, {}, r.code);
  std::string text =
      head_text(r.status, http_response::json_type, text_of("Content-Length: ", body.size()), keeps_alive(), more);
  send(head_.method == "HEAD" ? text : text + body, false);
  finish();
}

/// Answers with an error. The connection goes on only if the request is wholly understood and has no body.
LLAVA_INLINE void http_connection::refuse(http_fault fault) {
  const bool is_framed = fault == http_fault::unauthorized || fault == http_fault::not_found ||
                         fault == http_fault::method_not_allowed || fault == http_fault::foreign_origin;
  keep_alive_ = is_framed && head_.size > 0 && head_.keep_alive && !head_.has_body();
  state_ = keep_alive_ ? state::reply : state::closing;
  in_.erase(0, keep_alive_ ? head_.size : in_.size());
  body_.drop();
  read_deadline_ = 0;
  send_fault(fault, head_.size > 0 ? core_->origins.headers(head_) : std::vector<http_header>());
}

LLAVA_INLINE void http_connection::send_preflight() {
  state_ = state::reply;
  keep_alive_ = head_.keep_alive && !head_.has_body();
  in_.erase(0, head_.size);
  read_deadline_ = 0;
  std::vector<http_header> more = core_->origins.headers(head_);
  more.push_back({"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"});
  more.push_back({"Access-Control-Allow-Headers", "Authorization, Content-Type"});
  more.push_back({"Access-Control-Max-Age", "600"});
  send(head_text(204, "", "", keeps_alive(), more), false);
  finish();
}

}  // namespace serve::detail
LLAVA_END
