// SPDX-License-Identifier: Apache-2.0
/// parse_http_head: the request line and the headers of HTTP/1.1 (RFC 9112), read strictly. A server and a proxy in
/// front of it must agree on where a request ends, so whatever could be read in two ways is refused: a bare LF or CR, a
/// folded header, a space in front of a colon, two lengths, a length beside an encoding, an absolute target, HTTP/0.9.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_limits.hpp>
#include <llava/serve/http_message.hpp>

LLAVA_BEGIN
namespace serve {

/// A request without its body.
struct http_head {
  std::string method, path, query;   ///< path is percent-decoded, query is not
  std::vector<http_header> headers;  ///< names in lower case, values without spaces at their ends
  bool is_1_1 = true;                ///< otherwise HTTP/1.0
  bool keep_alive = true;
  bool is_chunked = false;
  bool expects_continue = false;
  std::optional<std::uint64_t> content_length;
  std::size_t size = 0;  ///< bytes of the head, its empty line included; 0: the head is not complete

  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
  /// As http_request::header.
  std::string_view header(std::string_view name) const {
    for (const http_header& h : headers)
      if (h.name == name) return h.value;
    return {};
  }
  /// How many headers have this name.
  std::size_t count(std::string_view name) const {
    std::size_t n = 0;
    for (const http_header& h : headers) n += h.name == name;
    return n;
  }
};

/// Drops the empty lines in front of a request. Some clients end a body with one.
inline void drop_empty_lines(std::string& bytes) {
  std::size_t size = 0;
  while (bytes.compare(size, 2, "\r\n") == 0) size += 2;
  bytes.erase(0, size);
}

/// Reads the head at the beginning of `bytes`. A fault is reported as soon as a line shows it. Without a fault
/// `head.size` says whether the head is complete; if not, call again with more bytes. The body's announced size is
/// checked too.
http_fault parse_http_head(std::string_view bytes, const http_limits& limits, http_head& head);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/http_head_inl.hpp>
#endif
