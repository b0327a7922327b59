// SPDX-License-Identifier: Apache-2.0
// R12: each allocation of a request over HTTP is refused once, wherever it is made: by the connection, the request's
// reader, the engine or the reply. The client gets an error or a closed connection, the next request is answered, and
// nothing is left behind. The client here allocates nothing.
#include "../pipeline/tiny_model.hpp"

#include <allocations.hpp>
#include <llava/serve/http_server.hpp>
#include <llava/serve/openai_service.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

namespace serve = llava::serve;
using namespace std::chrono_literals;

namespace {

constexpr long stride = is_sanitized ? 7 : 1;  // a request takes half a second under ThreadSanitizer

/// The reply to a request, as the bytes that came until the server closed the connection.
struct reply {
  std::array<char, 16 << 10> bytes;
  std::size_t size = 0;
  bool in_time = true;

  std::string_view text() const { return {bytes.data(), size}; }
  int status() const { return size > 12 ? (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + bytes[11] - '0' : 0; }
  bool has(std::string_view what) const { return text().find(what) != text().npos; }
};

void ask(std::uint16_t port, std::string_view request, reply& out) {
  out.size = 0, out.in_time = true;
  const int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET, to.sin_port = htons(port), to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval longest{20, 0};
  ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    ::send(s, request.data(), request.size(), MSG_NOSIGNAL);
    for (ssize_t n = 1; n > 0 && out.size < out.bytes.size();) {
      n = ::recv(s, out.bytes.data() + out.size, out.bytes.size() - out.size, 0);
      if (n > 0) out.size += static_cast<std::size_t>(n);
      out.in_time = out.in_time && !(n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    }
  }
  ::close(s);
}

std::string request_of(bool stream) {
  const std::string body = llava::text_of(
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
         {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQ=="}}]}],
         "max_tokens": 3, "ignore_eos": true, "stop": ["zz"], "logprobs": true, "top_logprobs": 2, )",
      stream ? R"("stream": true})" : R"("n": 2})");
  return llava::text_of(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body);
}

/// What the answers of a whole reply, or the pieces of a stream, say. Not: the id and the time.
std::string content_of(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; (at = text.find("\"content\": \"", at)) != text.npos; ++at)
    out.append(text.substr(at + 12, text.find('"', at + 12) - at - 12));
  return out;
}

bool is_idle(const llava::block_allocator& blocks) {
  for (int i = 0; i < 5000 && blocks.available() < blocks.count(); ++i) std::this_thread::sleep_for(1ms);
  return blocks.available() == blocks.count();
}

void refuse_each(bool stream) {
  serve::openai_settings settings;
  settings.decode_image = [](std::span<const std::byte>) {
    static constexpr std::array<std::byte, 3 * 40 * 30> black{};
    return llava::try_image_from_rgb(40, 30, black);
  };
  const auto service = serve::openai_service::make(std::move(settings));
  REQUIRE(service->try_add("tiny", tiny::forgetful_model().shared()));
  service->set_loaded();
  const auto server = serve::http_server::start({}, service->routes());
  const std::string request = request_of(stream);
  static reply got;
  std::string expected;
  for (int i = 0; i < 3; ++i) {  // threads keep some memory from their first request on
    ask(server.port(), request, got);
    INFO(got.text());
    REQUIRE(got.status() == 200);
    expected = content_of(got.text());
  }
  REQUIRE(expected.size() > 5);

  int refusals = 0, closed = 0, failed = 0;
  std::size_t before = 0;
  for (long n = 0; n < 2000; n += stride) {
    bool refused;
    {
      allocations::refuse_one one(n);
      ask(server.port(), request, got);
      refused = one.refused();
      allocations::left = -1;
    }
    if (!refused) {
      INFO("allocation " << n << ": " << got.text());
      CHECK(got.status() == 200);
      break;
    }
    ++refusals;
    INFO("allocation " << n << ": " << got.text());
    REQUIRE(got.in_time);
    const bool is_whole = got.status() == 200 && (!stream || got.has("[DONE]"));
    if (is_whole) REQUIRE(content_of(got.text()) == expected);
    if (!is_whole && !stream) REQUIRE((got.size == 0 || got.status() == 500 || got.status() == 503));
    closed += got.size == 0, failed += got.size > 0 && !is_whole;
    if (n / stride % 8 > 0) continue;
    ask(server.port(), request, got);
    INFO("the next request: " << got.text());
    REQUIRE(got.status() == 200);
    REQUIRE(content_of(got.text()) == expected);
    if (n / stride == 16) before = allocations::bytes;
  }
  INFO((stream ? "stream: " : "whole: ") << refusals << " refusals, " << failed << " errors, " << closed << " closed");
  CHECK(refusals > 100 / stride);
  CHECK(failed > closed);
  CHECK(is_idle(*tiny::forgetful_model().state().blocks));
  for (int i = 0; i < 300 && server.connections() > 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK(server.connections() == 0);
  std::size_t now = allocations::bytes;
  for (int i = 0; i < 300 && now > before + 20000; ++i) {
    std::this_thread::sleep_for(10ms);
    now = allocations::bytes;
  }
  CHECK(now < before + 20000);
}

}  // namespace

TEST_CASE("R12: memory is refused to a request over HTTP, and the next one is answered", "[serve]") {
  refuse_each(false);
  refuse_each(true);
}
