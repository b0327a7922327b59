// SPDX-License-Identifier: Apache-2.0
/// IP addresses and ranges of them, and which addresses are public.
#pragma once
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// An IP address; IPv4 as ::ffff:a.b.c.d, so that both notations of one are equal.
using ip_bytes = std::array<std::uint8_t, 16>;

/// The first `bits` bits of an address.
struct ip_range {
  ip_bytes first{};
  int bits = 128;
  bool contains(const ip_bytes& ip) const {
    int left = bits;
    for (std::size_t i = 0; i < ip.size() && left > 0; ++i, left -= 8) {
      const unsigned mask = left >= 8 ? 0xffu : 0xffu << (8 - left) & 0xffu;
      if (((static_cast<unsigned>(ip[i]) ^ first[i]) & mask) != 0) return false;
    }
    return true;
  }
};

/// Reads "192.0.2.1", four decimal numbers, or "2001:db8::1"; the zone of "fe80::1%eth0" is dropped.
inline std::optional<ip_bytes> parse_ip(std::string_view text) {
  const bool is_v6 = text.find(':') != text.npos;
  const std::string plain(is_v6 ? text.substr(0, text.find('%')) : text);
  if (plain.find('\0') != plain.npos) return std::nullopt;
  ip_bytes out{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_read = ::inet_pton(is_v6 ? AF_INET6 : AF_INET, plain.c_str(), out.data() + (is_v6 ? 0 : 12)) == 1;
  return is_read ? std::optional(out) : std::nullopt;
}

inline constexpr ip_range mapped_range{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};  ///< IPv4

/// A range of IPv4 addresses.
constexpr ip_range v4_range(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, int bits) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + bits};
}

inline bool is_loopback(const ip_bytes& ip) {
  constexpr ip_range v4 = v4_range(127, 0, 0, 0, 8), v6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128};
  return v4.contains(ip) || v6.contains(ip);
}

}  // namespace detail

/// Whether `address` is an IP address that only this machine reaches, or "localhost".
inline bool is_loopback_address(std::string_view address) {
  if (detail::equal_ignoring_case(address, "localhost")) return true;
  const auto ip = detail::parse_ip(address);
  return ip && detail::is_loopback(*ip);
}

/// Whether `address` is the IP address of a host on the internet: not of this machine, of a private or shared network,
/// of a link, of several hosts, of a cloud's metadata service, or reserved (IANA's registries of special-purpose
/// addresses, RFC 6890). Of IPv6 it is in 2000::/3, and no address of a tunnel or translator that carries an IPv4
/// address (RFC 3056, 4380, 6052).
inline bool is_public_address(std::string_view address) {
  using detail::ip_range, detail::v4_range;
  static constexpr ip_range of_v4[] = {
      v4_range(0, 0, 0, 0, 8),         // this network
      v4_range(10, 0, 0, 0, 8),        // private
      v4_range(100, 64, 0, 0, 10),     // shared by the customers of a provider
      v4_range(127, 0, 0, 0, 8),       // loopback
      v4_range(168, 63, 129, 16, 32),  // metadata, in Azure
      v4_range(169, 254, 0, 0, 16),    // link-local, metadata
      v4_range(172, 16, 0, 0, 12),     // private
      v4_range(192, 0, 0, 0, 24),      // of protocols
      v4_range(192, 0, 2, 0, 24),      // documentation
      v4_range(192, 88, 99, 0, 24),    // relays of 6to4
      v4_range(192, 168, 0, 0, 16),    // private
      v4_range(198, 18, 0, 0, 15),     // benchmarks
      v4_range(198, 51, 100, 0, 24),   // documentation
      v4_range(203, 0, 113, 0, 24),    // documentation
      v4_range(224, 0, 0, 0, 4),       // multicast
      v4_range(240, 0, 0, 0, 4),       // reserved, broadcast
  };
  static constexpr ip_range global{{0x20}, 3};
  static constexpr ip_range of_v6[] = {
      {{0x20, 0x01}, 23},              // of protocols: Teredo, ORCHID
      {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
      {{0x20, 0x02}, 16},              // 6to4
      {{0x3f, 0xff}, 20},              // documentation
  };
  const auto ip = detail::parse_ip(address);
  if (!ip) return false;
  const auto has = [&](const ip_range& r) { return r.contains(*ip); };
  if (detail::mapped_range.contains(*ip)) return std::none_of(std::begin(of_v4), std::end(of_v4), has);
  return global.contains(*ip) && std::none_of(std::begin(of_v6), std::end(of_v6), has);
}

}  // namespace serve
LLAVA_END
