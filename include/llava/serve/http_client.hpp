// SPDX-License-Identifier: Apache-2.0
/// A small HTTP/1.1 client: one request on one connection, with time limits. A controller and its workers speak through
/// it; it follows no redirect, keeps no cookie and knows no proxy. https:// needs http_call::tls (openssl_client.hpp).
///
/// try_call waits for the answer on the caller's thread, and any number of threads may call it. It ends early, within
/// 50 ms, if `stop` requests it. A name, not an address, is looked up on a thread of its own: the system's resolver
/// cannot be cancelled, so that thread may outlive the call, as long as the resolver waits.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/hook.hpp>
#include <llava/serve/http_message.hpp>

LLAVA_BEGIN
namespace serve {

class tls_client;  // client_stream.hpp

/// The parts of http://HOST[:PORT][/PATH].
struct http_url {
  std::string host;  ///< a name, an IPv4 address, or an IPv6 address without its brackets
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query, as written

  /// The Host header.
  std::string authority() const;
};

/// Errors: another scheme, a user name or password, a character that is not allowed, a port that is not 1 to 65535.
result<http_url> try_parse_http_url(std::string_view text);

struct http_reply;

/// A request and its limits.
struct http_call {
  using milliseconds = std::chrono::milliseconds;

  std::string url = {};
  std::string method = "POST";
  std::string body = {};  ///< sent as application/json unless `headers` says otherwise
  std::vector<http_header> headers = {};
  milliseconds connect_time{5'000};  ///< for connecting, with the look-up of the name and the handshake of TLS
  milliseconds silence{5'000};       ///< between two pieces of the answer, and before the first
  milliseconds total{0};             ///< for everything; 0: no limit
  std::size_t longest = 64 << 20;    ///< of the answer's body, unless it is streamed; bytes
  /// Asked with each IP address before it is connected to. An empty hook allows all.
  hook<bool(std::string_view)> allows_address = {};
  /// Asked when the status and the headers are known. False closes the connection, and the call is cancelled.
  hook<bool(const http_reply&)> accepts_head = {};
  std::shared_ptr<const tls_client> tls = {};  ///< for https://
  stop_signal stop = {};
};

/// The answer.
struct http_reply {
  int status = 0;
  std::vector<http_header> headers;  ///< names in lower case
  std::string body;                  ///< empty if it was streamed

  std::string_view header(std::string_view name) const {
    for (const http_header& h : headers)
      if (h.name == name) return h.value;
    return {};
  }
};

/// Sends the request and returns the answer, whatever its status. Errors: cancelled; io, nobody answers, in time, or to
/// the end; invalid_format, an answer that is not HTTP or is too long; invalid_argument, a call that is not valid.
result<http_reply> try_call(const http_call& call);

/// The same, but the body of an answer with status 200 or 206 goes to on_piece as it arrives, in pieces of any size,
/// and http_reply::body is empty. If on_piece returns false, the connection is closed and the call is cancelled. Use
/// record_splitter (stream_records.hpp) for LLaVA's records.
result<http_reply> try_call(const http_call& call, function_ref<bool(std::string_view)> on_piece);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/http_client_inl.hpp>
#endif
