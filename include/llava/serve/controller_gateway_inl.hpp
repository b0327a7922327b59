// SPDX-License-Identifier: Apache-2.0
/// Definitions of controller_gateway.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/serve/base64.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/controller_gateway.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/openai_reply.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/relay.hpp>
#include <llava/serve/stream_records.hpp>
#include <llava/serve/system_errors.hpp>
#include <llava/text/conversation.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN
namespace serve {

LLAVA_INLINE std::string_view conversation_of_served_model(std::string_view model_name) {
  const std::string name = detail::lower(model_name);
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (!has("llava")) {
    if (model_name.find("mpt") != model_name.npos) return {};  // mpt_text, which does not exist
    return has("llama-2") ? llama_2::name : vicuna_v1::name;
  }
  const bool is_tagged = has("mmtag") || (has("plain") && !has("finetune"));
  if (has("llama-2")) return llava_llama_2::name;
  if (has("mistral") || has("mixtral")) {
    if (has("orca")) return {};  // mistral_orca, which LLaVA's repository does not have
    return has("hermes") ? chatml_direct::name : mistral_instruct::name;
  }
  if (has("llava-v1.6-34b")) return chatml_direct::name;
  if (has("v1")) return is_tagged ? v1_mmtag::name : llava_v1::name;
  if (has("mpt")) return mpt::name;
  return is_tagged ? v0_mmtag::name : conversation_of_model(model_name);  // those of LLaVA-NeXT, or llava_v0
}

LLAVA_INLINE std::string growing_answer::news_of(std::string_view all) {
  all_ = std::string(stripped(all));
  std::size_t shown = all_.size();
  for (std::size_t n = (std::min)(stop_.size(), all_.size()); n > 0; --n)
    if (all_.ends_with(std::string_view(stop_).substr(0, n))) {
      shown = rstripped(std::string_view(all_).substr(0, all_.size() - n)).size();
      break;
    }
  if (shown <= told_) return {};
  return all_.substr(std::exchange(told_, shown), shown - told_);
}

LLAVA_INLINE std::string growing_answer::rest() {
  return told_ < all_.size() ? all_.substr(std::exchange(told_, all_.size())) : std::string();
}

namespace detail {
inline void reply_no_controller(const http_response& response) {
  response.reply_error(502, "The controller does not answer.", "server_error", {}, "no_controller");
}
}  // namespace detail

/// A request that can be sent to a worker.
struct controller_gateway::question {
  std::string model, prompt, stop, body;
  int max_new_tokens = 0;
  bool stream = false;
  std::vector<message> turns;
};

LLAVA_INLINE controller_gateway::controller_gateway(gateway_settings settings)
    : settings_(std::move(settings)),
      started_(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                   .count()) {
  std::random_device random;
  id_prefix_ = text_of(random(), "-");
}

LLAVA_INLINE result<std::unique_ptr<controller_gateway>> controller_gateway::try_make(gateway_settings settings) {
  return detail::without_exceptions("start the web server", [&]() -> result<std::unique_ptr<controller_gateway>> {
    if (!settings.conversation.empty()) LLAVA_CHECK(any_conversation::try_named(settings.conversation));
    LLAVA_CHECK(try_parse_http_url(settings.controller_url));
    std::unique_ptr<controller_gateway> made(new controller_gateway(std::move(settings)));
    if (!made->settings_.reloads_models) {
      LLAVA_TRY(models, made->try_models());
      made->models_ = std::move(models);
    }
    return made;
  });
}

LLAVA_INLINE std::optional<page_template> controller_gateway::template_of(std::string_view model) const {
  {
    const std::lock_guard lock(mutex_);
    if (std::find(models_.begin(), models_.end(), model) == models_.end()) return std::nullopt;
  }
  return page_template_of(settings_.conversation.empty() ? conversation_of_served_model(model)
                                                         : std::string_view(settings_.conversation));
}

LLAVA_INLINE result<std::string> controller_gateway::try_ask(std::string_view path, std::string body) const {
  http_call call;
  call.url = settings_.controller_url + std::string(path);
  call.body = std::move(body);
  call.silence = std::chrono::seconds(30);  // it asks its workers
  call.longest = 1 << 20;
  if (!settings_.controller_key.empty()) call.headers = {{"Authorization", "Bearer " + settings_.controller_key}};
  LLAVA_TRY(reply, try_call(call));
  if (reply.status != 200)
    return fail(errc::io, text_of("llava: the controller ", settings_.controller_url, " answered ", path,
                                  " with status ", reply.status, reply.status == 401 ? "; it needs its API key" : ""));
  return std::move(reply.body);
}

LLAVA_INLINE result<std::vector<std::string>> controller_gateway::try_models() const {
  LLAVA_CHECK(try_ask("/refresh_all_workers", {}));
  LLAVA_TRY(body, try_ask("/list_models", {}));
  const auto listed = try_parse_json("the list of models", body);
  const json_value* const models = listed ? listed->find("models") : nullptr;
  std::vector<std::string> names;
  for (const json_value& m : models ? models->items() : json_value::array())
    if (m.text() && !m.text()->empty() && m.text()->size() <= 1024) names.push_back(*m.text());
  if (!models || !models->is_array() || names.size() != models->items().size())
    return fail(errc::invalid_format, text_of("llava: ", settings_.controller_url,
                                              " does not answer /list_models as a controller of LLaVA does"));
  const auto key = [](const std::string& name) {
    return name == "vicuna-13b" ? "aaaaaaa" : name == "koala-13b" ? "aaaaaab" : name;
  };
  std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) { return key(a) < key(b); });
  return names;
}

