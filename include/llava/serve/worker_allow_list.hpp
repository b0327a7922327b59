// SPDX-License-Identifier: Apache-2.0
/// worker_allow_list: the addresses to which a controller connects (R20). A controller sends requests to the addresses
/// that are registered with it. Without such a list anybody who reaches it could send requests into its network
/// (CVE-2024-10044).
///
/// Without entries a worker must have the IP address from which it was registered; from this machine, any loopback
/// address. Entries allow more: an IP address, a range ("10.1.0.0/16", "fd00::/8"), or the name of a host, with any
/// address. The address is compared again each time that the controller connects.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>
#include <llava/serve/ip_address.hpp>

LLAVA_BEGIN
namespace serve {

/// The IP address of "127.0.0.1:50000" or "[::1]:50000".
std::string_view address_of_peer(std::string_view peer);

/// See the top of this file.
class worker_allow_list {
 public:
  worker_allow_list() = default;
  /// Errors: an entry is not an address, a range or a name.
  static result<worker_allow_list> try_make(const std::vector<std::string>& entries);

  /// Whether the controller may connect to `ip`, an IP address, of a worker with this host, registered from `peer`.
  bool allows(std::string_view ip, std::string_view host, std::string_view peer) const;
  /// The same for all addresses that a host has now: one that is not allowed is an error. It may wait for the system's
  /// resolver. Errors: not allowed; no address is known.
  result<void> try_allow_host(const std::string& host, std::string_view peer) const;

 private:
  std::vector<detail::ip_range> ranges_;
  std::vector<std::string> names_;  // in lower case
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/worker_allow_list_inl.hpp>
#endif
