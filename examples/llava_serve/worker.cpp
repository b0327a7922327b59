// SPDX-License-Identifier: Apache-2.0
/// llava-serve worker: LLaVA's model worker, with its options, over a model or over another server.
#include <llava/chat_model.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/image/file.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/worker.hpp>
#include <llava/serve/worker_backend_model.hpp>
#include <llava/serve/worker_chat_model.hpp>

#include <memory>
#include <string>
#include <utility>

#include "../llava/models.hpp"
#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;

struct worker_options {
  serve::worker_settings settings;
  serve::backend_settings backend;
  std::string path, base, name, device = "cpu", dtype = "auto";
  bool multi_modal = false, no_register = false, flash = false;
  int threads = 0, stream_interval = 1;
};

llava::result<llava::chat_model> try_load(const worker_options& o) {
  llava::open_options options;
  options.threads = o.threads;
  options.model_base = o.base;
  std::string dtype = o.dtype;
  if (dtype == "auto") {
    LLAVA_TRY(stored, try_stored_dtype(o.base.empty() ? o.path : o.base));
    dtype = stored;
  }
  return try_open_model(o.path, "simd", dtype, options);
}

llava::result<std::shared_ptr<serve::worker_model>> try_make_model(const worker_options& o) {
  if (!o.backend.url.empty()) {
    serve::backend_settings backend = o.backend;
    backend.name = o.name;
    LLAVA_TRY(asks, serve::worker_backend_model::try_make(std::move(backend)));
    log_line("model_worker", llava::text_of("asks ", o.backend.url, " for ", asks->model()));
    return std::shared_ptr<serve::worker_model>(std::move(asks));
  }
  if (o.path.empty())
    return llava::fail(llava::errc::invalid_argument, "llava: a worker needs --model-path or --backend-url");
  LLAVA_TRY(model, try_load(o));
  return std::shared_ptr<serve::worker_model>(std::make_shared<serve::worker_chat_model>(
      model.shared(), o.name.empty() ? llava::detail::name_of_folder(o.path) : o.name,
      [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); }));
}

void run_worker(const worker_options& o) {
  const stop_signals signals;
  const auto log = [](std::string_view line) { log_line("model_worker", line); };
  if (o.multi_modal)
    log("Multimodal mode is automatically detected with model name, please make sure `llava` is included in the model "
        "path.");
  auto model = try_make_model(o);
  if (!model) end_with(model.error());
  if (serve::detail::lower((*model)->name()).find("llava") == std::string::npos)
    log((*model)->name() + " has no `llava` in its name: images are ignored; --model-name sets another one");
  serve::worker_settings s = o.settings;
  s.registers = !o.no_register;
  s.log = log;
  auto running = serve::worker::try_start(std::move(s), *model);
  if (!running) end_with(running.error());
  log(llava::text_of("serves ", (*model)->name(), " on port ", running->port()));
  signals.wait();
  if (!running->drain()) log("ended before all answers were complete");
}

/// Behind the options of a model, which a backend excludes.
void add_backend_options(CLI::App& command, worker_options& o) {
  CLI::Option* const url =
      command.add_option("--backend-url,--sgl-endpoint", o.backend.url,
                         "http://HOST:PORT of a server with OpenAI's API that has the model, in place of --model-path");
  for (const char* const name :
       {"--model-path", "--model-base", "--dtype", "--load-8bit", "--load-4bit", "--use-flash-attn", "--threads"})
    url->excludes(command.get_option(name));
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
  command.add_option("--host", o->settings.http.address, "Address to listen on")->capture_default_str();
  command.add_option("--port", o->settings.http.port, "Port; 0: any free one")->capture_default_str();
  command.add_option("--worker-address", o->settings.worker_address,
                     "http://HOST:PORT of this worker for others; default: http://localhost:PORT");
  command.add_option("--controller-address", o->settings.controller_address, "http://HOST:PORT of the controller")
      ->capture_default_str();
  command.add_option("--model-path", o->path,
                     "Folder or GGUF file of the model, or its name in the Hugging Face cache");
  command.add_option("--model-base", o->base, "The model under an adapter, a projector alone or a delta");
  command.add_option("--model-name", o->name, "Name for clients; default: the folder's. Images need `llava` in it");
  command.add_option("--device", o->device, "cpu")->check(CLI::IsMember({"cpu"}))->capture_default_str();
  command.add_flag("--multi-modal", o->multi_modal, "Only warns, as in the original");
  command.add_option("--limit-model-concurrency", o->settings.limit, "Requests answered at one time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--stream-interval", o->stream_interval, "Unused, as in the original");
  command.add_flag("--no-register", o->no_register, "Do not register with a controller");
  command.add_option("--dtype", o->dtype, "Format of the weights; auto: as stored")->capture_default_str();
  command.add_flag_callback(
      "--load-8bit", [o] { o->dtype = "int8"; }, "--dtype int8");
  command.add_flag_callback(
      "--load-4bit", [o] { o->dtype = "nf4"; }, "--dtype nf4");
  command.add_flag("--use-flash-attn", o->flash, "Changes nothing: attention is computed in tiles anyway");
  command.add_option("--threads", o->threads, "Threads; 0: one per usable processor")->check(CLI::Range(0, 1024));
  command.add_option("--token", o->settings.worker_token, "The controller's token")->envname("LLAVA_WORKER_TOKEN");
  add_backend_options(command, *o);
  command.callback([o] { run_worker(*o); });
}
