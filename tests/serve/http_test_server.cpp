// SPDX-License-Identifier: Apache-2.0
// A server for tests/serve/http_sockets.py: routes that answer, hold, stream and fail. It prints its port. SIGTERM
// drains it; then it prints whether all replies were finished, and exits.
//
//   http_test_server [--key KEY]... [--origin ORIGIN]... [--drain-ms N]
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <llava/serve/http_server.hpp>

namespace {
namespace serve = llava::serve;

/// Responses that wait until their clients are gone, or until somebody asks for /release.
struct held_responses {
  std::mutex mutex;
  std::map<int, serve::http_response> held;
  int next = 0;
  std::atomic<int> gone{0};

  int add(serve::http_response r) {
    const std::lock_guard lock(mutex);
    held.emplace(next, std::move(r));
    return next++;
  }
  void drop(int id) {
    std::map<int, serve::http_response>::node_type dropped;
    const std::lock_guard lock(mutex);
    dropped = held.extract(id);
  }
  std::size_t size() {
    const std::lock_guard lock(mutex);
    return held.size();
  }
  void release() {
    std::map<int, serve::http_response> all;
    {
      const std::lock_guard lock(mutex);
      all.swap(held);
    }
    for (const auto& [id, r] : all) r.reply(200, "text/plain", "released");
  }
};

std::size_t number_of(std::string_view query) { return std::strtoul(std::string(query).c_str(), nullptr, 10); }

serve::http_routes routes_of(held_responses& waiting, std::atomic<int>& streaming,
                             std::atomic<serve::http_server*>& server) {
  using serve::http_request;
  using serve::http_response;
  serve::http_routes routes;
  routes.add("GET", "/health", [](http_request, http_response r) { r.reply(200, "text/plain", "ok"); },
             {.is_open = true});
  routes.add("GET", "/stats",
             [&](http_request, http_response r) {
               r.reply_json(200, "{\"held\": " + std::to_string(waiting.size()) + ", \"gone\": " +
                                     std::to_string(waiting.gone) + ", \"streaming\": " + std::to_string(streaming) +
                                     ", \"connections\": " + std::to_string(server.load()->connections()) + "}");
             },
             {.is_open = true});
  routes.add("POST", "/echo", [](http_request q, http_response r) {
    const std::string sent = q.header("x-sent").empty() ? "-" : "sent";
    r.reply(200, "application/octet-stream", std::move(q.body), {{"X-Tail", sent}});
  });
  routes.add("GET", "/models/*", [](http_request q, http_response r) { r.reply(200, "text/plain", q.tail); });
  routes.add("GET", "/hold", [&](http_request, http_response r) {
    const int id = waiting.add(r);
    r.on_gone([&waiting, id] {
      ++waiting.gone;
      waiting.drop(id);
    });
  });
  routes.add("GET", "/release", [&](http_request, http_response r) {
    waiting.release();
    r.reply(200, "text/plain", "ok");
  });
  // Pieces every 5 ms until the client is gone, or ?N pieces.
  routes.add("GET", "/stream",
             [&](http_request q, http_response r) {
               ++streaming;
               const auto gone = r.gone();
               r.begin_events();
               for (std::size_t i = 0, n = number_of(q.query); !gone.stop_requested() && (n == 0 || i < n); ++i) {
                 r.write_event("piece " + std::to_string(i));
                 std::this_thread::sleep_for(std::chrono::milliseconds(5));
               }
               r.end();
               --streaming;
             },
             {.may_wait = true});
  // Pieces as fast as the server takes them: a client that does not read is dropped.
  routes.add("GET", "/flood",
             [&](http_request, http_response r) {
               ++streaming;
               r.begin(200, "text/plain");
               const std::string piece(4096, 'x');
               while (r.write(piece)) std::this_thread::sleep_for(std::chrono::microseconds(50));
               --streaming;
             },
             {.may_wait = true});
  routes.add("GET", "/records", [](http_request, http_response r) {
    r.begin(200, "application/octet-stream");
    r.write_record("{\"text\": \"a\"}");
    r.write_record("{\"text\": \"ab\"}");
    r.end();
  });
  routes.add("GET", "/throw", [](http_request, http_response) { throw std::runtime_error("/etc/secret at 0x1234"); });
  routes.add("GET", "/lost", [](http_request, http_response) {});
  routes.add("GET", "/half", [](http_request, http_response r) {
    r.begin(200, "text/plain");
    r.write("half");
  });
  routes.add("GET", "/split", [](http_request, http_response r) {
    r.reply(200, "text/plain", "x", {{"X-Bad", "a\r\nSet-Cookie: b"}});
  });
  return routes;
}
}  // namespace

int main(int argc, char** argv) {
  // SIGTERM is taken by sigwait below: it must be blocked before the server starts its threads.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  serve::http_settings settings;
  std::chrono::milliseconds longest(30'000);
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--key") settings.api_keys.emplace_back(argv[i + 1]);
    if (option == "--origin") settings.allowed_origins.emplace_back(argv[i + 1]);
    if (option == "--drain-ms") longest = std::chrono::milliseconds(std::atoi(argv[i + 1]));
  }
  held_responses waiting;
  std::atomic<int> streaming{0};
  std::atomic<serve::http_server*> running{nullptr};
  auto server = serve::http_server::try_start(std::move(settings), routes_of(waiting, streaming, running));
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().what());
    return 1;
  }
  running = &*server;
  std::printf("%d\n", server->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  const bool all = server->drain(longest);
  std::printf("%s\n", all ? "drained" : "dropped");
  return 0;
}
