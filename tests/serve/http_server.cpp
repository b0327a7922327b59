// SPDX-License-Identifier: Apache-2.0
// The server and the client together, in one process. Raw sockets: tests/serve/http_sockets.py.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_server.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace serve = llava::serve;
using namespace std::chrono_literals;
using serve::http_call;
using serve::http_request;
using serve::http_response;

namespace {
/// Waits at most five seconds.
template <class F>
bool wait_until(F holds) {
  for (int i = 0; i < 5000 && !holds(); ++i) std::this_thread::sleep_for(1ms);
  return holds();
}

/// Responses that a test keeps, and what its handlers found wrong. A handler runs on a server's thread, where Catch2's
/// macros are not allowed.
struct kept_responses {
  std::mutex mutex;
  std::vector<http_response> all;
  std::atomic<int> gone{0};
  std::atomic<int> wrong{0};
  ~kept_responses() { CHECK(wrong == 0); }
  void expect(bool holds) { wrong += holds ? 0 : 1; }
  void keep(http_response r) {
    r.on_gone([this] { ++gone; });
    const std::lock_guard lock(mutex);
    all.push_back(std::move(r));
  }
  std::size_t size() {
    const std::lock_guard lock(mutex);
    return all.size();
  }
};

serve::http_routes routes_with(kept_responses& kept) {
  serve::http_routes routes;
  routes.add("POST", "/echo", [&](http_request q, http_response r) {
    kept.expect(
        r.reply(200, q.header("content-type"), q.method + ' ' + q.query + ' ' + q.body, {{"X-Key", q.api_key}}));
    kept.expect(!r.reply(200, "text/plain", "again"));
    kept.expect(!r.begin(200, "text/plain"));
    kept.expect(!r.write("more"));
    kept.expect(!r.end());
  });
  routes.add("POST", "/keep", [&](http_request, http_response r) { kept.keep(std::move(r)); });
  routes.add("POST", "/records", [&](http_request, http_response r) {
    kept.expect(r.begin(200, "application/octet-stream"));
    for (int i = 0; i < 100; ++i) kept.expect(r.write_record("{\"n\": " + std::to_string(i) + "}"));
    kept.expect(r.end());
  });
  routes.add("POST", "/cut", [](http_request, http_response r) {
    r.begin(200, "application/octet-stream");
    r.write("half");
  });
  routes.add("POST", "/bad", [&](http_request, http_response r) { kept.expect(!r.begin(200, "text\r\nX: y")); });
  return routes;
}

http_call to(const serve::http_server& server, std::string path, std::string body = {}) {
  http_call call;
  call.url = "http://127.0.0.1:" + std::to_string(server.port()) + path;
  call.body = std::move(body);
  return call;
}

/// A client that sends bytes and reads nothing.
class deaf_client {
 public:
  deaf_client(const serve::http_server& server, const std::string& sent) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server.port());
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(socket_, sent.data(), sent.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(sent.size()));
  }
  ~deaf_client() { ::close(socket_); }

 private:
  int socket_;
};

/// Accepts one client, reads what it sends, answers with the bytes and closes.
class raw_server {
 public:
  explicit raw_server(std::string answer) : answer_(std::move(answer)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listening_, 1) == 0);
    REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    thread_ = std::thread([this] {
      const int client = ::accept(listening_, nullptr, nullptr);
      char bytes[4096];
      if (::read(client, bytes, sizeof bytes) > 0 && ::write(client, answer_.data(), answer_.size()) > 0)
        ::shutdown(client, SHUT_WR);
      while (::read(client, bytes, sizeof bytes) > 0) {
      }
      ::close(client);
    });
  }
  ~raw_server() {
    thread_.join();
    ::close(listening_);
  }
  std::string url;

 private:
  const std::string answer_;
  int listening_;
  std::thread thread_;
};

struct flag {
  const std::atomic<bool>* is_set;
  bool stop_requested() const noexcept { return *is_set; }
};
}  // namespace

