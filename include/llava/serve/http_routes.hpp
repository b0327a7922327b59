// SPDX-License-Identifier: Apache-2.0
/// http_routes: which handler answers which method and path.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/hook.hpp>
#include <llava/base/macros.hpp>
#include <llava/serve/http_message.hpp>
#include <llava/serve/http_response.hpp>

LLAVA_BEGIN
namespace serve {

/// Answers a request. Several threads call one handler at a time. It may move the response elsewhere and return; the
/// request is its own. An exception that leaves it makes the answer a 500, without its text.
using http_handler = hook<void(http_request, http_response)>;

/// How a route is served.
struct route_options {
  bool is_open = false;   ///< needs no API key
  bool may_wait = false;  ///< runs on a thread for handlers that wait or compute; others delay all clients of a thread
};

/// A table of handlers.
class http_routes {
 public:
  struct route {
    std::string method, path;
    http_handler handler;
    route_options options;
  };

  /// Adds a handler. `path` is compared with the decoded path; a "*" at its end matches any rest, http_request::tail.
  /// The first route that matches is taken. A handler for GET also answers HEAD; its body is then left out.
  http_routes& add(std::string method, std::string path, http_handler handler, route_options options = {}) {
    routes_.push_back({std::move(method), std::move(path), std::move(handler), options});
    return *this;
  }

  /// Returns the route, or null.
  const route* find(std::string_view method, std::string_view path) const {
    for (const route& r : routes_)
      if (takes(r, method) && matches(r, path)) return &r;
    return nullptr;
  }

  /// The methods of a path, for the header Allow: "GET, HEAD, POST". Empty: no route has this path.
  std::string methods_of(std::string_view path) const {
    std::string out;
    for (const std::string_view method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
      if (find(method, path)) out.append(out.empty() ? "" : ", ").append(method);
    return out;
  }

  /// What the "*" of a route matches in a path.
  static std::string_view tail_of(const route& r, std::string_view path) {
    return r.path.ends_with('*') ? path.substr(r.path.size() - 1) : std::string_view();
  }

 private:
  static bool takes(const route& r, std::string_view method) {
    return r.method == method || (r.method == "GET" && method == "HEAD");
  }
  static bool matches(const route& r, std::string_view path) {
    if (!r.path.ends_with('*')) return r.path == path;
    return path.substr(0, r.path.size() - 1) == std::string_view(r.path).substr(0, r.path.size() - 1);
  }

  std::vector<route> routes_;
};

}  // namespace serve
LLAVA_END
