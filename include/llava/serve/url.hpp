// SPDX-License-Identifier: Apache-2.0
/// try_parse_url: the one reader of URLs, for the client and for the rules that say where it may connect. Two readers
/// that differ about a host would let a URL past the rules (R6). It takes the URLs that have one meaning (RFC 3986,
/// section 3; for files RFC 8089), and refuses the rest: user names and passwords, percent signs in a host, white
/// space, backslashes, control characters, fragments, and numbers such as 127.1 or 0x7f000001 that some systems read
/// as IPv4 addresses.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <llava/base/error.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/ip_address.hpp>

LLAVA_BEGIN
namespace serve {

enum class url_scheme { http, https, file };

/// The parts of http[s]://HOST[:PORT][/PATH] or file:///PATH.
struct url_parts {
  url_scheme scheme = url_scheme::http;
  std::string host;        ///< in lower case: a name, an IPv4 address, or an IPv6 address without its brackets
  std::uint16_t port = 0;  ///< 80 or 443 unless written; 0 for a file
  std::string target;      ///< path and query as written, at least "/"; of a file the decoded path

  std::uint16_t default_port() const { return scheme == url_scheme::file ? 0 : scheme == url_scheme::https ? 443 : 80; }
  /// The Host header: without the default port, which signatures of URLs leave out.
  std::string authority() const {
    const bool is_v6 = host.find(':') != host.npos;
    return text_of(is_v6 ? "[" : "", host, is_v6 ? "]" : "", port == default_port() ? "" : text_of(':', port));
  }
  /// "https://example.org": for errors, without the path, which may hold a secret.
  std::string origin() const { return text_of(scheme == url_scheme::https ? "https://" : "http://", authority()); }
};

namespace detail {

inline error not_a_url(std::string_view why) {
  return fail(errc::invalid_argument, text_of("llava: not a valid URL: ", why));
}

/// Whether `host` is a name (RFC 1123, and the underscore) or an IPv4 address. A last label of digits or 0x... makes it
/// a number, which must be four decimal ones.
inline bool is_name_or_v4(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::string_view label;
  for (std::size_t at = 0; at <= host.size(); at += label.size() + 1) {
    label = host.substr(at, host.find('.', at) - at);
    const auto is_allowed = [](char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; };
    if (label.empty() || label.size() > 63 || !std::all_of(label.begin(), label.end(), is_allowed)) return false;
  }
  const bool is_number = std::all_of(label.begin(), label.end(), [](char c) { return is_digit(c); }) ||
                         equal_ignoring_case(label.substr(0, 2), "0x");
  return !is_number || parse_ip(host).has_value();
}

/// Reads HOST[:PORT] into `out`, whose port is the default.
inline result<void> try_parse_authority(std::string_view text, url_parts& out) {
  if (text.find('@') != text.npos) return not_a_url("it may not have a user name or a password");
  const bool is_v6 = text.substr(0, 1) == "[";
  const std::size_t end = is_v6 ? text.find(']') : (std::min)(text.find(':'), text.size());
  if (end == text.npos) return not_a_url("a bracket is not closed");
  out.host = lower(is_v6 ? text.substr(1, end - 1) : text.substr(0, end));
  const bool is_zoned = out.host.find('%') != out.host.npos;
  if (is_v6 ? out.host.find(':') == out.host.npos || is_zoned || !parse_ip(out.host) : !is_name_or_v4(out.host))
    return not_a_url("the host is not a name or an address");
  text.remove_prefix(end + is_v6);
  if (text.empty()) return {};
  const char* const last = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data() + 1, last, out.port);
  if (text[0] != ':' || failure != std::errc() || stop != last || out.port == 0)
    return not_a_url("the port must be 1 to 65535");
  return {};
}

inline result<url_parts> try_parse_file_url(std::string_view place, std::string_view path) {
  if (!place.empty() && !equal_ignoring_case(place, "localhost"))
    return not_a_url("a file's URL has no host: file:///PATH");
  const auto decoded = percent_decoded(path);
  if (!decoded || decoded->empty() || path.find_first_of("?#") != path.npos ||
      std::any_of(decoded->begin(), decoded->end(), [](char c) { return is_control(c); }))
    return not_a_url("the path of the file is not valid");
  return url_parts{url_scheme::file, {}, 0, *decoded};
}

}  // namespace detail

/// Errors: see the top of this file. The sentence holds no part of the text.
inline result<url_parts> try_parse_url(std::string_view text) {
  const std::size_t colon = (std::min)(text.find("://"), text.size());
  const std::string scheme = detail::lower(text.substr(0, colon));
  if (scheme != "http" && scheme != "https" && scheme != "file")
    return detail::not_a_url("it must begin with http://, https:// or file://");
  text.remove_prefix(colon + 3);
  const std::size_t slash = (std::min)(text.find_first_of("/?#"), text.size());
  const std::string_view place = text.substr(0, slash), target = text.substr(slash);
  const auto is_allowed = [](char c) { return c > 0x20 && c < 0x7f && c != '#' && c != '\\'; };
  if (!std::all_of(target.begin(), target.end(), is_allowed))
    return detail::not_a_url("a character of the path is not allowed");
  if (scheme == "file") return detail::try_parse_file_url(place, target);
  url_parts out;
  out.scheme = scheme == "https" ? url_scheme::https : url_scheme::http;
  out.port = out.default_port();
  LLAVA_CHECK(detail::try_parse_authority(place, out));
  out.target = target.substr(0, 1) == "/" ? std::string(target) : text_of('/', target);
  return out;
}

}  // namespace serve
LLAVA_END
