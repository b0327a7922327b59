// SPDX-License-Identifier: Apache-2.0
/// Definitions of openai_service.hpp.
#pragma once
#include <chrono>
#include <optional>
#include <random>
#include <utility>

#include <llava/pipeline/prepare.hpp>
#include <llava/serve/answer_job_inl.hpp>
#include <llava/serve/fetch_images.hpp>
#include <llava/serve/openai_request_inl.hpp>
#include <llava/serve/openai_service.hpp>
#include <llava/serve/service_pages.hpp>
#include <llava/serve/system_errors.hpp>

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

inline std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace detail

/// A request that can be submitted.
struct openai_service::prepared_request {
  route_kind kind;
  std::shared_ptr<served_model> model;
  openai_request asked;
  std::shared_ptr<const logits_processor> processor;
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
      const auto fetched = try_fetch_images(made_->asked.chat, *service_.settings_.fetcher, service_.settings_.fetch,
                                            response_->gone(), made_->image_bytes, param);
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

LLAVA_INLINE openai_service::openai_service(openai_settings settings)
    : settings_(std::move(settings)),
      started_(detail::unix_seconds()),
      image_bytes_(std::make_shared<limited_count>(settings_.image_bytes)),
      pool_((std::max)(settings_.reply_threads, std::size_t{1})) {
  std::random_device random;
  id_prefix_ = text_of(random(), "-");
  if (settings_.fetcher) fetch_pool_.emplace((std::max)(settings_.fetch_threads, std::size_t{1}));
}

LLAVA_INLINE result<std::unique_ptr<openai_service>> openai_service::try_make(openai_settings settings) {
  return detail::without_exceptions("start the service", [&]() -> result<std::unique_ptr<openai_service>> {
    return std::make_unique<openai_service>(std::move(settings));
  });
}

LLAVA_INLINE result<void> openai_service::try_add(std::string name, std::shared_ptr<const opened_model> model) {
  return detail::without_exceptions("start a model's thread", [&]() -> result<void> {
    if (find(name))
      return fail(errc::invalid_argument,
                  text_of("llava: two models are called '", name, "'; each needs its own name"));
    const std::uint64_t most = settings_.max_queue + static_cast<std::uint64_t>(model->limits.sequences);
    auto served = std::make_shared<served_model>(std::move(name), std::move(model), most);
    const std::lock_guard lock(mutex_);
    models_.push_back(std::move(served));
    return {};
  });
}

LLAVA_INLINE openai_service::model_list openai_service::models() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

LLAVA_INLINE std::shared_ptr<served_model> openai_service::find(const std::optional<std::string>& name) const {
  for (const auto& m : models())
    if (!name || m->id == *name) return m;
  return nullptr;
}

LLAVA_INLINE std::optional<std::string> openai_service::conversation_of(std::string_view model) const {
  const auto found = find(std::string(model));
  return found ? std::optional(found->model->opened.description.conversation.name) : std::nullopt;
}

LLAVA_INLINE http_routes openai_service::routes() {
  http_routes all;
  const route_options waits{.may_wait = true};
  all.add(
      "POST", "/v1/chat/completions", [this](http_request q, http_response r) { take(route_kind::chat, q, r); }, waits);
  all.add(
      "POST", "/v1/completions", [this](http_request q, http_response r) { take(route_kind::completion, q, r); },
      waits);
  all.add(
      "POST", "/v1/chat/count_tokens", [this](http_request q, http_response r) { take(route_kind::count, q, r); },
      waits);
  all.add("GET", "/v1/models", [this](http_request, http_response r) {
    std::string list;
    for (const auto& m : models()) list += (list.empty() ? "" : ", ") + model_json(*m, started_);
    r.reply_json(200, "{\"object\": \"list\", \"data\": [" + list + "]}");
  });
  all.add("GET", "/v1/models/*", [this](http_request q, http_response r) {
    const auto found = find(q.tail);
    if (found) return void(r.reply_json(200, model_json(*found, started_)));
    r.reply_error(404, "There is no model of this name.", "invalid_request_error", "model", "model_not_found");
  });
  all.add("GET", "/health",
          [this](http_request, http_response r) {
            if (is_loaded_) return void(r.reply_json(200, "{\"status\": \"ok\"}"));
            r.reply(503, http_response::json_type, "{\"status\": \"loading\"}", {{"Retry-After", "5"}});
          },
          {.is_open = true});
  all.add("GET", "/metrics", [this](http_request, http_response r) {
    r.reply(200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(models()));
  });
  return all;
}

LLAVA_INLINE result<std::vector<visual>> openai_service::try_decode(const std::vector<std::vector<std::byte>>& files,
                                                                    admission& bytes) const {
  std::vector<visual> images;
  std::uint64_t pixels = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string which = text_of("image ", i + 1, ": ");
    if (!settings_.decode_image) return fail(errc::invalid_argument, which + "this server takes no images");
    auto decoded = [&] {
      const std::lock_guard one_at_a_time(decoding_);
      return settings_.decode_image(files[i]);
    }();
    if (!decoded && decoded.error().code() == errc::out_of_memory) return std::move(decoded).error();
    if (!decoded) return fail(errc::invalid_argument, which + decoded.error().sentence());
    const auto size = static_cast<std::uint64_t>(decoded->width()) * static_cast<std::uint64_t>(decoded->height());
    pixels += size;
    if (pixels > image_limits{}.pixels)
      return fail(errc::invalid_argument,
                  text_of("the images have more than ", image_limits{}.pixels, " pixels together, the limit"));
    if (!bytes.try_take(3 * size)) return error::out_of_memory();
    images.emplace_back(*std::move(decoded));
  }
  return images;
}

