// SPDX-License-Identifier: Apache-2.0
/// http_connection: one client. It reads all the time: the head, the body, and what comes while a reply is computed,
/// so that it notices when the client is gone. Requests are answered one after the other.
///
/// All members run on the thread of the connection, except those that are called from any thread. What these share is
/// behind out_mutex_ or atomic.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <llava/serve/http_body.hpp>
#include <llava/serve/http_core.hpp>
#include <llava/serve/http_head.hpp>

LLAVA_BEGIN
namespace serve::detail {

class connection_exchange;

/// One client of a server.
class http_connection : public std::enable_shared_from_this<http_connection> {
 public:
  http_connection(std::shared_ptr<http_core> core, http_socket socket);
  http_connection(const http_connection&) = delete;
  http_connection& operator=(const http_connection&) = delete;
  ~http_connection();

  /// @name From any thread
  /// @{
  void start(http_fault refusal);  ///< with a fault, the client is told so and nothing is read
  void check_time(steady_time now);
  void drain();
  void abort();  ///< closes without a further byte
  /// Queues bytes. Returns false if the client is gone or, for a stream, has left too much unread.
  bool send(std::string_view bytes, bool is_stream);
  std::size_t unsent() const;
  void finish();  ///< the reply is complete once all queued bytes are sent
  bool keeps_alive() const { return keep_alive_ && !core_->is_draining; }
  void forbid_keep_alive() { keep_alive_ = false; }
  /// When the connection began to wait for its client; 0 while it does not. yield(since) closes it if that still holds.
  std::int64_t waiting_since() const { return waiting_since_; }
  bool yield(std::int64_t since);
  /// @}

  bool is_counted = false;  ///< of the core, behind its mutex

 private:
  enum class state { head, body, reply, closing };

  void read();
  void on_read(const boost::system::error_code& ec, std::size_t size);
  void advance();
  bool read_head();
  bool read_body();
  http_fault check_request();
  void answer();
  void refuse(http_fault fault);
  void send_fault(http_fault fault, std::vector<http_header> more);
  void send_preflight();
  void write_more();
  void on_reply_sent();
  void close_politely();
  void close();
  void on_deadline();
  void wait_since(steady_time time) { waiting_since_ = time.time_since_epoch().count(); }
  bool stop_waiting() { return waiting_since_.exchange(0) != 0; }
  void set_deadline(std::chrono::milliseconds from_now);
  void release_body();
  /// Calls f on that thread. Without memory for that, or in f, the connection is closed, by check_time at the latest.
  template <class F>
  void post(F f) noexcept;

  const std::shared_ptr<http_core> core_;
  http_socket socket_;
  std::string peer_;

  state state_ = state::head;
  bool is_reading_ = false, is_at_end_ = false, is_closed_ = false;
  bool is_refused_ = false;         // too many connections: it never had a place
  bool is_used_ = false;            // a head has been read
  bool gives_way_in_body_ = false;  // waiting_since_ counts while the body is read
  std::array<char, 16 << 10> received_;
  std::string in_;  // received and not yet used
  http_head head_;
  http_body_reader body_;
  const http_routes::route* route_ = nullptr;
  std::size_t body_bytes_ = 0;  // of core_->body_bytes
  steady_time head_start_, body_start_;
  std::weak_ptr<connection_exchange> exchange_;

  std::atomic<bool> keep_alive_{true};
  std::atomic<std::int64_t> waiting_since_{0};
  std::atomic<bool> is_broken_{false};                              // memory was refused: check_time closes it
  std::atomic<std::int64_t> read_deadline_{0}, write_deadline_{0};  // of steady_clock; 0: none

  mutable std::mutex out_mutex_;
  std::string out_, sending_;  // queued; being written from sent_ on (by the thread)
  std::size_t sent_ = 0, queued_ = 0;
  bool is_writing_ = false, is_finished_ = false, is_gone_ = false;
};

}  // namespace serve::detail
LLAVA_END
