// SPDX-License-Identifier: Apache-2.0
/// The part of openai_service that fetches the images of a request (R6).
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <llava/pipeline/prepare.hpp>
#include <llava/serve/chat_messages_inl.hpp>
#include <llava/serve/image_fetcher.hpp>
#include <llava/serve/openai_reply.hpp>
#include <llava/serve/openai_service.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

inline void reply_overloaded(const http_response& to, std::string_view message) {
  to.reply_error(503, message, "server_error", {}, "overloaded", {{"Retry-After", "1"}});
}
/// `param`: the field that the error is about, or empty.
inline void reply_failed(const http_response& to, const error& e, std::string_view param) {
  const error_reply r = reply_of(e);
  if (r.status == 503) return reply_overloaded(to, r.message);
  to.reply_error(r.status, r.message, r.type, param, r.code);
}

}  // namespace detail

/// A request that can be submitted.
struct openai_service::prepared_request {
  route_kind kind;
  std::shared_ptr<served_model> model;
  openai_request asked;
  admission answers, image_bytes;
  prepared_prompt prompt;
  std::chrono::steady_clock::time_point received = std::chrono::steady_clock::now();
};

/// A request whose images are fetched.
class openai_service::fetch_task final : public pool_task {
 public:
  fetch_task(openai_service& service, std::unique_ptr<prepared_request> made, http_response response)
      : service_(service), made_(std::move(made)), response_(std::move(response)) {}

 private:
  void run() noexcept override {
    try {
      std::string param;
      const auto fetched = service_.try_fetch(*made_, *response_, param);
      if (fetched) {
        service_.go_on(*made_, *response_);
      } else {
        made_->model->dropped += fetched.error().code() == errc::cancelled;
        detail::reply_failed(*response_, fetched.error(), param);
      }
    } catch (...) {  // no memory: the response ends as a 500
    }
    made_.reset(), response_.reset();
  }

  openai_service& service_;
  std::unique_ptr<prepared_request> made_;
  std::optional<http_response> response_;
};

LLAVA_INLINE result<void> openai_service::try_fetch(prepared_request& made, const http_response& response,
                                                    std::string& param) const {
  const auto limit = std::chrono::steady_clock::now() + settings_.fetch_time;
  std::size_t bytes = 0;
  for (const fetched_image& image : made.asked.chat.urls) {
    const auto refuse = [&](const error& e) {
      if (e.code() != errc::invalid_argument) return e;
      return fail(errc::invalid_argument, text_of(image.param, ": ", detail::sentence_without_name(e)));
    };
    param = image.param;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return refuse(fail(errc::invalid_argument, "the images of the request took too long to fetch"));
    auto file = settings_.fetcher->try_fetch(image.url, response.gone(), left);
    if (!file) return refuse(file.error());
    bytes += file->size();
    if (bytes > settings_.fetch_bytes)
      return refuse(fail(errc::invalid_argument,
                         text_of("the files of a request may have ", settings_.fetch_bytes, " bytes together")));
    if (!made.image_bytes.try_take(file->size())) return error::out_of_memory();
    made.asked.chat.files[image.index] = *std::move(file);
  }
  param.clear();
  return {};
}

}  // namespace serve
LLAVA_END
