// SPDX-License-Identifier: Apache-2.0
/// http_server: an HTTP/1.1 server on one address (R8, R11, R20). It knows nothing of models: http_routes says what it
/// answers. TLS is left to a proxy. It needs exceptions and Boost 1.81: link llava::serve or llava::compiled_serve.
///
/// It listens on 127.0.0.1 unless told otherwise. With API keys, every route that is not open needs one, and a path
/// that does not exist needs one too. Web pages of other origins are refused (origin_policy.hpp).
///
/// A few threads read and write all connections and never wait for a client. What a client may send, and how slowly, is
/// in http_limits.hpp. A connection is read while its reply is computed, so http_response::gone() is set as soon as the
/// client closes it. A client that closes only its sending side counts as gone.
///
/// With http_limits::connections open, a new connection takes the place of the one that has waited longest for a
/// complete head, or has stopped sending its body; if none has waited for http_limits::yield_age, the new one gets
/// status 503 and Retry-After. So neither idle nor slow clients keep others out, and requests that are being answered
/// are never given up.
///
///   serve::http_routes routes;
///   routes.add("GET", "/health", [](serve::http_request, serve::http_response r) { r.reply_json(200, "{}"); });
///   auto server = serve::http_server::try_start({.port = 8080}, std::move(routes));
///   // ... wait for SIGTERM ...
///   server->drain(std::chrono::seconds(30));
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/http_settings.hpp>

LLAVA_BEGIN
namespace serve {

namespace detail {
class http_core;
}

/// A running server. Its destructor ends all connections at once, sets gone() of running requests and waits for
/// handlers, but not for responses that other threads hold: those outlive it.
class http_server {
 public:
  /// Listens and answers. Errors: not an IP address, a port that is in use or not allowed, a key that is not valid, no
  /// threads.
  static result<http_server> try_start(http_settings settings, http_routes routes) {
    return try_start(std::move(settings), std::move(routes), [] { return result<void>(); });
  }
  /// The same with work that may take long, such as loading a model: prepare() is called when the address is known to
  /// be free, and before any connection is accepted. Errors: also those of prepare().
  static result<http_server> try_start(http_settings settings, http_routes routes,
                                       function_ref<result<void>()> prepare);
#if LLAVA_EXCEPTIONS
  static http_server start(http_settings settings, http_routes routes) {
    return value_or_throw(try_start(std::move(settings), std::move(routes)));
  }
#endif
  http_server(http_server&&) noexcept;
  http_server& operator=(http_server&&) noexcept;
  ~http_server();

  std::uint16_t port() const;
  std::size_t connections() const;  ///< open at this moment, without those that are being refused

  /// Stops listening, refuses further requests on open connections, and waits until all running ones are answered, at
  /// most for `longest`; then it drops the rest and sets their gone(). Returns whether none was dropped. Any thread may
  /// call it, but not a handler, and not the handler of a signal itself: there, wake a thread that calls it.
  bool drain(std::chrono::milliseconds longest = std::chrono::seconds(30));
  bool is_draining() const;

 private:
  explicit http_server(std::shared_ptr<detail::http_core> core);
  std::shared_ptr<detail::http_core> core_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/http_server_inl.hpp>
#endif
