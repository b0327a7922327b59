// SPDX-License-Identifier: Apache-2.0
/// http_core: what the connections of one server share: its settings, its threads, the list of connections, its clock.
/// Connections keep it alive, so that a response may outlive its server.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <llava/base/error.hpp>
#include <llava/serve/api_keys.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/http_settings.hpp>
#include <llava/serve/origin_policy.hpp>

LLAVA_BEGIN
namespace serve::detail {

class http_connection;
using steady_time = std::chrono::steady_clock::time_point;

/// Each thread has an io_context of its own, which is the only one to run what is posted to it. Asio's strands, with
/// which threads can share one, and its executors of any type lose handlers if memory is refused.
using io_executor = boost::asio::io_context::executor_type;
using http_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, io_executor>;

/// The shared part of a server.
class http_core : public std::enable_shared_from_this<http_core> {
 public:
  http_core(http_settings settings, http_routes routes, api_keys keys);

  /// Binds the address; an error if another server listens there. Connections are refused until try_listen().
  result<void> try_bind();
  result<void> try_listen();
  void run();  ///< starts the threads; throws std::system_error
  bool drain(std::chrono::milliseconds longest);
  /// Ends everything and joins the threads.
  void stop();
  std::uint16_t port() const { return port_; }
  std::size_t connections() const;

  /// Called by a connection that is closed. It then no longer counts.
  void remove(http_connection* c);

  const http_settings settings;
  const http_routes routes;
  const api_keys keys;
  const origin_policy origins;
  std::deque<boost::asio::io_context> io;  ///< one for each thread; the first has the acceptor and the clock
  boost::asio::thread_pool waiting;        ///< runs handlers that may wait
  std::atomic<std::size_t> body_bytes{0};  ///< of requests that are read or answered
  std::atomic<bool> is_draining{false};

 private:
  void accept();
  /// Begins again what a refused allocation has ended: accept() and tick(). Throws if memory is refused again.
  void restart_steps();
  void admit(http_socket socket);
  void tick();
  /// Makes room by closing the connection that has waited longest. The caller holds mutex_; the connection is added to
  /// `kept`, which must outlive the lock.
  bool close_waiting(std::vector<std::shared_ptr<http_connection>>& kept);
  std::vector<std::shared_ptr<http_connection>> all() const;

  /// For the next connection. Called on the acceptor's thread.
  io_executor next_executor() { return io[turn_++ % io.size()].get_executor(); }

  std::size_t turn_ = 0;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, io_executor> acceptor_;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                    io_executor>
      clock_;
  std::vector<boost::asio::executor_work_guard<io_executor>> work_;
  std::vector<std::thread> threads_;
  std::uint16_t port_ = 0;
  // On the acceptor's thread:
  bool is_accepting_ = false, is_ticking_ = false;  // an operation is under way
  bool accept_failed_ = false, is_stopping_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<http_connection*, std::weak_ptr<http_connection>> connections_;
  bool is_listening_ = false;
  std::size_t counted_ = 0;  // towards http_limits::connections; connections that are refused do not count
};

}  // namespace serve::detail
LLAVA_END
