// SPDX-License-Identifier: Apache-2.0
/// What HTTP, JSON and server-sent events cost a server: the same answers over HTTP and from the engine in process.
///
///   serving_overhead [--model=examples/tiny] [--rounds=9] [--clients=16] [--tokens=200]
///
/// The clients are another process. The model runs on one thread, so that no other thread waits by spinning, and sleeps
/// within its steps: the processor time of this process is what its work costs. In a wave all clients ask one question
/// at the same time. In process, as many requests are submitted at one time, and nobody looks at their text.
///  - per token: processor time of a wave of `tokens` tokens less that of a wave of 1 token, HTTP less engine.
///  - per request: processor time of a wave of 1 token, HTTP less engine, less the cost of that token.
///  - latency: time of one answer of 1 token for one client, HTTP less engine.
/// Waves alternate; the figures are medians, with quartiles in brackets. Every request has a connection of its own.
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/openai_service.hpp>

#include "models.hpp"

namespace {

constexpr const char* question = "Is there a red circle?";

/// Ends the program with a message.
[[noreturn]] void give_up(std::string_view why) {
  std::fprintf(stderr, "serving_overhead: %.*s\n", static_cast<int>(why.size()), why.data());
  std::_Exit(1);
}
template <class T>
T value_of(llava::result<T> r) {
  if (!r) give_up(r.error().what());
  return *std::move(r);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Processor time of this process, all threads.
double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Runs everything on the calling thread. While it `sleeps`, a step takes some milliseconds, so that each token is sent
/// in an event of its own, as those of a large model are.
class slow_executor final : public llava::executor {
 public:
  int concurrency() const override { return 1; }
  void parallel_for(int pieces, llava::function_ref<void(int)> piece) override {
    if (sleeps && ++calls_ % 8 == 0) ::usleep(500);
    for (int i = 0; i < pieces; ++i) piece(i);
  }
  std::atomic<bool> sleeps{true};

 private:
  std::atomic<unsigned> calls_{0};
};

/// What clients do at the same time.
struct wave {
  int port = 0, clients = 0, tokens = 0;
};

// --- The clients' process --------------------------------------------------------------------------------------------

/// Asks one question and returns the reply, all of it.
std::string ask(const wave& w) {
  const std::string body = std::string(R"({"messages": [{"role": "user", "content": ")") + question +
                           R"("}], "temperature": 0, "ignore_eos": true, "stream": true, "max_tokens": )" +
                           std::to_string(w.tokens) + "}";
  const std::string request =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Content-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(w.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) give_up("no connection");
  if (::send(s, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) give_up("not sent");
  std::string reply;
  std::array<char, 16384> piece{};
  for (ssize_t n = 0; (n = ::recv(s, piece.data(), piece.size(), 0)) > 0;)
    reply.append(piece.data(), static_cast<std::size_t>(n));
  ::close(s);
  if (reply.find("data: [DONE]") == std::string::npos) give_up("an answer is not complete:\n" + reply.substr(0, 800));
  return reply;
}

/// What the clients tell of a wave.
struct wave_report {
  double seconds = 0;             ///< of the longest answer
  int events = 0;                 ///< of the first answer, with text
  std::array<char, 4096> text{};  ///< of every answer, with a zero at its end
};

/// The text of all events, whose number is added to `events`.
std::string text_in(std::string_view reply, int& events) {
  constexpr std::string_view key = "\"content\": \"";
  std::string out;
  for (std::size_t at = reply.find(key); at != reply.npos; at = reply.find(key, at)) {
    at += key.size();
    const std::string_view text = reply.substr(at, reply.find('"', at) - at);
    events += text.empty() ? 0 : 1;
    out += text;
  }
  return out;
}

/// Runs the waves that it reads from `commands` and writes the seconds of each to `done`.
void run_clients(int commands, int done) {
  wave w;
  while (::read(commands, &w, sizeof w) == static_cast<ssize_t>(sizeof w)) {
    std::barrier together(w.clients);
    std::vector<std::jthread> clients;
    std::vector<std::string> replies(static_cast<std::size_t>(w.clients));
    std::vector<double> seconds(replies.size());
    for (std::size_t i = 0; i < replies.size(); ++i)
      clients.emplace_back([&, i] {
        together.arrive_and_wait();
        const auto start = std::chrono::steady_clock::now();
        replies[i] = ask(w);
        seconds[i] = seconds_since(start);
      });
    clients.clear();
    wave_report report;
    const std::string text = text_in(replies[0], report.events);
    report.seconds = *std::max_element(seconds.begin(), seconds.end());
    for (const std::string& reply : replies)
      if (int ignored = 0; text_in(reply, ignored) != text) give_up("the answers of a wave differ");
    text.copy(report.text.data(), report.text.size() - 1);
    if (::write(done, &report, sizeof report) != static_cast<ssize_t>(sizeof report)) return;
  }
}

// --- The server's process --------------------------------------------------------------------------------------------

class client_process {
 public:
  client_process() {
    std::array<int, 2> commands{}, done{};
    if (::pipe(commands.data()) != 0 || ::pipe(done.data()) != 0) give_up("no pipe");
    child_ = ::fork();
    if (child_ == 0) {
      ::close(commands[1]), ::close(done[0]);
      run_clients(commands[0], done[1]);
      std::_Exit(0);
    }
    ::close(commands[0]), ::close(done[1]);
    to_ = commands[1], from_ = done[0];
  }
  client_process(const client_process&) = delete;
  client_process& operator=(const client_process&) = delete;
  ~client_process() {
    ::close(to_);
    ::waitpid(child_, nullptr, 0);
  }

