// SPDX-License-Identifier: Apache-2.0
/// Exchanges of the original programs (tests/oracle/llava_protocol.py), and servers and calls to compare with them.
#pragma once
#include <llava/checkpoint/json.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_server.hpp>

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace recorded {

namespace serve = llava::serve;

inline llava::json_value read(const std::string& name) {
  auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/serve/" + name);
  if (!file) FAIL(file.error().what());
  return file->value();
}
inline llava::json_value read_array(const std::string& name) {
  const auto text = llava::try_read_text_file(LLAVA_TEST_DATA "/serve/" + name);
  REQUIRE(text);
  auto parsed = llava::try_parse_json(name, *text);
  REQUIRE(parsed);
  return *parsed;
}
inline const llava::json_value& at(const llava::json_value& v, std::string_view key) {
  const auto* const found = v.find(key);
  REQUIRE(found);
  return *found;
}
inline std::string text(const llava::json_value& v, std::string_view key) {
  REQUIRE(at(v, key).text());
  return *at(v, key).text();
}

inline std::string replaced(std::string in, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = in.find(what, at)) != in.npos; at += by.size()) in.replace(at, what.size(), by);
  return in;
}

inline std::string url_of(const auto& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

inline serve::http_reply post(const std::string& url, std::string body = {}, std::string token = {}) {
  serve::http_call call;
  call.url = url;
  call.body = std::move(body);
  if (!token.empty()) call.headers = {{"Authorization", "Bearer " + token}};
  auto reply = serve::try_call(call);
  if (!reply) FAIL(reply.error().what());
  return *std::move(reply);
}

/// Waits at most five seconds.
template <class F>
bool wait_until(F holds) {
  for (int i = 0; i < 5000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return holds();
}

/// A server that answers all paths by a function, and writes down what it is asked.
class listener {
 public:
  struct asked {
    std::string path, body, agent, token;
  };
  template <class F>
  explicit listener(F answer) {
    serve::http_routes routes;
    routes.add("POST", "/*", [this, answer](serve::http_request q, serve::http_response r) {
      {
        const std::lock_guard lock(mutex_);
        all_.push_back({q.path, q.body, std::string(q.header("user-agent")), q.api_key});
      }
      answer(q, r);
    });
    auto started = serve::http_server::try_start({}, std::move(routes));
    REQUIRE(started);
    server_.emplace(*std::move(started));
  }
  std::uint16_t port() const { return server_->port(); }
  std::vector<asked> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  std::mutex mutex_;
  std::vector<asked> all_;
  std::optional<serve::http_server> server_;
};

}  // namespace recorded
