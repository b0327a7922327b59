// SPDX-License-Identifier: Apache-2.0
/// llava-serve web: the web page for the models behind a controller, in place of LLaVA's gradio_web_server.
#include <llava/serve/controller_gateway.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/page.hpp>

#include <memory>
#include <string>

#include "command.hpp"
#include "network_options.hpp"
#include "option_rules.hpp"
#include "page_options.hpp"
#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;

struct web_options {
  serve::http_settings http{.port = 7860};
  serve::gateway_settings gateway;
  page_options page;
  std::string list_mode = "once";
  std::size_t concurrency = 16;
};

llava::result<void> try_run(web_options o) {
  const stop_signals signals;
  const std::string& host = o.http.address;
  if (o.http.api_keys.empty() && !host.starts_with("127.") && host != "::1" && host != "localhost")
    log_line("web", llava::text_of(host, " may be reached by others, and no --api-key is set: anybody may ask"));
  o.gateway.reloads_models = o.list_mode == "reload";
  o.gateway.is_flagged = moderator_of(o.page);
  LLAVA_TRY(gateway, serve::controller_gateway::try_make(o.gateway));
  serve::page_settings of_page = page_settings_of(o.page);
  of_page.has_usage = false;
  of_page.template_of = [&g = *gateway](std::string_view model) { return g.template_of(model); };
  LLAVA_TRY(page, serve::web_page::try_make(std::move(of_page)));
  serve::http_routes routes;
  gateway->add_to(routes);
  page->add_to(routes);
  o.http.waiting_threads = o.concurrency;
  LLAVA_TRY(server, serve::http_server::try_start(o.http, std::move(routes)));
  log_line("web", llava::text_of("listens on http://", host, ":", server.port()));
  signals.wait();
  if (!server.drain()) log_line("web", "ended before all answers were complete");
  return {};
}

}  // namespace

void add_web(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("web", "A web page for the models behind a controller");
  const auto o = std::make_shared<web_options>();
  command.add_option("--controller-url", o->gateway.controller_url, "http://HOST:PORT of the controller")
      ->check(http_address());
  command.add_option("--key-of-controller", o->gateway.controller_key, "The controller's API key, if it has one");
  add_listening_options(command, o->http, "Address to listen on; 0.0.0.0: all, with --api-key");
  command
      .add_option("--model-list-mode", o->list_mode,
                  "once: models are asked for at the start; reload: whenever the page is loaded")
      ->check(CLI::IsMember({"once", "reload"}));
  command.add_option("--conv-mode", o->gateway.conversation,
                     "Conversation template of all models; default: a model's name selects it");
  command.add_option("--concurrency-count", o->concurrency, "Answers at one time")->check(CLI::Range(1, 256));
  add_client_options(command, o->http, "browsers");
  add_page_options(command, o->page);
  command.callback([o] {
    if (const auto done = try_run(*o); !done) give_up(done.error());
  });
}
