// SPDX-License-Identifier: Apache-2.0
/// llava-serve controller, register-worker and test-message: LLaVA's programs of the same names, with their options.
#include <llava/serve/controller.hpp>
#include <llava/serve/protocol_client.hpp>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "command.hpp"
#include "network_options.hpp"
#include "option_rules.hpp"
#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;

void run_controller(serve::controller_settings s) {
  const stop_signals signals;
  s.log = [](std::string_view line) { log_line("controller", line); };
  auto running = serve::controller::try_start(std::move(s));
  if (!running) give_up(running.error());
  log_line("controller", llava::text_of("listens on port ", running->port()));
  signals.wait();
  if (!running->drain()) log_line("controller", "ended before all answers were complete");
}

}  // namespace

void add_controller(CLI::App& app) {
  CLI::App& command =
      *app.add_subcommand("controller", "LLaVA's controller: knows the workers, and chooses one for a request");
  struct options {
    serve::controller_settings settings;
    std::string dispatch = "shortest_queue";
  };
  const auto o = std::make_shared<options>();
  serve::controller_settings& s = o->settings;
  s.http.address = "localhost";
  s.http.port = 21001;
  add_listening_options(command, s.http, "Address to listen on; others than this machine's need --token");
  command.add_option("--dispatch-method", o->dispatch, "How a worker is chosen")
      ->check(CLI::IsMember({"lottery", "shortest_queue"}));
  command.add_option("--token", s.worker_token, "Token that workers must present")->envname("LLAVA_WORKER_TOKEN");
  command.add_option("--allow-worker", s.allowed_workers,
                     "Address, range (10.1.0.0/16) or name of workers; default: the address that registers them");
  command.add_option("--api-key", s.http.api_keys, "Key that clients must present; may be repeated");
  command.callback([o] {
    o->settings.dispatch =
        o->dispatch == "lottery" ? serve::dispatch_method::lottery : serve::dispatch_method::shortest_queue;
    run_controller(o->settings);
  });
}

void add_register_worker(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("register-worker", "Register a worker with a controller by hand");
  struct options {
    std::string controller, worker, token;
    bool check = false;
  };
  const auto o = std::make_shared<options>();
  command.add_option("--controller-address", o->controller, "http://HOST:PORT of the controller")
      ->required()
      ->check(http_address());
  command.add_option("--worker-name", o->worker, "http://HOST:PORT of the worker")->required()->check(http_address());
  command.add_flag("--check-heart-beat", o->check, "The worker sends heartbeats; without them it is forgotten");
  command.add_option("--token", o->token, "The controller's token")->envname("LLAVA_WORKER_TOKEN");
  command.callback([o] {
    if (const auto done = serve::try_register_worker(o->controller, o->worker, o->check, o->token); !done)
      give_up(done.error());
  });
}

void add_test_message(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("test-message", "Send a message to a worker and print its last words");
  const auto s = std::make_shared<serve::test_message_settings>();
  command.add_option("--controller-address", s->controller_address, "http://HOST:PORT of the controller")
      ->check(http_address());
  command
      .add_option("--worker-address", s->worker_address,
                  "http://HOST:PORT of a worker; default: the controller is asked")
      ->check(http_address());
  command.add_option("--model-name", s->model_name, "The model");
  command.add_option("--max-new-tokens", s->max_new_tokens, "Largest number of tokens")->check(CLI::Range(1, 1 << 24));
  may_be_empty(*command.add_option("--message", s->message, "The message"));
  command.add_option("--api-key", s->api_key, "The controller's key, if it needs one");
  command.callback([s] {
    const auto print = [](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    if (const auto done = serve::try_send_test_message(*s, print); !done) give_up(done.error());
  });
}
