// SPDX-License-Identifier: Apache-2.0
/// Definitions of page.hpp.
#pragma once
#include <chrono>
#include <string>
#include <utility>

#include <llava/serve/md5.hpp>
#include <llava/serve/openai_reply.hpp>
#include <llava/serve/page.hpp>
#include <llava/serve/page_files.hpp>
#include <llava/serve/page_log.hpp>
#include <llava/serve/page_record.hpp>
#include <llava/serve/worker_allow_list.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// The headers of the page's files. The policy names everything that the page may load or ask: its own server.
inline std::vector<http_header> page_headers(bool is_embedded) {
  return {{"Content-Security-Policy",
           text_of("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
                   "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ",
                   is_embedded ? "*" : "'none'")},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Permissions-Policy", "camera=(self), microphone=(), geolocation=()"},
          {"Cache-Control", "no-cache"}};
}

}  // namespace detail

LLAVA_INLINE result<std::unique_ptr<web_page>> web_page::try_make(page_settings settings) {
  return guarded([&]() -> result<std::unique_ptr<web_page>> {
    std::unique_ptr<page_log> log;
    if (!settings.log_folder.empty()) {
      LLAVA_TRY(opened, page_log::try_open(settings.log_folder, settings.log_bytes, settings.report));
      log = std::move(opened);
    }
    return std::unique_ptr<web_page>(new web_page(std::move(settings), std::move(log)));
  });
}

LLAVA_INLINE void web_page::add_to(http_routes& routes) {
  for (const page_file& file : page_files) {
    const std::string path = file.name == "index.html" ? "/" : text_of("/page/", file.name);
    routes.add("GET", path,
               [file, headers = detail::page_headers(settings_.is_embedded)](http_request, http_response r) {
                 r.reply(200, file.type, std::string(file.text), headers);
               },
               {.is_open = true});
  }
  routes.add("GET", "/page/settings",
             [this](http_request, http_response r) {
               const auto flag = [](bool value) { return value ? "true" : "false"; };
               r.reply(200, http_response::json_type,
                       text_of("{\"log\": ", flag(log_ != nullptr), ", \"embed\": ", flag(settings_.is_embedded),
                               ", \"usage\": ", flag(settings_.has_usage), ", \"version\": \"", LLAVA_VERSION_MAJOR,
                               '.', LLAVA_VERSION_MINOR, '.', LLAVA_VERSION_PATCH, "\"}"),
                       {{"Cache-Control", "no-cache"}});
             },
             {.is_open = true});
  routes.add("POST", "/page/record", [this](http_request q, http_response r) { record(q, r); }, {.may_wait = true});
}

LLAVA_INLINE result<std::vector<std::string>> web_page::try_save_images(const page_record& told) {
  std::vector<std::string> hashes;
  for (std::size_t i = 0; i < told.images.size() && settings_.decode_image; ++i) {
    const std::lock_guard one_at_a_time(decoding_);
    auto decoded = settings_.decode_image(told.images[i]);
    if (!decoded && decoded.error().code() == errc::out_of_memory) return std::move(decoded).error();
    if (!decoded) return fail(errc::invalid_argument, text_of("image ", i + 1, ": ", decoded.error().sentence()));
    hashes.push_back(md5_hex(decoded->pixels()));
    log_->save_image(*decoded, hashes.back(), settings_.encode_jpeg);
  }
  return hashes;
}

LLAVA_INLINE void web_page::record(const http_request& request, const http_response& response) {
  if (!log_) return void(response.reply_json(200, "{\"saved\": false}"));
  std::string param;
  const auto refuse = [&](const error& e) {
    const error_reply r = reply_of(e);
    response.reply_error(r.status, r.message, r.type, param, r.code);
  };
  const auto told = try_read_page_record(request.body, param);
  if (!told) return refuse(told.error());
  std::vector<page_template> templates;
  for (const page_conversation& c : told->conversations) {
    auto found = settings_.template_of ? settings_.template_of(c.model) : std::optional<page_template>(page_template());
    if (!found)
      return void(response.reply_error(404, "There is no model of this name.", "invalid_request_error", "model",
                                       "model_not_found"));
    templates.push_back(*std::move(found));
  }
  param = "images";
  const auto hashes = try_save_images(*told);
  if (!hashes) return refuse(hashes.error());
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const bool saved = log_->append(record_line(*told, templates, *hashes, now, address_of_peer(request.peer)));
  response.reply_json(200, saved ? "{\"saved\": true}" : "{\"saved\": false}");
}

}  // namespace serve
LLAVA_END