TEST_CASE("a request and its reply") {
  kept_responses kept;
  auto server = serve::http_server::try_start({.api_keys = {"secret"}}, routes_with(kept));
  REQUIRE(server);
  http_call call = to(*server, "/echo?a=b", "{\"x\": 1}");
  auto reply = try_call(call);
  REQUIRE(reply);
  CHECK(reply->status == 401);
  CHECK(reply->header("www-authenticate") == "Bearer");
  call.headers.push_back({"Authorization", "Bearer secret"});
  for (int i = 0; i < 3; ++i) {
    reply = try_call(call);
    REQUIRE(reply);
    CHECK(reply->status == 200);
    CHECK(reply->header("content-type") == "application/json");
    CHECK(reply->header("x-key") == "secret");
    CHECK(reply->body == "POST a=b {\"x\": 1}");
  }
  call.url = to(*server, "/bad").url;
  CHECK(try_call(call)->status == 500);
  call.headers.push_back({"X", "a\r\nb"});
  const auto refused = try_call(call);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::invalid_argument);
}

TEST_CASE("records arrive as they are, and a stream without an end is an error") {
  kept_responses kept;
  auto server = serve::http_server::try_start({}, routes_with(kept));
  REQUIRE(server);
  serve::record_splitter splitter;
  std::vector<std::string> records;
  const auto reply = try_call(to(*server, "/records"), [&](std::string_view piece) {
    return splitter.feed(piece, [&](std::string_view r) { return records.emplace_back(r), true; }).has_value();
  });
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(reply->body.empty());
  REQUIRE(records.size() == 100);
  CHECK(records[99] == "{\"n\": 99}");

  std::string seen;
  const auto cut = try_call(to(*server, "/cut"), [&](std::string_view piece) { return seen += piece, true; });
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code() == llava::errc::io);
  const auto missing = try_call(to(*server, "/nothing"), [&](std::string_view) { return false; });
  REQUIRE(missing);
  CHECK(missing->status == 404);
  CHECK(missing->body.find("\"not_found\"") != std::string::npos);
  CHECK_THROWS_AS(try_call(to(*server, "/cut"), [](std::string_view) -> bool { throw std::logic_error("mine"); }),
                  std::logic_error);
}

TEST_CASE("a call is cancelled, and its handler learns of it") {
  kept_responses kept;
  auto server = serve::http_server::try_start({}, routes_with(kept));
  REQUIRE(server);
  std::atomic<bool> stop{false};
  std::chrono::steady_clock::time_point stopped;
  std::thread stopper([&] {
    wait_until([&] { return kept.size() == 1; });
    stopped = std::chrono::steady_clock::now();
    stop = true;
  });
  http_call call = to(*server, "/keep");
  call.stop = llava::stop_signal(flag{&stop});
  const auto cancelled = try_call(call);
  stopper.join();
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code() == llava::errc::cancelled);
  CHECK(wait_until([&] { return kept.gone == 1; }));
  CHECK(std::chrono::steady_clock::now() - stopped < 250ms);
  CHECK(kept.all[0].gone().stop_requested());
  CHECK_FALSE(kept.all[0].reply(200, "text/plain", "late"));
  bool is_called = false;
  kept.all[0].on_gone([&] { is_called = true; });
  CHECK(is_called);
}

TEST_CASE("limits of a call") {
  kept_responses kept;
  auto server = serve::http_server::try_start({}, routes_with(kept));
  REQUIRE(server);
  const auto code_of = [](const http_call& call) {
    const auto start = std::chrono::steady_clock::now();
    const auto reply = try_call(call);
    CHECK(std::chrono::steady_clock::now() - start < 2s);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().sentence().substr(0, 7) == "llava: ");
    return reply.error().code();
  };
  http_call call = to(*server, "/keep");
  call.silence = 100ms;
  CHECK(code_of(call) == llava::errc::io);
  call.silence = 60s, call.total = 100ms;
  CHECK(code_of(call) == llava::errc::io);
  call = to(*server, "/echo", std::string(5000, 'x'));
  call.longest = 4096;
  CHECK(code_of(call) == llava::errc::invalid_format);
  call = to(*server, "/echo");
  call.allows_address = [](std::string_view address) { return address != "127.0.0.1"; };
  CHECK(code_of(call) == llava::errc::io);
  call = to(*server, "/echo");
  call.method = "PO ST";
  CHECK(code_of(call) == llava::errc::invalid_argument);
  std::optional<serve::http_server> gone(std::move(*server));
  call = to(*gone, "/echo");
  gone.reset();
  CHECK(code_of(call) == llava::errc::io);
}

