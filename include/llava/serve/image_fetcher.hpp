// SPDX-License-Identifier: Apache-2.0
/// image_fetcher: images that a request names by a URL, from hosts and from a folder that the server's owner allows
/// (R6). Without entries nothing is fetched.
///
/// A host is compared by its name. The addresses of the name are then compared: a public name may lead into a private
/// network (is_public_address, ip_address.hpp). The connection is made to the address that was compared, and no
/// redirect is followed.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/image/image.hpp>
#include <llava/serve/file_root.hpp>
#include <llava/serve/url.hpp>

LLAVA_BEGIN
namespace serve {

class tls_client;  // client_stream.hpp

/// What may be fetched, and its limits.
struct image_fetcher_settings {
  /// "example.org": with the ports 80 and 443; "example.org:8080"; ".example.org": the hosts below it; "[::1]:8080".
  std::vector<std::string> hosts = {};
  bool allows_private_addresses = false;                              ///< of these hosts
  std::string root = {};                                              ///< folder for file: URLs; empty: none
  std::shared_ptr<const tls_client> tls = {};                         ///< for https: URLs
  std::chrono::milliseconds connect_time{5'000}, total_time{10'000};  ///< of an image
  std::size_t longest = image_limits{}.file_bytes;                     ///< of a file, bytes
};

/// See the top of this file. Any number of threads may use one.
class image_fetcher {
 public:
  /// Errors: an entry that is no host; a private address that would never be connected to; no such folder.
  static result<std::shared_ptr<const image_fetcher>> try_make(image_fetcher_settings settings);

  /// Whether the URL may be fetched, as far as its text says. Errors, whose sentences are for the client: why not.
  result<url_parts> try_allow(std::string_view url) const;
  /// Fetches the bytes. They are not looked at. Errors, whose sentences are for the client and tell nothing of the
  /// network: errc::cancelled, by `stop`; errc::invalid_argument, all others. `time`: at most this, if it is less than
  /// the settings' total_time.
  result<std::vector<std::byte>> try_fetch(const std::string& url, const stop_signal& stop = {},
                                           std::chrono::milliseconds time = std::chrono::milliseconds::max()) const;

 private:
  struct allowed_host {
    std::string name;        // in lower case; may begin with a dot
    std::uint16_t port = 0;  // 0: the scheme's own
  };
  image_fetcher() = default;
  result<void> try_add_host(const std::string& entry);
  bool allows(const url_parts& url) const;

  image_fetcher_settings settings_;
  std::vector<allowed_host> hosts_;
  std::optional<file_root> root_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/image_fetcher_inl.hpp>
#endif
