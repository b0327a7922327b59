// SPDX-License-Identifier: Apache-2.0
/// origin_policy: which web pages may use a server (R20). A browser sends a page's origin with each request that could
/// change something, and lets any page send one to 127.0.0.1. So a request from the page of another origin is refused,
/// unless that origin is allowed; allowed ones get the headers of CORS. Programs other than browsers send no origin.
///
/// A page can also make the name of its own server resolve to 127.0.0.1 (DNS rebinding); its requests then carry that
/// name in the Host header. So a server on a loopback address answers only under an IP address, "localhost" and the
/// names in `host_names`.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_head.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve {

/// The origins and host names that a server accepts.
struct origin_policy {
  std::vector<std::string> origins;     ///< "https://example.org"; "*" allows all
  std::vector<std::string> host_names;  ///< further names of this server
  bool checks_host = false;             ///< whether the Host header must be one of the names

  bool allows_origin(std::string_view origin) const {
    return std::any_of(origins.begin(), origins.end(), [&](const std::string& o) { return o == "*" || o == origin; });
  }

  /// Returns none, unknown_host or foreign_origin.
  http_fault check(const http_head& head) const {
    const std::string_view host = head.header("host"), origin = head.header("origin");
    if (checks_host && !host.empty() && !knows_host(name_of(host))) return http_fault::unknown_host;
    if (head.count("origin") == 0 || allows_origin(origin)) return http_fault::none;
    const std::size_t scheme = origin.find("://");
    const bool is_own =
        scheme != origin.npos && !host.empty() && detail::equal_ignoring_case(origin.substr(scheme + 3), host);
    return is_own ? http_fault::none : http_fault::foreign_origin;
  }

  /// The CORS headers of a reply: none, unless the request's origin is an allowed one.
  std::vector<http_header> headers(const http_head& head) const {
    const std::string_view origin = head.header("origin");
    if (origin.empty() || !allows_origin(origin)) return {};
    return {{"Access-Control-Allow-Origin", std::string(origin)}, {"Vary", "Origin"}};
  }

  /// Whether a request asks, for an allowed origin, what it may send.
  bool is_preflight(const http_head& head) const {
    return head.method == "OPTIONS" && allows_origin(head.header("origin")) &&
           head.count("access-control-request-method") > 0;
  }

 private:
  /// "example.org:80" -> "example.org", "[::1]:80" -> "[::1]"
  static std::string_view name_of(std::string_view host) {
    const std::size_t bracket = host.find(']');
    return bracket == host.npos ? host.substr(0, host.find(':')) : host.substr(0, bracket + 1);
  }
  bool knows_host(std::string_view name) const {
    const bool is_ip_v4 = std::all_of(name.begin(), name.end(), [](char c) { return detail::is_digit(c) || c == '.'; });
    if (is_ip_v4 || name.front() == '[' || detail::equal_ignoring_case(name, "localhost")) return true;
    return std::any_of(host_names.begin(), host_names.end(),
                       [&](const std::string& known) { return detail::equal_ignoring_case(known, name); });
  }
};

}  // namespace serve
LLAVA_END
