// SPDX-License-Identifier: Apache-2.0
/// The text of a reply's head, and the frames of a chunked body.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/serve/http_message.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// The words of a status line, or nothing for a status that no part of the server uses.
inline std::string_view reason_of(int status) {
  constexpr struct {
    int status;
    std::string_view reason;
  } known[] = {{100, "Continue"},
               {200, "OK"},
               {201, "Created"},
               {202, "Accepted"},
               {204, "No Content"},
               {301, "Moved Permanently"},
               {302, "Found"},
               {304, "Not Modified"},
               {400, "Bad Request"},
               {401, "Unauthorized"},
               {403, "Forbidden"},
               {404, "Not Found"},
               {405, "Method Not Allowed"},
               {408, "Request Timeout"},
               {409, "Conflict"},
               {413, "Content Too Large"},
               {414, "URI Too Long"},
               {415, "Unsupported Media Type"},
               {417, "Expectation Failed"},
               {421, "Misdirected Request"},
               {422, "Unprocessable Content"},
               {429, "Too Many Requests"},
               {431, "Request Header Fields Too Large"},
               {500, "Internal Server Error"},
               {501, "Not Implemented"},
               {502, "Bad Gateway"},
               {503, "Service Unavailable"},
               {504, "Gateway Timeout"},
               {505, "HTTP Version Not Supported"}};
  for (const auto& k : known)
    if (k.status == status) return k.reason;
  return {};
}

/// The time in the form of the header Date, always in English.
inline std::string http_date(std::time_t time) {
  constexpr std::string_view days = "SunMonTueWedThuFriSat", months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::tm t{};
  gmtime_r(&time, &t);
  const auto name = [](std::string_view names, int i) { return names.substr(static_cast<std::size_t>(i) * 3, 3); };
  const auto two = [](int n) { return text_of(n < 10 ? "0" : "", n); };
  return text_of(name(days, t.tm_wday), ", ", two(t.tm_mday), ' ', name(months, t.tm_mon), ' ', t.tm_year + 1900, ' ',
                 two(t.tm_hour), ':', two(t.tm_min), ':', two(t.tm_sec), " GMT");
}

/// Whether a reply may carry these headers: names of tokens, values without control characters, none that the server
/// sets itself.
inline bool are_valid_headers(const std::vector<http_header>& headers) {
  return std::all_of(headers.begin(), headers.end(), [](const http_header& h) {
    for (const std::string_view own : {"content-length", "transfer-encoding", "connection", "content-type", "date"})
      if (equal_ignoring_case(h.name, own)) return false;
    return is_token(h.name) && is_header_value(h.value);
  });
}

/// Whether a reply with this status has a body (RFC 9110, section 6.4.1).
constexpr bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

/// Status line and headers up to and with the empty line. `framing` is the header that says where the body ends, or
/// empty.
inline std::string head_text(int status, std::string_view content_type, std::string_view framing, bool keep_alive,
                             const std::vector<http_header>& more) {
  std::string out = text_of("HTTP/1.1 ", status, ' ', reason_of(status), "\r\nDate: ", http_date(std::time(nullptr)));
  if (!content_type.empty()) out.append("\r\nContent-Type: ").append(content_type);
  if (!framing.empty()) out.append("\r\n").append(framing);
  out += "\r\nX-Content-Type-Options: nosniff";
  out += keep_alive ? "\r\nConnection: keep-alive" : "\r\nConnection: close";
  for (const http_header& h : more) out.append("\r\n").append(h.name).append(": ").append(h.value);
  return out += "\r\n\r\n";
}

/// A piece of a chunked body. It must not be empty, which would end the body.
inline std::string chunk_of(std::string_view piece) {
  char size[16];
  const auto written = std::to_chars(size, size + sizeof size, piece.size(), 16);
  std::string out(size, written.ptr);
  return out.append("\r\n").append(piece).append("\r\n");
}
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace serve::detail
LLAVA_END
