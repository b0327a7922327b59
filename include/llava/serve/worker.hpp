// SPDX-License-Identifier: Apache-2.0
/// worker: a model worker of LLaVA's protocol. It registers with a controller, sends heartbeats, and answers prompts in
/// the order in which they come, a few at a time. Requests and replies are those of the original worker.
///
///   POST /worker_get_status       {"model_names":["NAME"],"speed":1,"queue_length":N}
///   POST /worker_generate_stream  records of JSON, each ended by a byte 0 (worker_request.hpp)
///
/// A heartbeat is sent every 15 seconds, and when a request begins and ends. A controller that does not answer is asked
/// again after 5 seconds; one that does not know the worker, because it was started anew, gets its registration again.
///
/// What differs from the original: heartbeats do not delay answers; an answer whose client is gone is given up, also
/// while it waits.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/hook.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/worker_request.hpp>

LLAVA_BEGIN
namespace serve {

/// How a worker runs.
struct worker_settings {
  using milliseconds = std::chrono::milliseconds;

  http_settings http = {};
  std::string worker_address = {};  ///< the worker's address for others; empty: http://localhost:PORT
  std::string controller_address = "http://localhost:21001";
  std::string worker_token = {};  ///< the controller's
  bool registers = true;          ///< with the controller
  std::size_t limit = 5;          ///< requests that are answered at one time
  milliseconds heart_beat{15'000};
  milliseconds retry{5'000};
  hook<void(std::string_view)> log = {};  ///< gets lines; several threads may call it at a time
};

namespace detail {
class worker_state;
}

/// A running worker.
class worker {
 public:
  /// Listens, and registers. Errors: those of http_server; the controller does not answer, or refuses the worker.
  static result<worker> try_start(worker_settings settings, std::shared_ptr<worker_model> model) {
    return try_start(std::move(settings), [&] { return result<std::shared_ptr<worker_model>>(std::move(model)); });
  }
  /// The same with a model that is made when the address is known to be free.
  static result<worker> try_start(worker_settings settings,
                                  function_ref<result<std::shared_ptr<worker_model>>()> make_model);
  worker(worker&&) noexcept;
  worker& operator=(worker&&) noexcept;
  ~worker();

  std::uint16_t port() const;
  /// Requests that are being answered, and those that wait.
  std::size_t queue_length() const;
  bool drain(std::chrono::milliseconds longest = std::chrono::seconds(30));

 private:
  explicit worker(std::shared_ptr<detail::worker_state> state);
  std::shared_ptr<detail::worker_state> state_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/worker_inl.hpp>
#endif
