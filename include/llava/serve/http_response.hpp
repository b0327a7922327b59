// SPDX-License-Identifier: Apache-2.0
/// http_response: the handle with which a handler answers one request, from any thread, at once or later.
/// http_exchange: what stands behind it, so that handlers can be tested without a socket.
///
/// A request is answered by one reply(), or by begin(), any number of write(), and end(). Calls for which it is too
/// late do nothing and return false: a second reply, or one to a client that is gone. No call waits for the client.
///
/// The last copy of the handle ends the answer: a request without a reply gets status 500, and a stream without end()
/// is cut off, so that the client sees that it is not complete.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/hook.hpp>
#include <llava/base/macros.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_message.hpp>
#include <llava/serve/stream_records.hpp>

LLAVA_BEGIN
namespace serve {

/// Where the answer to one request goes. Any thread may call each function at any time.
class http_exchange {
 public:
  http_exchange() = default;
  http_exchange(const http_exchange&) = delete;
  http_exchange& operator=(const http_exchange&) = delete;
  virtual ~http_exchange() = default;
  virtual bool reply(int status, std::string_view content_type, std::string body, std::vector<http_header> more) = 0;
  virtual bool begin(int status, std::string_view content_type, std::vector<http_header> more) = 0;
  virtual bool write(std::string_view piece) = 0;
  virtual bool end() = 0;
  virtual std::size_t unsent() const = 0;
  virtual stop_signal gone() const = 0;
  virtual void on_gone(hook<void()> call) = 0;
};

/// The answer to one request. Copies are handles to the same answer.
class http_response {
 public:
  explicit http_response(std::shared_ptr<http_exchange> exchange) : exchange_(std::move(exchange)) {}

  /// Sends the whole answer. Content-Length, Connection and Date are set; `more` may not contain them. A header with a
  /// control character makes the answer a 500.
  bool reply(int status, std::string_view content_type, std::string body, std::vector<http_header> more = {}) const {
    return exchange_->reply(status, content_type, std::move(body), std::move(more));
  }
  bool reply_json(int status, std::string body) const { return reply(status, json_type, std::move(body)); }
  /// Sends an error in OpenAI's shape (http_fault.hpp).
  bool reply_error(int status, std::string_view message, std::string_view type = "invalid_request_error",
                   std::string_view param = {}, std::string_view code = {}, std::vector<http_header> more = {}) const {
    return reply(status, json_type, error_json(message, type, param, code), std::move(more));
  }

  /// Begins a stream: chunked in HTTP/1.1, up to the end of the connection in HTTP/1.0.
  bool begin(int status, std::string_view content_type, std::vector<http_header> more = {}) const {
    return exchange_->begin(status, content_type, std::move(more));
  }
  /// Begins a stream of server-sent events.
  bool begin_events() const { return begin(200, "text/event-stream", {{"Cache-Control", "no-cache"}}); }
  /// Sends a piece. If the client has left more than http_limits::outgoing bytes unread, it is dropped.
  bool write(std::string_view piece) const { return exchange_->write(piece); }
  bool write_event(std::string_view data) const { return write(event_of(data)); }        ///< `data: ...`
  bool write_record(std::string_view record) const { return write(record_of(record)); }  ///< ends with a byte 0
  /// How many bytes the client has not taken yet. A producer that is faster than its client can wait, or leave pieces
  /// out.
  std::size_t unsent() const { return exchange_->unsent(); }
  /// Ends the stream.
  bool end() const { return exchange_->end(); }

  /// Requests a stop once the client is gone, or the server stops without waiting any longer.
  stop_signal gone() const { return exchange_->gone(); }
  /// Calls `call` at that time, once, on a thread of the server, or here if the client is gone already. It is not
  /// called after the end of the answer. It must not wait.
  void on_gone(hook<void()> call) const { exchange_->on_gone(std::move(call)); }

  static constexpr std::string_view json_type = "application/json";

 private:
  std::shared_ptr<http_exchange> exchange_;
};

}  // namespace serve
LLAVA_END
