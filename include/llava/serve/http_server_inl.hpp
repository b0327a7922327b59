// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_server.hpp and http_core.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include <llava/serve/http_connection_inl.hpp>
#include <llava/serve/http_connection_output_inl.hpp>
#include <llava/serve/http_core.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/system_errors.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

inline boost::asio::ip::address address_of(const http_settings& settings, boost::system::error_code& ec) {
  return boost::asio::ip::make_address(settings.address == "localhost" ? "127.0.0.1" : settings.address, ec);
}
inline bool is_loopback(const http_settings& settings) {
  boost::system::error_code ec;
  const auto address = address_of(settings, ec);
  return !ec && address.is_loopback();
}

LLAVA_INLINE http_core::http_core(http_settings s, http_routes r, api_keys k)
    : settings(std::move(s)),
      routes(std::move(r)),
      keys(std::move(k)),
      origins{settings.allowed_origins, settings.host_names, is_loopback(settings)},
      waiting((std::max)(settings.waiting_threads, std::size_t(1))),
      acceptor_(io.emplace_back(1)),
      clock_(io.front()) {
  while (io.size() < settings.io_threads) io.emplace_back(1);
  for (boost::asio::io_context& one : io) work_.emplace_back(one.get_executor());
}

inline error cannot_listen(const http_settings& settings, const boost::system::error_code& ec) {
  return fail_of_system(ec.value(), "llava: cannot listen on ", settings.address, " port ", settings.port);
}

LLAVA_INLINE result<void> http_core::try_bind() {
  boost::system::error_code ec;
  const auto address = address_of(settings, ec);
  if (ec)
    return fail(errc::invalid_argument,
                text_of("llava: cannot listen on ", settings.address, ": it is not an IP address such as 127.0.0.1"));
  const boost::asio::ip::tcp::endpoint endpoint(address, settings.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(boost::asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (ec) return cannot_listen(settings, ec);
  port_ = acceptor_.local_endpoint(ec).port();
  return {};
}

LLAVA_INLINE result<void> http_core::try_listen() {
  boost::system::error_code ec;
  acceptor_.listen(512, ec);
  if (ec) return cannot_listen(settings, ec);
  is_listening_ = true;
  return {};
}

LLAVA_INLINE void http_core::run() {
  for (boost::asio::io_context& one : io) {
    threads_.emplace_back([this, &one] {
      for (bool is_broken = false;;) {
        try {
          if (std::exchange(is_broken, false)) restart_steps();
          one.run();
          return;
        } catch (...) {  // no memory in one step: the others go on
          is_broken = true;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
    });
  }
  restart_steps();  // the first connection may be any thread's
}

LLAVA_INLINE void http_core::restart_steps() {
  boost::asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
    if (!self->is_accepting_ && self->acceptor_.is_open()) self->accept();
    if (!self->is_ticking_) self->tick();
  });
}

LLAVA_INLINE void http_core::accept() {
  acceptor_.async_accept(next_executor(),
                         [self = shared_from_this()](const boost::system::error_code& ec, http_socket socket) {
                           self->is_accepting_ = false;
                           try {
                             if (!ec) self->admit(std::move(socket));
                           } catch (...) {  // no memory: the socket is closed
                           }
                           if (ec && ec != boost::asio::error::connection_aborted)
                             self->accept_failed_ = true;  // too many open files: tick() tries again
                           else if (self->acceptor_.is_open())
                             self->accept();
                         });
  is_accepting_ = true;
}

LLAVA_INLINE void http_core::admit(http_socket socket) {
  constexpr std::size_t refused_at_once = 64;
  const auto added = std::make_shared<http_connection>(shared_from_this(), std::move(socket));
  std::vector<std::shared_ptr<http_connection>> kept;
  http_fault refusal = http_fault::none;
  {
    const std::lock_guard lock(mutex_);
    if (is_draining)
      refusal = http_fault::stopping;
    else if (counted_ >= settings.limits.connections && !close_waiting(kept))
      refusal = http_fault::too_many_connections;
    if (refusal != http_fault::none && connections_.size() >= counted_ + refused_at_once) return;
    connections_.emplace(added.get(), added);
    added->is_counted = refusal == http_fault::none;
    counted_ += added->is_counted;
  }
  added->start(refusal);
}

LLAVA_INLINE bool http_core::close_waiting(std::vector<std::shared_ptr<http_connection>>& kept) {
  const auto newest = (std::chrono::steady_clock::now() - settings.limits.yield_age).time_since_epoch().count();
  for (;;) {
    std::shared_ptr<http_connection> longest;
    std::int64_t since = newest;
    for (const auto& [key, held] : connections_) {
      const auto c = kept.emplace_back(held.lock());
      if (!c || !c->is_counted) continue;
      if (const std::int64_t of_c = c->waiting_since(); of_c != 0 && of_c <= since) longest = c, since = of_c;
    }
    if (!longest) return false;
    if (!longest->yield(since)) continue;  // its request has just arrived
    longest->is_counted = false;
    --counted_;
    return true;
  }
}

LLAVA_INLINE std::vector<std::shared_ptr<http_connection>> http_core::all() const {
  std::vector<std::shared_ptr<http_connection>> out;
  const std::lock_guard lock(mutex_);
  out.reserve(connections_.size());
  for (const auto& [key, held] : connections_)
    if (auto c = held.lock()) out.push_back(std::move(c));
  return out;
}

LLAVA_INLINE void http_core::remove(http_connection* c) {
  const std::lock_guard lock(mutex_);
  if (connections_.erase(c) == 0) return;
  counted_ -= std::exchange(c->is_counted, false);
  changed_.notify_all();
}

LLAVA_INLINE std::size_t http_core::connections() const {
  const std::lock_guard lock(mutex_);
  return counted_;
}

LLAVA_INLINE void http_core::tick() {
  is_ticking_ = false;
  const auto now = std::chrono::steady_clock::now();
  const auto open = all();
  if (is_stopping_ && open.empty()) return;
  for (const auto& c : open) is_stopping_ ? c->abort() : c->check_time(now);
  if (std::exchange(accept_failed_, false) && !is_accepting_ && acceptor_.is_open()) accept();
  clock_.expires_after(std::chrono::milliseconds(100));
  clock_.async_wait([self = shared_from_this()](const boost::system::error_code&) { self->tick(); });
  is_ticking_ = true;
}

LLAVA_INLINE bool http_core::drain(std::chrono::milliseconds longest) {
  is_draining = true;
  boost::asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
    boost::system::error_code ec;
    self->acceptor_.non_blocking(true, ec);
    try {
      while (!ec) {  // clients that have connected already are told that the server stops
        http_socket socket(self->next_executor());
        self->acceptor_.accept(socket, ec);
        if (!ec) self->admit(std::move(socket));
      }
    } catch (...) {  // no memory: the others are reset
    }
    self->acceptor_.close(ec);
    const std::lock_guard lock(self->mutex_);
    self->is_listening_ = false;
    self->changed_.notify_all();
  });
  for (const auto& c : all()) c->drain();
  const auto is_over = [this] { return connections_.empty() && !is_listening_; };
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, longest, is_over)) return true;
  lock.unlock();
  const auto left = all();
  for (const auto& c : left) c->abort();
  lock.lock();
  changed_.wait_for(lock, std::chrono::seconds(1), is_over);
  lock.unlock();  // the end of `left` may be the end of connections, which use the mutex
  return left.empty();
}

