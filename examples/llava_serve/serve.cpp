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

#include "models.hpp"
#include "page_options.hpp"
#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;

struct serve_options {
  std::vector<std::string> paths, names;
  std::string dtype = "auto", conversation, cache_folder;
  double cache_gigabytes = 8;
  int threads = 0, kv_tokens = 0, max_sequences = 16, prompt_lookup = llava::open_options{}.prompt_lookup;
  serve::http_settings http{.port = 8000};
  serve::image_fetcher_settings images;
  serve::openai_settings service{
      .decode_image = [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); }};
  page_options page;
  bool no_page = false;
};

std::string name_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

llava::result<void> try_load(const serve_options& o, std::size_t i, serve::openai_service& service,
                             const std::atomic<bool>& stops, std::vector<llava::chat_model>& models) {
  llava::open_options options;
  options.threads = o.threads;
  options.kv_tokens = o.kv_tokens;
  options.max_sequences = o.max_sequences;
  options.prompt_lookup = o.prompt_lookup;
  options.conversation = o.conversation;
  options.cache_folder = o.cache_folder;
  options.cache_folder_bytes = static_cast<std::uint64_t>(o.cache_gigabytes * 1e9);
  options.report = [&stops](const llava::progress&) { return !stops.load(); };
  std::string dtype = o.dtype;
  if (dtype == "auto") {
    LLAVA_TRY(stored, try_stored_dtype(o.paths[i]));
    dtype = stored;
  }
  LLAVA_TRY(model, try_open_model(o.paths[i], "simd", dtype, options));
  const std::string name = i < o.names.size() ? o.names[i] : name_of(o.paths[i]);
  LLAVA_CHECK(service.try_add(name, model.shared()));
  models.push_back(model);
  std::printf("llava: %s is loaded, with weights as %s\n", name.c_str(), dtype.c_str());
  std::fflush(stdout);
  return {};
}

llava::result<void> try_serve(const serve_options& o) {
  const stop_signals signals;
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
    for (std::size_t i = 0; i < o.paths.size() && loaded && !stops; ++i)
      loaded = try_load(o, i, *service, stops, models);
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
  if (!o.cache_folder.empty())
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
  command.add_option("--host", o.http.address, "IP address to listen on; 0.0.0.0: all, with --api-key")
      ->capture_default_str();
  command.add_option("--port", o.http.port, "Port; 0: any free one")->capture_default_str();
  command
      .add_option("--api-key", o.http.api_keys,
                  "Key that clients must send; may be repeated; default: the environment's LLAVA_API_KEY, or none")
      ->envname("LLAVA_API_KEY");
  command.add_option("--allowed-origin", o.http.allowed_origins,
                     "Origin of web pages that may use the server (https://example.org); may be repeated; *: all");
  command.add_option("--host-name", o.http.host_names,
                     "Further name under which clients reach a server on a loopback address; may be repeated");
  command
      .add_option("--max-queue", o.service.max_queue, "Answers that wait, for each model; more are refused with 503")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
}

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("serve", "Answer over HTTP, with OpenAI's API");
  const auto o = std::make_shared<serve_options>();
  command
      .add_option("--model-path", o->paths,
                  "Folder or GGUF file of a model, or its name in the Hugging Face cache; may be repeated")
      ->required();
  command.add_option("--model-name", o->names,
                     "Name of the model in requests; may be repeated, as --model-path; default: the path's last part");
  std::vector<std::string> dtypes = compiled_dtypes();
  dtypes.insert(dtypes.begin(), "auto");
  command.add_option("--dtype", o->dtype, "Format of the weights; auto: as stored")
      ->check(CLI::IsMember(dtypes))
      ->capture_default_str();
  command.add_option("--conv-mode", o->conversation, "Conversation template of all models; default: the folder's");
  command.add_option("--cache-folder", o->cache_folder,
                     "Folder for image tokens and the KV cache, which the next start finds there; default: none");
  command.add_option("--cache-gigabytes", o->cache_gigabytes, "Size that the folder may have")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  command.add_option("--threads", o->threads, "Threads of each model; 0: one per usable processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--kv-tokens", o->kv_tokens, "Tokens of each model's KV cache; 0: at least the model's context")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command.add_option("--max-sequences", o->max_sequences, "Answers that a model computes at one time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--prompt-lookup", o->prompt_lookup,
                  "Most tokens that a step guesses from an answer's own text; the answers are the same; 0: none")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  command
      .add_option("--answer-timeout", o->service.answer_seconds,
                  "Seconds from a request's arrival after which its answers end; 0: none")
      ->check(CLI::Range(0., 1e6))
      ->capture_default_str();
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