  wave_report run(const wave& w) {
    wave_report report;
    if (::write(to_, &w, sizeof w) < 0) give_up("the clients are gone");
    for (std::size_t read = 0; read < sizeof report;) {
      const ssize_t n = ::read(from_, reinterpret_cast<char*>(&report) + read, sizeof report - read);
      if (n <= 0) give_up("a client failed");
      read += static_cast<std::size_t>(n);
    }
    return report;
  }

 private:
  pid_t child_ = 0;
  int to_ = -1, from_ = -1;
};

/// Submits the requests of a wave to the engine, waits for them, and returns the seconds and the text of the first.
std::pair<double, std::string> run_in_process(const std::shared_ptr<const llava::opened_model>& model, const wave& w) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<llava::answer_stream> streams;
  for (int i = 0; i < w.clients; ++i) {
    llava::answer_request asked;
    const llava::message turns[] = {{llava::role::user, std::string(question), 0}, {llava::role::assistant, {}, 0}};
    asked.prompt = value_of(llava::try_prepare(*model, value_of(llava::try_chat_prompt(*model, turns)), {}));
    asked.settings.max_new_tokens = w.tokens;
    asked.settings.temperature = 0.f;
    asked.settings.ignore_eos = true;
    streams.push_back(value_of(llava::engine::try_submit(model, std::move(asked))));
  }
  // A wave is not awaited token by token, which would cost processor time.
  if (w.clients > 1)
    while (model->engine().counts().running + model->engine().counts().waiting > 0) ::usleep(2000);
  for (llava::answer_stream& s : streams)
    while (!value_of(s.try_next())->ended) continue;
  return {seconds_since(start), streams[0].whole().text};
}

std::string shown(std::vector<double> values, double scale) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return scale * values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  std::array<char, 80> out{};
  std::snprintf(out.data(), out.size(), "%.2f (%.2f … %.2f)", at(0.5), at(0.25), at(0.75));
  return out.data();
}

/// Processor time and latency of one wave, over HTTP and in process.
struct costs {
  double http = 0, engine = 0, http_latency = 0, engine_latency = 0;
  int events = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::string folder = "examples/tiny";
  int rounds = 9, clients = 16, tokens = 200;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&](std::string_view name, int& to) {
      const bool is_it = word.starts_with(name);
      if (is_it) to = std::atoi(argv[i] + name.size());
      return is_it;
    };
    if (word.starts_with("--model="))
      folder = word.substr(8);
    else if (!number("--rounds=", rounds) && !number("--clients=", clients) && !number("--tokens=", tokens))
      give_up("unknown option " + std::string(word));
  }
  if (rounds < 1 || clients < 1 || clients > 64 || tokens < 2 || tokens > 500) give_up("an option is out of range");
  client_process others;  // before this process has threads
  llava::open_options options;
  const auto threads = std::make_shared<slow_executor>();
  options.threads_of_host = threads;
  options.max_sequences = clients;
  const llava::chat_model opened = value_of(try_open_model(folder, "simd", "f16", options));
  const auto model = opened.shared();
  const auto service = value_of(llava::serve::openai_service::try_make({}));
  auto server = value_of(llava::serve::http_server::try_start({}, service->routes()));
  if (const auto added = service->try_add("model", model); !added) give_up(added.error().what());
  service->set_loaded();

  const auto measure = [&](int count, int length) {
    const wave w{static_cast<int>(server.port()), count, length};
    threads->sleeps = count > 1;
    costs c;
    double start = processor_seconds();
    const auto [engine_seconds, engine_text] = run_in_process(model, w);
    c.engine = processor_seconds() - start, c.engine_latency = engine_seconds;
    start = processor_seconds();
    const wave_report http = others.run(w);
    c.http = processor_seconds() - start, c.http_latency = http.seconds, c.events = http.events;
    if (http.text.data() != engine_text)
      give_up(llava::text_of("the answers differ: '", http.text.data(), "' and '", engine_text, "'"));
    return c;
  };
  measure(clients, tokens), measure(1, 1);
  std::vector<double> per_token, per_request, latency, events;
  for (int i = 0; i < rounds; ++i) {
    const costs of_many = measure(clients, tokens), of_one = measure(clients, 1);
    per_token.push_back(((of_many.http - of_one.http) - (of_many.engine - of_one.engine)) / (clients * (tokens - 1)));
    events.push_back(static_cast<double>(of_many.events) / tokens);
    per_request.push_back((of_one.http - of_one.engine) / clients - per_token.back());
    for (int j = 0; j < 20; ++j) {
      const costs single = measure(1, 1);
      latency.push_back(single.http_latency - single.engine_latency);
    }
  }
  std::printf("processor time of a token, %d clients, µs: %s\n", clients, shown(per_token, 1e6).c_str());
  std::printf("processor time of a request, %d clients, ms: %s\n", clients, shown(per_request, 1e3).c_str());
  std::printf("latency of a request, 1 client, ms: %s\n", shown(latency, 1e3).c_str());
  std::printf("events of a token: %s\n", shown(events, 1).c_str());
}
