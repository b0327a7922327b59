// SPDX-License-Identifier: Apache-2.0
/// http_request: what a handler gets of a request. http_header: one header.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// One header. In a request the name is in lower case.
struct http_header {
  std::string name, value;
};

/// A whole request. Nothing of it is trusted but its form: the head is checked (http_head.hpp), the body is any bytes.
struct http_request {
  std::string method;                ///< "GET", "POST", ...; a HEAD request has "HEAD"
  std::string path;                  ///< percent-decoded, begins with "/"; no "." or ".." segment, no control character
  std::string tail;                  ///< what a route's final "*" matched, or empty
  std::string query;                 ///< behind the "?", not decoded; or empty
  std::vector<http_header> headers;  ///< in order; without the trailers of a chunked body
  std::string body;
  std::string api_key;  ///< the key of `Authorization: Bearer`, or empty. It is valid unless the route is open
  std::string peer;     ///< the client's address and port: "127.0.0.1:50000", "[::1]:50000"

  /// The value of the first header with this name, which is in lower case, or an empty text.
  std::string_view header(std::string_view name) const {
    for (const http_header& h : headers)
      if (h.name == name) return h.value;
    return {};
  }
};

}  // namespace serve
LLAVA_END