LLAVA_INLINE void controller_gateway::add_to(http_routes& routes) {
  const route_options waits{.may_wait = true};
  routes.add(
      "GET", "/v1/models", [this](http_request, http_response r) { list(r); }, waits);
  routes.add(
      "POST", "/v1/chat/completions", [this](http_request q, http_response r) { answer(q, r); }, waits);
  routes.add("GET", "/health", [](http_request, http_response r) { r.reply_json(200, "{\"status\": \"ok\"}"); },
             {.is_open = true});
}

LLAVA_INLINE void controller_gateway::list(const http_response& response) {
  if (settings_.reloads_models) {
    auto found = try_models();
    if (!found) return detail::reply_no_controller(response);
    const std::lock_guard lock(mutex_);
    models_ = *std::move(found);
  }
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const std::string& name : models_) {
    const bool sees = detail::lower(name).find("llava") != std::string::npos;  // as its worker decides
    all += all.empty() ? "{\"id\": " : ", {\"id\": ";
    llava::detail::append_json_string(name, all);
    all += text_of(", \"object\": \"model\", \"created\": ", started_,
                   ", \"owned_by\": \"llava\", \"modalities\": [\"text\"", sees ? ", \"image\"" : "", "]}");
  }
  response.reply_json(200, "{\"object\": \"list\", \"data\": [" + all + "]}");
}

LLAVA_INLINE result<controller_gateway::question> controller_gateway::try_read(const http_request& request,
                                                                               std::string& param) const {
  LLAVA_TRY(root, try_parse_json("the body", request.body, repeated_keys::refused, &param));
  if (!root.is_object()) return fail(errc::invalid_format, "the body must be a JSON object");
  request_fields fields(root, {}, param);
  question q;
  LLAVA_TRY(model, fields.text("model"));
  if (!model || model->empty()) return fields.must_be("model", "the name of a model");
  q.model = *model;
  LLAVA_TRY(stream, fields.flag("stream"));
  LLAVA_TRY(temperature, fields.number("temperature", 0, 100, "0 (the likeliest token) to 100"));
  LLAVA_TRY(top_p, fields.number("top_p", 0, 1, "0 to 1"));
  LLAVA_TRY(most, fields.integer("max_tokens", 1, 1 << 24));
  LLAVA_TRY(chat, try_read_messages(fields, false));
  for (std::size_t i = 0; i < chat.turns.size(); ++i)
    if (chat.turns[i].images == 0 && count_image_markers(chat.turns[i].text) > 0)
      return fields.refuse(text_of("messages[", i, "].content"),
                           "has <image> and no image; LLaVA's protocol takes each <image> for the place of one");
  LLAVA_CHECK(fields.try_finish());
  q.stream = stream;
  q.max_new_tokens = static_cast<int>((std::min)(most.value_or(512), std::int64_t{1536}));  // as the original
  const std::string_view name =
      settings_.conversation.empty() ? conversation_of_served_model(q.model) : std::string_view(settings_.conversation);
  const auto conversation = any_conversation::try_named(name);
  if (!conversation)
    return fields.refuse("model", "has a name that selects a conversation template that does not exist");
  // As LLaVA's web server; its command line takes the first separator of Llama 2's templates.
  const template_texts& texts = conversation->form().texts;
  q.stop = texts.separator2.empty() ? texts.separator : texts.separator2;
  q.turns = std::move(chat.turns);
  std::vector<message> turns = q.turns;
  turns.push_back({role::assistant, std::string(), 0});  // to be answered
  const std::size_t first = turns[0].from == role::system ? 1 : 0;
  // In templates that mark images with tags, the first one has a turn of its own.
  if (conversation->form().image_turn && turns[first].images == 1) turns = with_image(*conversation, turns);
  LLAVA_TRY(prompt, try_prompt(*conversation, turns));
  q.prompt = std::move(prompt);
  std::string images;
  for (const auto& file : chat.files) images += (images.empty() ? "\"" : ", \"") + base64_encoded(file) + "\"";
  std::string numbers;
  llava::detail::append_json_number(static_cast<double>(temperature.value_or(0.2f)), numbers += "\"temperature\": ");
  llava::detail::append_json_number(static_cast<double>(top_p.value_or(0.7f)), numbers += ", \"top_p\": ");
  q.body = text_of("{\"model\": ", python_json_string(q.model), ", \"prompt\": ", python_json_string(q.prompt), ", ",
                   numbers, ", \"max_new_tokens\": ", q.max_new_tokens, ", \"stop\": ", python_json_string(q.stop),
                   ", \"images\": [", images, "]}");
  return q;
}