LLAVA_INLINE void openai_service::take(route_kind kind, const http_request& request, const http_response& response) {
  auto made = read(kind, request, response);
  if (!made) return;
  if (made->asked.chat.urls.empty()) return go_on(*made, response);
  fetch_pool_->notify(std::make_shared<fetch_task>(*this, std::move(made), response));
}

LLAVA_INLINE std::unique_ptr<openai_service::prepared_request> openai_service::read(route_kind kind,
                                                                                    const http_request& request,
                                                                                    const http_response& response) {
  std::string param;
  const auto refuse = [&](const error& e) {
    detail::reply_failed(response, e, param);
    return nullptr;
  };
  auto made = std::make_unique<prepared_request>();
  made->kind = kind;
  const auto body = try_parse_body(request.body, param);
  if (!body) return refuse(body.error());
  request_fields fields(*body, {}, param);
  const auto name = fields.text("model");
  if (!name) return refuse(name.error());
  made->model = find(*name);
  if (!made->model) {
    if (is_loaded_)
      response.reply_error(404, "There is no model of this name; GET /v1/models lists them.", "invalid_request_error",
                           "model", "model_not_found");
    else
      response.reply_error(503, "The server is loading its models. Try again later.", "server_error", {}, "loading",
                           {{"Retry-After", "5"}});
    return nullptr;
  }
  const opened_model& model = *made->model->model;
  auto asked = kind == route_kind::completion
                   ? try_read_completion(fields)
                   : try_read_chat(fields, model.opened.description.image_start_end, settings_.fetcher.get());
  if (!asked) return refuse(asked.error());
  made->asked = *std::move(asked);
  const auto known = try_check(made->asked.answers.settings, model.opened.description.text.vocab, &param);
  if (!known) return refuse(known.error());
  if (made->asked.is_chat ? is_refused(settings_.is_flagged, made->asked.chat.turns, response)
                          : is_refused(settings_.is_flagged, made->asked.prompt, response))
    return nullptr;
  made->answers = admission(made->model->answers), made->image_bytes = admission(image_bytes_);
  if (kind != route_kind::count && !made->answers.try_take(static_cast<std::uint64_t>(made->asked.answers.n))) {
    ++made->model->refused;
    detail::reply_overloaded(response, "The server has too many requests. Try again later.");
    return nullptr;
  }
  const response_format& format = made->asked.answers.format;
  if (kind == route_kind::count || format.is == response_format::kind::text) return made;
  const auto masks = made->model->masks.try_masks(model, format, made->asked.is_chat, param);
  if (!masks) return refuse(masks.error());
  made->processor = constrained(*masks);
  return made;
}

LLAVA_INLINE void openai_service::go_on(prepared_request& made, const http_response& response) {
  if (const auto prepared = try_prepare_prompt(made); !prepared)
    return detail::reply_failed(response, prepared.error(), made.asked.is_chat ? "messages" : "prompt");
  made.kind == route_kind::count ? count_tokens(made, response) : answer(made, response);
}

LLAVA_INLINE result<void> openai_service::try_prepare_prompt(prepared_request& made) const {
  const opened_model& model = *made.model->model;
  LLAVA_TRY(images, try_decode(made.asked.chat.files, made.image_bytes));
  made.asked.chat.files = {};
  chat_prompt prompt{.text = std::move(made.asked.prompt)};
  if (made.asked.is_chat) {
    made.asked.chat.turns.push_back({role::assistant, std::string(), 0});  // to be answered
    LLAVA_TRY(written, try_chat_prompt(model, made.asked.chat.turns));
    prompt = std::move(written);
  }
  if (prompt.text.size() > longest_prompt)
    return fail(errc::context_full,
                text_of("the prompt has ", prompt.text.size(), " bytes of text, expected at most ", longest_prompt));
  LLAVA_TRY(prepared, try_prepare(model, prompt, std::move(images)));
  made.prompt = std::move(prepared);
  return {};
}

LLAVA_INLINE void openai_service::answer(prepared_request& made, const http_response& response) {
  const bool is_chat = made.asked.is_chat;
  const auto number = ids_.fetch_add(1);
  reply_head head{.id = text_of(is_chat ? "chatcmpl-" : "cmpl-", id_prefix_, number),
                  .model = made.model->id,
                  .created = detail::unix_seconds(),
                  .is_chat = is_chat,
                  .has_usage = made.asked.answers.include_usage};
  const auto started = answer_job::try_start(pool_,
                                             {.model = made.model.get(),
                                              .response = response,
                                              .head = std::move(head),
                                              .fields = std::move(made.asked.answers),
                                              .processor = std::move(made.processor),
                                              .answers = std::move(made.answers),
                                              .image_bytes = std::move(made.image_bytes),
                                              .received = made.received,
                                              .seconds = settings_.answer_seconds},
                                             std::move(made.prompt));
  if (!started) detail::reply_failed(response, started.error(), {});
}

LLAVA_INLINE void openai_service::count_tokens(const prepared_request& made, const http_response& response) {
  std::size_t of_images = 0;
  for (const prompt_token& t : made.prompt.tokens) of_images += t.is_image();
  std::string name;
  llava::detail::append_json_string(made.model->id, name);
  response.reply_json(
      200, text_of("{\"object\": \"token_count\", \"model\": ", name, ", \"input_tokens\": ", made.prompt.tokens.size(),
                   ", \"image_tokens\": ", of_images, ", \"context\": ", made.model->model->context, "}"));
}

}  // namespace serve
LLAVA_END
