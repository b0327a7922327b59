// SPDX-License-Identifier: Apache-2.0
/// http_settings: where an HTTP server listens, with how many threads, and to whom it answers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/hook.hpp>
#include <llava/base/macros.hpp>
#include <llava/serve/http_limits.hpp>

LLAVA_BEGIN
namespace serve {

/// How a server runs.
struct http_settings {
  std::string address = "127.0.0.1";              ///< an IP address or localhost; "0.0.0.0", "::": all
  std::uint16_t port = 0;                         ///< 0: any free one
  std::size_t io_threads = 2;                     ///< read, write and run handlers
  std::size_t waiting_threads = 8;                ///< run handlers of routes that may wait
  std::vector<std::string> api_keys = {};         ///< empty: no key is needed
  std::vector<std::string> allowed_origins = {};  ///< web pages that may use the server; "*": all
  std::vector<std::string> host_names = {};       ///< names under which a server on a loopback address is reached
  http_limits limits = {};
  /// Gets the text of a std::exception that has left a handler, for a log. Several threads may call it at a time.
  hook<void(std::string_view)> on_exception = {};
};

}  // namespace serve
LLAVA_END
