// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_head.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <llava/serve/http_head.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// Sets path and query. Only the origin form is taken: an absolute target names another server.
inline http_fault parse_target(std::string_view target, http_head& head) {
  const bool is_visible = std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (target.empty() || target[0] != '/' || !is_visible || target.find('#') != target.npos)
    return http_fault::bad_target;
  const std::size_t mark = (std::min)(target.find('?'), target.size());
  head.query = target.substr((std::min)(mark + 1, target.size()));
  std::optional<std::string> path = percent_decoded(target.substr(0, mark));
  if (!path || std::any_of(path->begin(), path->end(), [](char c) { return is_control(c); }))
    return http_fault::bad_target;
  for (std::size_t at = 0; at < path->size();) {
    const std::size_t end = (std::min)(path->find('/', at), path->size());
    const std::string_view segment = std::string_view(*path).substr(at, end - at);
    if (segment == "." || segment == "..") return http_fault::bad_target;
    at = end + 1;
  }
  head.path = std::move(*path);
  return http_fault::none;
}

inline http_fault parse_request_line(std::string_view line, http_head& head) {
  const std::size_t first = line.find(' '), second = line.rfind(' ');
  if (first == line.npos || first == second || !is_token(line.substr(0, first))) return http_fault::bad_request_line;
  head.method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1), version = line.substr(second + 1);
  if (target.find(' ') != target.npos) return http_fault::bad_request_line;
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7]))
    return http_fault::bad_request_line;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return http_fault::bad_version;
  head.is_1_1 = version[7] == '1';
  for (const std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
    if (head.method == known) return parse_target(target, head);
  return http_fault::unknown_method;
}

inline http_fault parse_header(std::string_view line, http_head& head) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return http_fault::bad_header;
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_header_value(value)) return http_fault::bad_header;
  head.headers.push_back({lower(line.substr(0, colon)), std::string(value)});
  return http_fault::none;
}

inline bool is_host(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return is_digit(c) || is_letter(c) || std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
}

/// Sets what the headers say about the body: its length, its encoding, what the client expects.
inline http_fault check_framing(const http_limits& limits, http_head& head) {
  const std::size_t lengths = head.count("content-length"), encodings = head.count("transfer-encoding");
  if (lengths > 0 && encodings > 0) return http_fault::length_and_encoding;
  if (lengths > 1) return http_fault::bad_length;
  if (encodings > 1 || (encodings == 1 && !head.is_1_1)) return http_fault::bad_transfer_encoding;
  if (encodings == 1 && !equal_ignoring_case(head.header("transfer-encoding"), "chunked"))
    return http_fault::unsupported_transfer_encoding;
  head.is_chunked = encodings == 1;
  if (lengths == 1) {
    const std::string_view text = head.header("content-length");
    if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); }))
      return http_fault::bad_length;
    std::uint64_t length = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (failure != std::errc() || length > limits.body) return http_fault::body_too_large;
    head.content_length = length;
  }
  if (head.count("content-encoding") > 0 && !equal_ignoring_case(head.header("content-encoding"), "identity"))
    return http_fault::content_encoding;
  if (head.count("expect") > 0 && !equal_ignoring_case(head.header("expect"), "100-continue"))
    return http_fault::expectation;
  head.expects_continue = head.is_1_1 && head.count("expect") > 0 && head.has_body();
  return http_fault::none;
}

inline http_fault check_headers(const http_limits& limits, http_head& head) {
  const std::size_t hosts = head.count("host");
  if (hosts > 1 || (hosts == 0 && head.is_1_1) || (hosts == 1 && !is_host(head.header("host"))))
    return http_fault::bad_host;
  for (const std::string_view once : {"authorization", "content-type", "content-encoding", "expect", "origin"})
    if (head.count(once) > 1) return http_fault::bad_header;
  bool closes = false, keeps = head.is_1_1;
  for (const http_header& h : head.headers) {
    if (h.name != "connection") continue;
    closes = closes || list_has(h.value, "close");
    keeps = keeps || list_has(h.value, "keep-alive");
  }
  head.keep_alive = keeps && !closes;
  return check_framing(limits, head);
}

}  // namespace detail

LLAVA_INLINE http_fault parse_http_head(std::string_view bytes, const http_limits& limits, http_head& head) {
  head = http_head();
  if (!bytes.empty() && !detail::is_token(bytes[0])) return http_fault::bad_request_line;
  bool is_first = true;
  for (std::size_t at = 0; at <= limits.head;) {
    const std::size_t end = bytes.find('\n', at), size = (std::min)(end, bytes.size()) - at;
    if (is_first && size > limits.request_line + 1) return http_fault::target_too_long;
    if (!is_first && size > limits.header_line + 1) return http_fault::headers_too_large;
    const http_fault bad_line = is_first ? http_fault::bad_request_line : http_fault::bad_header;
    if (end == bytes.npos) {  // the line is not complete
      const std::size_t cr = bytes.find('\r', at);
      if (cr != bytes.npos && cr + 1 < bytes.size()) return bad_line;
      return bytes.size() > limits.head ? http_fault::headers_too_large : http_fault::none;
    }
    if (size == 0 || bytes[end - 1] != '\r') return bad_line;
    const std::string_view line = bytes.substr(at, size - 1);
    at = end + 1;
    if (line.empty() && !is_first) {
      const http_fault fault = detail::check_headers(limits, head);
      if (fault == http_fault::none) head.size = at;
      return fault;
    }
    if (!is_first && head.headers.size() == limits.headers) return http_fault::headers_too_large;
    const http_fault fault = is_first ? detail::parse_request_line(line, head) : detail::parse_header(line, head);
    if (fault != http_fault::none) return fault;
    is_first = false;
  }
  return http_fault::headers_too_large;
}

}  // namespace serve
LLAVA_END
