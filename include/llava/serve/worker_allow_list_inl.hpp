// SPDX-License-Identifier: Apache-2.0
/// Definitions of worker_allow_list.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <llava/serve/http_text.hpp>
#include <llava/serve/system_errors.hpp>
#include <llava/serve/worker_allow_list.hpp>

LLAVA_BEGIN
namespace serve {
LLAVA_INLINE std::string_view address_of_peer(std::string_view peer) {
  peer = peer.substr(0, (std::min)(peer.rfind(':'), peer.size()));
  if (peer.starts_with('[') && peer.ends_with(']')) peer = peer.substr(1, peer.size() - 2);
  return peer;
}

LLAVA_INLINE result<worker_allow_list> worker_allow_list::try_make(const std::vector<std::string>& entries) {
  worker_allow_list made;
  for (const std::string& entry : entries) {
    const auto refuse = [&] {
      return fail(errc::invalid_argument,
                  text_of("llava: '", entry, "' is not an allowed worker; write an IP address, ",
                          "a range such as 10.1.0.0/16, or the name of a host"));
    };
    const std::size_t slash = entry.find('/');
    if (const auto ip = detail::parse_ip(std::string_view(entry).substr(0, slash))) {
      detail::ip_range r{*ip, 128};
      const int family_bits = entry.find(':') == entry.npos ? 32 : 128;
      if (slash != entry.npos) {
        int bits = -1;
        const char *const first = entry.data() + slash + 1, *const last = entry.data() + entry.size();
        const auto [end, failure] = std::from_chars(first, last, bits);
        if (failure != std::errc() || end != last || bits < 0 || bits > family_bits) return refuse();
        r.bits = 128 - family_bits + bits;
      }
      made.ranges_.push_back(r);
      continue;
    }
    const bool is_name = !entry.empty() && std::all_of(entry.begin(), entry.end(), [](char c) {
      return detail::is_digit(c) || detail::is_letter(c) || c == '.' || c == '-' || c == '_';
    });
    if (!is_name) return refuse();
    made.names_.push_back(detail::lower(entry));
  }
  return made;
}

LLAVA_INLINE bool worker_allow_list::allows(std::string_view ip, std::string_view host, std::string_view peer) const {
  const auto wanted = detail::parse_ip(ip), from = detail::parse_ip(peer);
  if (!wanted) return false;
  if (from && (*wanted == *from || (detail::is_loopback(*wanted) && detail::is_loopback(*from)))) return true;
  if (std::find(names_.begin(), names_.end(), detail::lower(host)) != names_.end()) return true;
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const detail::ip_range& r) { return r.contains(*wanted); });
}

LLAVA_INLINE result<void> worker_allow_list::try_allow_host(const std::string& host, std::string_view peer) const {
  return detail::without_exceptions("look up a host", [&]() -> result<void> {
    boost::asio::io_context io;
    boost::system::error_code failure;
    boost::asio::ip::tcp::resolver resolver(io);
    const auto found = resolver.resolve(host, "80", boost::asio::ip::resolver_base::numeric_service, failure);
    if (failure || found.empty()) return fail(errc::not_found, "llava: no address is known for the worker's host");
    for (const auto& entry : found)
      if (!allows(entry.endpoint().address().to_string(), host, peer))
        return fail(errc::invalid_argument, "llava: the worker's address is not allowed");
    return {};
  });
}

}  // namespace serve
LLAVA_END
