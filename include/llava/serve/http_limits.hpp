// SPDX-License-Identifier: Apache-2.0
/// The limits of an HTTP server (R8). Sizes are bytes. Every limit holds per connection unless it says otherwise.
#pragma once
#include <chrono>
#include <cstddef>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// What a server accepts from clients, and for how long it waits for them.
struct http_limits {
  using milliseconds = std::chrono::milliseconds;

  std::size_t request_line = 8 << 10;  ///< longer: 414
  std::size_t header_line = 8 << 10;   ///< longer: 431
  std::size_t headers = 100;           ///< more: 431
  std::size_t head = 32 << 10;         ///< request line and headers together; more: 431
  std::size_t body = 32 << 20;         ///< longer: 413
  std::size_t bodies = 256 << 20;      ///< bodies of all requests that are read or answered at one time; more: 503
  std::size_t trailers = 4 << 10;      ///< of a chunked body; longer: 400
  std::size_t pipelined = 64 << 10;    ///< bytes that a client sends while it waits for a reply; more: dropped
  std::size_t outgoing = 1 << 20;      ///< streamed bytes that a client has not read yet; more: dropped
  std::size_t connections = 256;       ///< of the server; more: see http_server.hpp

  milliseconds head_time{5'000};   ///< from the first byte of a head, or from connecting, to its last; over: 408
  milliseconds idle_time{30'000};  ///< between two requests on one connection; over: closed
  milliseconds body_time{5'000};   ///< for a body, plus one second for each body_rate bytes received; over: 408
  std::size_t body_rate = 16 << 10;
  milliseconds write_time{30'000};  ///< for the client to take 64 KiB, or all there is; over: dropped
  milliseconds close_time{2'000};   ///< for the client to close, after the last reply
  milliseconds yield_age{250};      ///< a connection without a complete head for this long gives way to a new one
};

}  // namespace serve
LLAVA_END
