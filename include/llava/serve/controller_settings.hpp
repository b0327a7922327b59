// SPDX-License-Identifier: Apache-2.0
/// controller_settings: where a controller listens, how it chooses workers, and which it allows.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/hook.hpp>
#include <llava/serve/http_settings.hpp>
#include <llava/serve/worker_table.hpp>

LLAVA_BEGIN
namespace serve {

/// How a controller runs.
struct controller_settings {
  using milliseconds = std::chrono::milliseconds;

  http_settings http = {};  ///< with api_keys, clients need a key, too
  dispatch_method dispatch = dispatch_method::shortest_queue;
  std::string worker_token = {};                  ///< empty: none. It is needed unless http.address is a loopback one
  std::vector<std::string> allowed_workers = {};  ///< worker_allow_list.hpp
  milliseconds expiration{30'000};                ///< of heartbeats, and between two looks at them
  milliseconds worker_time{5'000};                ///< for a worker to connect, and between two pieces of its answer
  hook<worker_entry::time()> now = {};            ///< for tests; default: the steady clock
  hook<double()> random = {};                     ///< [0, 1), for the lottery
  hook<void(std::string_view)> log = {};          ///< gets lines; several threads may call it at a time
};

}  // namespace serve
LLAVA_END