LLAVA_INLINE void http_core::stop() {
  drain(std::chrono::milliseconds(0));
  waiting.join();
  boost::asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
    self->is_stopping_ = true;
    self->clock_.cancel();
  });
  work_.clear();
  for (std::thread& t : threads_) t.join();
  if (threads_.empty()) io.front().run();  // it has never run: what is queued keeps this object alive
  threads_.clear();
}

}  // namespace detail

LLAVA_INLINE result<http_server> http_server::try_start(http_settings settings, http_routes routes,
                                                        function_ref<result<void>()> prepare) {
  return detail::without_exceptions("start a server", [&]() -> result<http_server> {
    LLAVA_TRY(keys, api_keys::try_make(settings.api_keys));
    http_server made(std::make_shared<detail::http_core>(std::move(settings), std::move(routes), std::move(keys)));
    LLAVA_CHECK(made.core_->try_bind());
    LLAVA_CHECK(prepare());
    LLAVA_CHECK(made.core_->try_listen());
    made.core_->run();
    return made;
  });
}

LLAVA_INLINE http_server::http_server(std::shared_ptr<detail::http_core> core) : core_(std::move(core)) {}
LLAVA_INLINE http_server::http_server(http_server&&) noexcept = default;
LLAVA_INLINE http_server& http_server::operator=(http_server&& other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}
LLAVA_INLINE http_server::~http_server() {
  if (core_) core_->stop();
}

LLAVA_INLINE std::uint16_t http_server::port() const { return core_->port(); }
LLAVA_INLINE std::size_t http_server::connections() const { return core_->connections(); }
LLAVA_INLINE bool http_server::drain(std::chrono::milliseconds longest) { return core_->drain(longest); }
LLAVA_INLINE bool http_server::is_draining() const { return core_->is_draining; }

}  // namespace serve
LLAVA_END
