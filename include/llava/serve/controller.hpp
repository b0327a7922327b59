// SPDX-License-Identifier: Apache-2.0
/// controller: LLaVA's controller. Workers register with it and send heartbeats; clients ask it for the models, for the
/// address of a worker, or for an answer, which it passes on. Requests and replies are those of the original program,
/// so that its workers, its web page and its test_message work with it.
///
///   POST /register_worker        {worker_name, check_heart_beat, worker_status?}   null
///   POST /refresh_all_workers                                                       null
///   POST /list_models                                                               {"models":[...]}
///   POST /get_worker_address     {model}                                            {"address":"..."}
///   POST /receive_heart_beat     {worker_name, queue_length}                        {"exist":true}
///   POST /worker_generate_stream a worker's request (worker.hpp)                    a worker's stream
///   POST /worker_get_status                                                         {"model_names":[...], ...}
///
/// What differs: who registers a worker needs the token, if there is one, as `Authorization: Bearer TOKEN`; a worker's
/// address must be allowed (worker_allow_list.hpp), otherwise the reply is 403; a redirect is not followed; a request
/// that is not valid gets 400 instead of 500; a worker stays in the table while refresh_all_workers asks it.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/serve/controller_settings.hpp>
#include <llava/serve/worker_table.hpp>

LLAVA_BEGIN
namespace serve {

namespace detail {
class controller_state;
}

/// A running controller.
class controller {
 public:
  /// Errors: those of http_server; no token on an address that others reach; an entry of allowed_workers.
  static result<controller> try_start(controller_settings settings);
  controller(controller&&) noexcept;
  controller& operator=(controller&&) noexcept;
  ~controller();

  std::uint16_t port() const;
  /// A copy of the table.
  std::vector<worker_entry> workers() const;
  /// Removes silent workers. A thread of the controller does it once per `expiration`.
  void remove_silent_workers();
  bool drain(std::chrono::milliseconds longest = std::chrono::seconds(30));

 private:
  explicit controller(std::shared_ptr<detail::controller_state> state);
  std::shared_ptr<detail::controller_state> state_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/controller_inl.hpp>
#endif
