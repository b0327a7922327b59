// SPDX-License-Identifier: Apache-2.0
/// controller_gateway: the models behind a controller of LLaVA's protocol, with a part of OpenAI's API, so that one web
/// page (page.hpp) serves both. It does what LLaVA's web server does: it lists the controller's models, writes the
/// prompt with the template that a model's name selects, asks the controller for a worker, and turns the worker's
/// records into a stream of chunks.
///
///   GET /v1/models   POST /v1/chat/completions   GET /health
///
/// A request may have `model`, `messages`, `temperature`, `top_p`, `max_tokens` and `stream`; other fields are refused.
/// Replies have no usage: workers count no tokens. Images are passed on as they come; a worker that is not one of ours
/// may read more formats than JPEG and PNG.
///
/// The controller is trusted: requests go to the addresses that it names.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/moderation.hpp>
#include <llava/serve/page_record.hpp>

LLAVA_BEGIN
namespace serve {

/// How a gateway runs.
struct gateway_settings {
  std::string controller_url = "http://localhost:21001";
  std::string controller_key = {};             ///< the controller's API key, or empty
  bool reloads_models = false;                 ///< asks for the models at each listing, and not once at the start
  std::string conversation = {};               ///< the template of all models; empty: a model's name selects it
  std::chrono::milliseconds silence{100'000};  ///< between two pieces of a worker's answer, and before the first
  moderator is_flagged = {};                   ///< empty: everything is passed on
};

/// The template that LLaVA's web server selects for a model of this name; empty: one that does not exist, not even
/// there.
std::string_view conversation_of_served_model(std::string_view model_name);

/// The part of an answer that is new, from records that repeat all of it. The end of a text is held back while it may
/// be the beginning of the stop text, which workers cut off, or is white space, which is not shown.
class growing_answer {
 public:
  explicit growing_answer(std::string_view stop) : stop_(stop) {}
  std::string news_of(std::string_view all);  ///< `all`: the answer so far
  std::string rest();                         ///< what has been held back, at the end

 private:
  std::string stop_, all_;
  std::size_t told_ = 0;
};

/// The gateway. It must outlive the server that has its routes.
class controller_gateway {
 public:
  /// Errors: an unknown template; the controller does not answer, unless models are listed anew each time.
  static result<std::unique_ptr<controller_gateway>> try_make(gateway_settings settings);
  void add_to(http_routes& routes);
  /// How a model's conversations are written, for the page's log; nullopt: the last listing did not have the model.
  std::optional<page_template> template_of(std::string_view model) const;

 private:
  struct question;
  explicit controller_gateway(gateway_settings settings);
  result<std::string> try_ask(std::string_view path, std::string body) const;
  /// The names, sorted as LLaVA's web server sorts them.
  result<std::vector<std::string>> try_models() const;
  void list(const http_response& response);
  void answer(const http_request& request, const http_response& response) const;
  result<question> try_read(const http_request& request, std::string& param) const;
  void pass_on(const question& q, const std::string& worker, const http_response& response) const;

  gateway_settings settings_;
  std::int64_t started_;
  mutable std::atomic<std::uint64_t> ids_{0};
  std::string id_prefix_;
  mutable std::mutex mutex_;
  std::vector<std::string> models_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/controller_gateway_inl.hpp>
#endif