LLAVA_INLINE void controller_gateway::answer(const http_request& request, const http_response& response) const {
  std::string param;
  const auto q = try_read(request, param);
  if (!q) {
    const error_reply r = reply_of(q.error());
    return void(response.reply_error(r.status, r.message, r.type, param, r.code));
  }
  if (is_refused(settings_.is_flagged, q->turns, response)) return;
  const auto told = try_ask("/get_worker_address", "{\"model\": " + python_json_string(q->model) + "}");
  const auto body = told ? try_parse_json("the worker's address", *told) : result<json_value>(told.error());
  const json_value* const address = body ? body->find("address") : nullptr;
  if (!address || !address->text()) return detail::reply_no_controller(response);
  if (address->text()->empty())
    return void(
        response.reply_error(503, server_error_message, "server_error", {}, "no_worker", {{"Retry-After", "5"}}));
  pass_on(*q, *address->text(), response);
}

LLAVA_INLINE void controller_gateway::pass_on(const question& q, const std::string& worker,
                                              const http_response& response) const {
  const reply_head head{
      .id = text_of("chatcmpl-", id_prefix_, ids_.fetch_add(1)),
      .model = q.model,
      .created = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                     .count()};
  bool is_begun = false;
  std::string whole, failure;
  std::int64_t records_seen = 0;
  growing_answer answer(q.stop);
  const auto tell = [&](std::string text, std::string_view finish) {
    whole += text;
    if (!q.stream || (text.empty() && finish.empty())) return true;
    const bool is_first = !std::exchange(is_begun, true);
    if (is_first && !response.begin_events()) return false;
    return wait_for_client(response) &&
           response.write_event(
               chunk_json(head, {.text = std::move(text), .logprobs = {}, .finish = finish, .is_first = is_first}));
  };
  const auto take = [&](std::string_view record) {
    const auto chunk = try_parse_json("a record", record);
    const json_value* const text = chunk ? chunk->find("text") : nullptr;
    const json_value* const code = chunk ? chunk->find("error_code") : nullptr;
    if (!text || !text->text() || !code || !code->integer()) return false;
    if (*code->integer() != 0) {
      failure = text_of(*text->text(), " (error_code: ", *code->integer(), ")");
      return false;
    }
    ++records_seen;
    if (!text->text()->starts_with(q.prompt)) return false;
    return tell(answer.news_of(std::string_view(*text->text()).substr(q.prompt.size())), {});
  };
  http_call call;
  call.url = worker + "/worker_generate_stream";
  call.headers = {{"User-Agent", "LLaVA Client"}};
  call.body = q.body;
  call.silence = settings_.silence;
  call.stop = response.gone();
  record_splitter records;
  const auto reply =
      try_call(call, [&](std::string_view piece) { return static_cast<bool>(records.feed(piece, take)); });
  if (!reply || reply->status != 200 || records.is_inside()) {
    if (failure.empty()) failure = server_error_message;
    if (!is_begun) return void(response.reply_error(502, failure, "server_error", {}, "worker_failed"));
    response.write_event(error_json(failure, "server_error", {}, "worker_failed"));
    return void(response.end());
  }
  // A worker sends a record for each token, and one more.
  const std::string_view finish = records_seen > q.max_new_tokens ? "length" : "stop";
  if (q.stream) {
    if (tell(answer.rest(), finish)) response.write_event("[DONE]");
    return void(response.end());
  }
  std::string model, content;
  llava::detail::append_json_string(head.model, model);
  llava::detail::append_json_string(whole + answer.rest(), content);
  response.reply_json(
      200, text_of("{\"id\": \"", head.id, "\", \"object\": \"chat.completion\", \"created\": ", head.created,
                   ", \"model\": ", model,
                   ", \"system_fingerprint\": null, \"choices\": [{\"index\": 0, "
                   "\"message\": {\"role\": \"assistant\", \"content\": ",
                   content, ", \"refusal\": null}, \"logprobs\": null, \"finish_reason\": \"", finish, "\"}]}"));
}

}  // namespace serve
LLAVA_END
