// SPDX-License-Identifier: Apache-2.0
/// openai_service: models behind OpenAI's API, as routes of an http_server. docs/serving.md describes the API.
///
///   POST /v1/chat/completions   POST /v1/completions   GET /v1/models   GET /v1/models/NAME
///   POST /v1/chat/count_tokens  GET /health            GET /metrics
///
/// A thread for each model runs its engine. Requests are read, and their images decoded, on the server's waiting
/// threads, and replies are written by a pool of its own; the server's I/O threads compute nothing. A request whose
/// images are fetched goes on on a further pool, so that slow servers delay no other request.
///
///   auto service = serve::openai_service::make({.decode_image = ...});
///   auto server = serve::http_server::start({.port = 8000}, service->routes());
///   service->try_add("tiny", model.shared());
///   service->set_loaded();
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/serve/answer_job.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/fetch_images.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/moderation.hpp>
#include <llava/serve/openai_request.hpp>
#include <llava/serve/served_model.hpp>
#include <llava/serve/task_pool.hpp>

LLAVA_BEGIN
namespace serve {

/// How a service runs.
struct openai_settings {
  image_decoder decode_image = {};                     ///< empty: requests with images are refused
  moderator is_flagged = {};                           ///< empty: everything is answered
  std::uint64_t max_queue = 64;                        ///< answers that wait, for each model; more: 503
  std::uint64_t image_bytes = std::uint64_t{1} << 30;  ///< pixels of all requests at one time; more: 503
  std::size_t reply_threads = 2;                       ///< write replies
  double answer_seconds = 0;                           ///< an answer ends so long after its request has come; 0: never
  std::shared_ptr<const image_fetcher> fetcher = {};   ///< null: images come as data: URLs alone
  std::size_t fetch_threads = 16;                      ///< requests whose images are fetched at one time
  fetch_limits fetch = {};                             ///< of the images of a request
};

/// The models and their routes. It must outlive the server that has its routes.
class openai_service {
 public:
  /// Errors: no threads.
  static result<std::unique_ptr<openai_service>> try_make(openai_settings settings);
#if LLAVA_EXCEPTIONS
  static std::unique_ptr<openai_service> make(openai_settings settings) {
    return value_or_throw(try_make(std::move(settings)));
  }
#endif
  explicit openai_service(openai_settings settings);

  /// Adds a model, which answers from now on. Errors: the name is taken; no thread.
  result<void> try_add(std::string name, std::shared_ptr<const opened_model> model);
  /// All models have been added: /health says 200.
  void set_loaded() { is_loaded_ = true; }
  http_routes routes();
  /// The name of a model's conversation template; nullopt: there is no such model.
  std::optional<std::string> conversation_of(std::string_view model) const;

 private:
  using model_list = std::vector<std::shared_ptr<served_model>>;
  struct prepared_request;
  class fetch_task;
  enum class route_kind { chat, completion, count };

  model_list models() const;
  /// The model of this name, or the first without one; null: not found.
  std::shared_ptr<served_model> find(const std::optional<std::string>& name) const;
  void take(route_kind kind, const http_request& request, const http_response& response);
  /// Reads a request. Returns null after it has replied with an error.
  std::unique_ptr<prepared_request> read(route_kind kind, const http_request& request, const http_response& response);
  /// Does what is asked, after its images have come.
  void go_on(prepared_request& made, const http_response& response);
  /// Makes the tokens of a request.
  result<void> try_prepare_prompt(prepared_request& made) const;
  void answer(prepared_request& made, const http_response& response);
  void count_tokens(const prepared_request& made, const http_response& response);
  result<std::vector<visual>> try_decode(const std::vector<std::vector<std::byte>>& files, admission& bytes) const;

  openai_settings settings_;
  std::int64_t started_;
  std::shared_ptr<limited_count> image_bytes_;
  std::atomic<bool> is_loaded_{false};
  std::atomic<std::uint64_t> ids_{0};
  std::string id_prefix_;
  mutable std::mutex decoding_;  // one image is decoded at a time: it may need 268 MB
  mutable std::mutex mutex_;
  model_list models_;
  task_pool pool_;
  std::optional<task_pool> fetch_pool_;  // ends first
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/openai_service_inl.hpp>
#endif
