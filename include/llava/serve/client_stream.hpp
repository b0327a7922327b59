// SPDX-License-Identifier: Apache-2.0
/// client_stream: a connection as http_client reads and writes it: TCP, or TLS on top. tls_client makes the latter; it
/// is an interface, so that a program that needs no TLS links no library for it. openssl_client.hpp implements it.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// The end of an operation of a client_stream.
struct stream_operation {
  boost::system::error_code failure;
  std::size_t bytes = 0;
};

/// Each function starts one operation, which ends while the socket's io_context runs; one at a time. The buffer and
/// `ended` must live until then. Closing the socket ends it early.
class client_stream {
 public:
  client_stream() = default;
  client_stream(const client_stream&) = delete;
  client_stream& operator=(const client_stream&) = delete;
  virtual ~client_stream() = default;
  /// Agrees on keys, and verifies the server.
  virtual void handshake(stream_operation& ended) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, stream_operation& ended) = 0;
  /// Writes all of it.
  virtual void write(boost::asio::const_buffer from, stream_operation& ended) = 0;
  /// Why the handshake has failed: "its certificate has expired".
  virtual std::string refusal() const { return {}; }
};

/// Makes encrypted connections. Any number of threads may use one.
class tls_client {
 public:
  tls_client() = default;
  tls_client(const tls_client&) = delete;
  tls_client& operator=(const tls_client&) = delete;
  virtual ~tls_client() = default;
  /// A connection over `socket`, which outlives it, to a server that must prove to be `host`: a name, or an IP address
  /// without brackets. Errors: no memory; the library refuses the name.
  virtual result<std::unique_ptr<client_stream>> try_wrap(boost::asio::ip::tcp::socket& socket,
                                                          const std::string& host) const = 0;
};

namespace detail {

/// A connection without TLS.
class plain_stream final : public client_stream {
 public:
  explicit plain_stream(boost::asio::ip::tcp::socket& socket) : socket_(socket) {}
  void handshake(stream_operation& ended) override { ended = {}; }
  void read_some(boost::asio::mutable_buffer into, stream_operation& ended) override {
    socket_.async_read_some(into, [&](const auto& failure, std::size_t bytes) { ended = {failure, bytes}; });
  }
  void write(boost::asio::const_buffer from, stream_operation& ended) override {
    boost::asio::async_write(socket_, from, [&](const auto& failure, std::size_t bytes) { ended = {failure, bytes}; });
  }

 private:
  boost::asio::ip::tcp::socket& socket_;
};

}  // namespace detail
}  // namespace serve
LLAVA_END