TEST_CASE("answers that are not valid are errors") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string bad[] = {"",
                             "hello\r\n\r\n",
                             ok,
                             ok + "Content-Length: 5\r\n\r\nabc",
                             ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                             ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
                             ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                             ok + "X: " + std::string(40000, 'a') + "\r\n\r\n"};
  for (const std::string& answer : bad) {
    CAPTURE(answer.substr(0, 100));
    const raw_server server(answer);
    http_call call;
    call.url = server.url, call.silence = 2s;
    const auto reply = try_call(call);
    REQUIRE_FALSE(reply);
    const auto code = reply.error().code();
    CHECK((code == llava::errc::io || code == llava::errc::invalid_format));
  }
  const raw_server server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nX-A: b\r\n\r\nto the end");
  http_call call;
  call.url = server.url;
  const auto reply = try_call(call);
  REQUIRE(reply);
  CHECK(reply->status == 201);
  CHECK(reply->header("x-a") == "b");
  CHECK(reply->body == "to the end");
}

TEST_CASE("a server that cannot start says why") {
  auto server = serve::http_server::try_start({}, {});
  REQUIRE(server);
  const auto taken = serve::http_server::try_start({.port = server->port()}, {});
  REQUIRE_FALSE(taken);
  CHECK(taken.error().sentence().find(std::to_string(server->port())) != std::string::npos);
  const auto name = serve::http_server::try_start({.address = "example.org"}, {});
  REQUIRE_FALSE(name);
  CHECK(name.error().code() == llava::errc::invalid_argument);
  const auto key = serve::http_server::try_start({.api_keys = {"my key"}}, {});
  REQUIRE_FALSE(key);
  CHECK(key.error().sentence().find("my key") == std::string::npos);
}

TEST_CASE("a response outlives its server") {
  kept_responses kept;
  std::thread client;
  {
    auto server = serve::http_server::try_start({}, routes_with(kept));
    REQUIRE(server);
    client = std::thread([&, call = to(*server, "/keep")] { kept.expect(!try_call(call).has_value()); });
    REQUIRE(wait_until([&] { return kept.size() == 1; }));
    CHECK_FALSE(server->drain(50ms));
    CHECK(server->is_draining());
    CHECK(kept.gone == 1);
    CHECK(server->connections() == 0);
  }
  client.join();
  CHECK(kept.all[0].gone().stop_requested());
  CHECK_FALSE(kept.all[0].begin(200, "text/plain"));
}

TEST_CASE("the bodies of all requests share a limit") {
  kept_responses kept;
  serve::http_settings settings;
  settings.limits.bodies = 1 << 20;
  auto server = serve::http_server::try_start(std::move(settings), routes_with(kept));
  REQUIRE(server);
  const std::string body(700 << 10, 'x');
  std::thread first([&] { kept.expect(try_call(to(*server, "/keep", body))->status == 200); });
  REQUIRE(wait_until([&] { return kept.size() == 1; }));
  const auto second = try_call(to(*server, "/echo", body));
  REQUIRE(second);
  CHECK(second->status == 503);
  CHECK(second->header("retry-after") == "1");
  kept.all[0].reply(200, "text/plain", "");
  first.join();
  CHECK(try_call(to(*server, "/echo", body))->status == 200);
}

TEST_CASE("a client that does not read its reply is dropped") {
  kept_responses kept;
  serve::http_settings settings;
  settings.limits.write_time = 300ms;
  auto server = serve::http_server::try_start(std::move(settings), routes_with(kept));
  REQUIRE(server);
  const std::string body(16 << 20, 'x');
  const auto start = std::chrono::steady_clock::now();
  const deaf_client client(*server, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                                        std::to_string(body.size()) + "\r\n\r\n" + body);
  CHECK(server->connections() == 1);
  CHECK(wait_until([&] { return server->connections() == 0; }));
  CHECK(std::chrono::steady_clock::now() - start > 300ms);
}

TEST_CASE("the text of an exception goes to the log, not to the client") {
  serve::http_routes routes;
  routes.add("POST", "/throw", [](http_request, http_response) { throw std::runtime_error("secret"); });
  std::mutex mutex;
  std::string logged;
  serve::http_settings settings;
  settings.on_exception = [&](std::string_view what) {
    const std::lock_guard lock(mutex);
    logged += what;
  };
  auto server = serve::http_server::try_start(std::move(settings), std::move(routes));
  REQUIRE(server);
  const auto reply = try_call(to(*server, "/throw"));
  REQUIRE(reply);
  CHECK(reply->status == 500);
  CHECK(reply->body.find("secret") == std::string::npos);
  CHECK(wait_until([&] {
    const std::lock_guard lock(mutex);
    return logged == "secret";
  }));
}
