// SPDX-License-Identifier: Apache-2.0
/// llava-serve serve: answers with OpenAI's API (docs/serving.md). It listens at once, loads the models, and drains on
/// SIGTERM or SIGINT.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include <llava/image/file.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/image_fetcher.hpp>
#include <llava/serve/openai_service.hpp>

#include "network_options.hpp"
#include "option_rules.hpp"
#include "page_options.hpp"
#include "serve_command.hpp"
#include "served_models.hpp"

namespace {
namespace serve = llava::serve;

struct serve_options {
  served_models models;
  serve::http_settings http{.port = 8000};
  serve::image_fetcher_settings images;
  serve::openai_settings service{
      .decode_image = [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); }};
  page_options page;
  bool no_page = false;
};

llava::result<void> try_load(const serve_options& o, const served_model_options& one, serve::openai_service& service,
                             const std::atomic<bool>& stops, std::vector<llava::chat_model>& models) {
  LLAVA_TRY(weights, one.model.try_weights());
  LLAVA_TRY(model, o.models.try_open(one, [&stops](const llava::progress&) { return !stops.load(); }));
  LLAVA_CHECK(service.try_add(one.name, model.shared()));
  models.push_back(model);
  std::printf("llava: %s is loaded, with weights as %s\n", one.name.c_str(), weights.c_str());
  std::fflush(stdout);
  return {};
}

llava::result<void> try_serve(const serve_options& o) {
  const stop_signals signals;
  LLAVA_TRY(listed, o.models.try_list());
  const std::string& host = o.http.address;
  if (o.http.api_keys.empty() && !host.starts_with("127.") && host != "::1" && host != "localhost")
    std::fprintf(stderr, "llava: %s may be reached by others, and no --api-key is set: anybody may ask\n",
                 host.c_str());
  serve::openai_settings settings = o.service;
  if (!o.images.hosts.empty() || !o.images.root.empty()) {
    serve::image_fetcher_settings images = o.images;
    LLAVA_TRY(tls, try_make_tls());
    images.tls = tls;
    LLAVA_TRY(fetcher, serve::image_fetcher::try_make(std::move(images)));
    settings.fetcher = fetcher;
  }
  settings.is_flagged = moderator_of(o.page);
  LLAVA_TRY(service, serve::openai_service::try_make(std::move(settings)));
  serve::page_settings of_page = page_settings_of(o.page);
  of_page.template_of = [&s = *service](std::string_view model) -> std::optional<serve::page_template> {
    const auto name = s.conversation_of(model);
    return name ? std::optional(serve::page_template_of(*name)) : std::nullopt;
  };
  LLAVA_TRY(page, serve::web_page::try_make(std::move(of_page)));
  serve::http_routes routes = service->routes();
  if (!o.no_page) page->add_to(routes);
  LLAVA_TRY(server, serve::http_server::try_start(o.http, std::move(routes)));
  const bool is_v6 = host.find(':') != host.npos;
  std::printf("llava: listening on http://%s%s%s:%d\n", is_v6 ? "[" : "", host.c_str(), is_v6 ? "]" : "",
              static_cast<int>(server.port()));
  std::fflush(stdout);
  std::atomic<bool> stops{false};
  std::vector<llava::chat_model> models;
  llava::result<void> loaded;
  std::thread loading([&] {
    for (std::size_t i = 0; i < listed.size() && loaded && !stops; ++i)
      loaded = try_load(o, listed[i], *service, stops, models);
    if (!loaded) return stop_signals::raise();
    service->set_loaded();
    std::printf("llava: ready\n");
    std::fflush(stdout);
  });
  signals.wait();
  stops = true;
  loading.join();
  if (!loaded && loaded.error().code() != llava::errc::cancelled) return loaded;
  std::printf(server.drain() ? "llava: stopped\n" : "llava: stopped; some answers were cut off\n");
  std::fflush(stdout);
  if (o.models.keeps_cache())
    for (const llava::chat_model& model : models) LLAVA_CHECK(model.try_keep_cache());
  return {};
}

void add_image_options(CLI::App& command, serve_options& o) {
  command.add_option(
      "--allow-image-host", o.images.hosts,
      "Host whose images are fetched for clients (example.org, example.org:8080, .example.org: the hosts "
      "below it); may be repeated; default: no URL is fetched");
  command.add_flag("--allow-private-image-hosts", o.images.allows_private_addresses,
                   "These hosts may have addresses of this machine and of private networks");
  command.add_option("--image-root", o.images.root, "Folder whose images clients may name by file: URLs");
}

void add_network_options(CLI::App& command, serve_options& o) {
  add_listening_options(command, o.http, "IP address to listen on; 0.0.0.0: all, with --api-key");
  add_client_options(command, o.http, "clients");
  command
      .add_option("--allowed-origin", o.http.allowed_origins,
                  "Origin of web pages that may use the server (https://example.org); may be repeated; *: all")
      ->check(page_origin());
  command
      .add_option("--max-queue", o.service.max_queue, "Answers that wait, for each model; more are refused with 503")
      ->check(CLI::Range(0, 1 << 20));
}

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("serve", "Answer over HTTP, with OpenAI's API");
  const auto o = std::make_shared<serve_options>();
  o->models.add_to(command);
  command
      .add_option("--answer-timeout", o->service.answer_seconds,
                  "Seconds from a request's arrival after which its answers end; 0: none")
      ->check(CLI::Range(0., 1e6));
  add_network_options(command, *o);
  add_image_options(command, *o);
  add_page_options(command, o->page);
  command.add_flag("--no-page", o->no_page, "Serve no web page at /");
  command.callback([o] {
    const llava::result<void> served = try_serve(*o);
    if (served) return;
    std::fprintf(stderr, "%s\n", served.error().what());
    throw CLI::RuntimeError(1);
  });
}
