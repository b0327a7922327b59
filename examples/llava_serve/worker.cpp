// SPDX-License-Identifier: Apache-2.0
/// llava-serve worker: LLaVA's model worker, with its options, over a model or over another server.
#include <llava/chat_model.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/image/file.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/worker.hpp>
#include <llava/serve/worker_backend_model.hpp>
#include <llava/serve/worker_chat_model.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "network_options.hpp"
#include "option_rules.hpp"
#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;

struct worker_options {
  serve::worker_settings settings;
  serve::backend_settings backend;
  model_options model;
  std::string name, device = "cpu";
  bool multi_modal = false, no_register = false, flash = false;
  int stream_interval = 1;
};

llava::result<std::shared_ptr<serve::worker_model>> try_make_model(const worker_options& o) {
  if (!o.backend.url.empty()) {
    serve::backend_settings backend = o.backend;
    backend.name = o.name;
    LLAVA_TRY(asks, serve::worker_backend_model::try_make(std::move(backend)));
    log_line("model_worker", llava::text_of("asks ", o.backend.url, " for ", asks->model()));
    return std::shared_ptr<serve::worker_model>(std::move(asks));
  }
  LLAVA_TRY(model, o.model.try_open());
  return std::shared_ptr<serve::worker_model>(std::make_shared<serve::worker_chat_model>(
      model.shared(), o.name.empty() ? llava::detail::name_of_folder(o.model.path) : o.name,
      [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); }));
}

void run_worker(const worker_options& o) {
  const stop_signals signals;
  const auto log = [](std::string_view line) { log_line("model_worker", line); };
  if (o.multi_modal)
    log("Multimodal mode is automatically detected with model name, please make sure `llava` is included in the model "
        "path.");
  if (o.model.path.empty() && o.backend.url.empty())
    give_up(llava::fail(llava::errc::invalid_argument, "llava: a worker needs --model-path or --backend-url"));
  std::string name;
  const auto make_model = [&]() -> llava::result<std::shared_ptr<serve::worker_model>> {
    LLAVA_TRY(model, try_make_model(o));
    name = model->name();
    if (serve::detail::lower(name).find("llava") == std::string::npos)
      log(name + " has no `llava` in its name: images are ignored; --model-name sets another one");
    return model;
  };
  serve::worker_settings s = o.settings;
  s.registers = !o.no_register;
  s.log = log;
  auto running = serve::worker::try_start(std::move(s), make_model);
  if (!running) give_up(running.error());
  log(llava::text_of("serves ", name, " on port ", running->port()));
  signals.wait();
  if (!running->drain()) log("ended before all answers were complete");
}

/// `of_models`: the options of a model, which a backend excludes.
void add_backend_options(CLI::App& command, worker_options& o, const std::vector<CLI::Option*>& of_models) {
  CLI::Option* const url =
      command
          .add_option("--backend-url,--sgl-endpoint", o.backend.url,
                      "http://HOST:PORT of a server with OpenAI's API that has the model, in place of --model-path")
          ->check(http_address());
  for (CLI::Option* const of_model : of_models) url->excludes(of_model);
  command.add_option("--backend-model", o.backend.model, "The model's name there; default: the first that it lists")
      ->needs(url);
  command.add_option("--backend-key", o.backend.key, "The key that it needs")->envname("LLAVA_BACKEND_KEY");
}

}  // namespace

void add_worker(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("worker", "LLaVA's model worker: answers for a controller");
  const auto o = std::make_shared<worker_options>();
  o->settings.http.address = "localhost";
  o->settings.http.port = 21002;
  add_listening_options(command, o->settings.http, "Address to listen on");
  command
      .add_option("--worker-address", o->settings.worker_address,
                  "http://HOST:PORT of this worker for others; default: http://localhost:PORT")
      ->check(http_address());
  command.add_option("--controller-address", o->settings.controller_address, "http://HOST:PORT of the controller")
      ->check(http_address());
  const std::size_t before = command.get_options().size();
  o->model.add_files_to(command);
  command.get_option("--model-path")->required(false);
  o->model.add_weights_to(command);
  command.add_flag("--use-flash-attn", o->flash, "Changes nothing: attention is computed in tiles anyway");
  const std::vector<CLI::Option*> all = command.get_options();
  add_backend_options(command, *o, {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()});
  command.add_option("--model-name", o->name, "Name for clients; default: the folder's. Images need `llava` in it");
  command.add_option("--device", o->device, "cpu")->check(CLI::IsMember({"cpu"}));
  command.add_flag("--multi-modal", o->multi_modal, "Only warns, as in the original");
  command.add_option("--limit-model-concurrency", o->settings.limit, "Requests answered at one time")
      ->check(CLI::Range(1, 256));
  command.add_option("--stream-interval", o->stream_interval, "Unused, as in the original");
  command.add_flag("--no-register", o->no_register, "Do not register with a controller");
  command.add_option("--token", o->settings.worker_token, "The controller's token")->envname("LLAVA_WORKER_TOKEN");
  command.callback([o] { run_worker(*o); });
}
