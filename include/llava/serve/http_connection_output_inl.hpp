// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_connection.hpp: writing, time limits, closing.
#pragma once
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <llava/serve/http_connection_inl.hpp>

LLAVA_BEGIN
namespace serve::detail {

// --- writing ---------------------------------------------------------------------------------------------------------

LLAVA_INLINE bool http_connection::send(std::string_view bytes, bool is_stream) {
  const std::lock_guard lock(out_mutex_);
  if (is_gone_) return false;
  if (is_stream && queued_ > 0 && queued_ + bytes.size() > core_->settings.limits.outgoing) {
    is_gone_ = true;
    post([](http_connection& self) { self.close(); });
    return false;
  }
  if (is_stream && !is_writing_) {  // an event need not wait for the connection's thread; close() waits for the mutex
    const auto sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (bytes.empty()) return true;
  }
  out_ += bytes;
  queued_ += bytes.size();
  if (!std::exchange(is_writing_, true)) post([](http_connection& self) { self.write_more(); });
  return true;
}

LLAVA_INLINE std::size_t http_connection::unsent() const {
  const std::lock_guard lock(out_mutex_);
  return queued_;
}

LLAVA_INLINE void http_connection::finish() {
  const std::lock_guard lock(out_mutex_);
  if (is_gone_) return;
  is_finished_ = true;
  if (!std::exchange(is_writing_, true)) post([](http_connection& self) { self.write_more(); });
}

LLAVA_INLINE void http_connection::write_more() {
  constexpr std::size_t at_once = 64 << 10, kept = 1 << 20;
  if (is_closed_) return;
  bool is_sent = false;
  {
    const std::lock_guard lock(out_mutex_);
    if (sent_ == sending_.size()) {
      if (sending_.capacity() > kept) sending_ = std::string();
      sending_.clear(), sent_ = 0;
      sending_.swap(out_);
    }
    if (sending_.empty()) {
      is_writing_ = false;
      is_sent = std::exchange(is_finished_, false);
    }
  }
  if (sending_.empty()) {
    write_deadline_ = 0;
    if (is_sent) on_reply_sent();
    return;
  }
  const std::size_t size = (std::min)(sending_.size() - sent_, at_once);
  write_deadline_ = (steady_now() + core_->settings.limits.write_time).time_since_epoch().count();
  boost::asio::async_write(socket_, boost::asio::buffer(sending_.data() + sent_, size),
                           [self = shared_from_this()](const boost::system::error_code& ec, std::size_t written) {
                             if (ec) return self->close();
                             {
                               const std::lock_guard lock(self->out_mutex_);
                               self->sent_ += written;
                               self->queued_ -= written;
                             }
                             try {
                               self->write_more();
                             } catch (...) {  // no memory
                               self->close();
                             }
                           });
}

LLAVA_INLINE void http_connection::on_reply_sent() {
  release_body();
  exchange_.reset();
  if (!keeps_alive() || is_at_end_ || state_ == state::closing) return close_politely();
  state_ = state::head;
  head_start_ = steady_time();
  gives_way_in_body_ = false;
  wait_since(steady_now());
  set_deadline(core_->settings.limits.idle_time);
  advance();
  read();
}

// --- time limits -----------------------------------------------------------------------------------------------------

LLAVA_INLINE void http_connection::set_deadline(std::chrono::milliseconds from_now) {
  read_deadline_ = (steady_now() + from_now).time_since_epoch().count();
}

LLAVA_INLINE void http_connection::check_time(steady_time now) {
  const std::int64_t time = now.time_since_epoch().count(), read = read_deadline_, write = write_deadline_;
  if ((write != 0 && time > write) || (read != 0 && time > read) || is_broken_)
    post([](http_connection& self) { self.on_deadline(); });
}

LLAVA_INLINE void http_connection::on_deadline() {
  if (is_closed_) return;
  const std::int64_t now = steady_now().time_since_epoch().count();  // the deadlines may have changed since check_time
  const auto is_over = [now](std::int64_t deadline) { return deadline != 0 && now > deadline; };
  if (is_over(write_deadline_) || is_broken_) return close();
  if (!is_over(read_deadline_)) return;
  if (state_ == state::closing || (state_ == state::head && in_.empty())) return close();
  stop_waiting();
  if (state_ == state::head) head_ = http_head();
  if (state_ != state::reply) refuse(state_ == state::head ? http_fault::head_timeout : http_fault::body_timeout);
}

LLAVA_INLINE bool http_connection::yield(std::int64_t since) {
  if (!waiting_since_.compare_exchange_strong(since, 0)) return false;
  post([](http_connection& self) { self.close(); });
  return true;
}

LLAVA_INLINE void http_connection::drain() {
  post([](http_connection& self) {
    if (self.is_closed_ || self.state_ == state::reply || self.state_ == state::closing) return;
    if (self.state_ == state::head && self.in_.empty()) {
      // The first request may be on its way; if it does not come soon, the deadline closes the connection.
      return self.is_used_ ? self.close() : self.set_deadline(self.core_->settings.limits.yield_age);
    }
    self.stop_waiting();
    if (self.state_ == state::head) self.head_ = http_head();
    self.refuse(http_fault::stopping);
  });
}

// --- closing ---------------------------------------------------------------------------------------------------------

/// Tells the client that no more comes, and waits for its end. Closing a socket with unread input would reset the
/// connection, and the client would lose the reply.
LLAVA_INLINE void http_connection::close_politely() {
  if (is_closed_) return;
  state_ = state::closing;
  in_.clear();
  if (is_at_end_) return close();
  boost::system::error_code ec;
  socket_.shutdown(boost::asio::socket_base::shutdown_send, ec);
  if (ec) return close();
  const http_limits& limits = core_->settings.limits;
  set_deadline(is_refused_ || core_->is_draining ? limits.close_time / 4 : limits.close_time);
  if (!is_refused_) wait_since(steady_now());  // a client that does not close gives way
  read();
}

LLAVA_INLINE void http_connection::abort() {
  const std::lock_guard lock(out_mutex_);
  if (is_gone_) return;
  is_gone_ = true;
  post([](http_connection& self) { self.close(); });
}

LLAVA_INLINE void http_connection::close() {
  if (std::exchange(is_closed_, true)) return;
  const auto keep = shared_from_this();
  {
    const std::lock_guard lock(out_mutex_);
    is_gone_ = true;
    out_ = std::string();
  }
  read_deadline_ = 0, write_deadline_ = 0, waiting_since_ = 0;
  boost::system::error_code ec;
  socket_.close(ec);
  release_body();
  body_.drop();
  in_ = std::string();
  if (const auto exchange = exchange_.lock()) exchange->set_gone();
  core_->remove(this);
}

LLAVA_INLINE void http_connection::release_body() { core_->body_bytes -= std::exchange(body_bytes_, 0); }

}  // namespace serve::detail
LLAVA_END
