// SPDX-License-Identifier: Apache-2.0
// The service without a socket: its handlers are called with an exchange that records what they send.
#include "../pipeline/tiny_model.hpp"

#include <llava/checkpoint/json.hpp>
#include <llava/serve/openai_service.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace serve = llava::serve;
using namespace std::chrono_literals;

namespace {

/// Records the answer to one request.
class recorded final : public serve::http_exchange {
 public:
  bool reply(int s, std::string_view, std::string text, std::vector<serve::http_header>) override {
    return finish(s, text);
  }
  bool begin(int s, std::string_view, std::vector<serve::http_header>) override {
    status = s;
    return true;
  }
  bool write(std::string_view piece) override {
    const std::lock_guard lock(mutex_);
    body += piece;
    return true;
  }
  bool end() override { return finish(status, {}); }
  std::size_t unsent() const override { return 0; }
  llava::stop_signal gone() const override { return llava::stop_signal(flag{gone_}); }
  void on_gone(llava::hook<void()> call) override { call_ = std::move(call); }

  void leave() {
    *gone_ = true;
    if (call_) call_();
  }
  /// Waits for the end of the answer.
  void wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 60s, [&] { return is_over_; })) FAIL("no answer after a minute");
  }
  bool is_over() {
    const std::lock_guard lock(mutex_);
    return is_over_;
  }

  std::atomic<int> status{0};
  std::string body;

 private:
  struct flag {
    std::shared_ptr<const std::atomic<bool>> is_set;
    bool stop_requested() const noexcept { return *is_set; }
  };
  bool finish(int s, std::string_view text) {
    const std::lock_guard lock(mutex_);
    status = s, body += text, is_over_ = true;
    changed_.notify_all();
    return true;
  }

  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  llava::hook<void()> call_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
};

/// A service of the bundled model. Its image files are one byte, the seed of a test image.
struct served {
  std::unique_ptr<serve::openai_service> service;
  serve::http_routes routes;

  explicit served(std::uint64_t max_queue = 64, std::uint64_t image_bytes = 1 << 30) {
    serve::openai_settings s{.max_queue = max_queue, .image_bytes = image_bytes};
    s.decode_image = [](std::span<const std::byte> file) -> llava::result<llava::image> {
      if (file.size() != 1) return llava::fail(llava::errc::invalid_format, "llava: the image is damaged");
      return tiny::test_image(std::to_integer<int>(file[0]));
    };
    service = *serve::openai_service::try_make(std::move(s));
    routes = service->routes();
    REQUIRE(service->try_add("tiny", tiny::model().shared()));
  }

  std::shared_ptr<recorded> begin(std::string_view path, std::string body, std::string_view method = "POST") const {
    const auto to = std::make_shared<recorded>();
    serve::http_request q;
    q.method = method, q.path = path, q.body = std::move(body);
    const auto* const route = routes.find(method, path);
    if (!route) FAIL("no route");
    q.tail = serve::http_routes::tail_of(*route, path);
    route->handler(q, serve::http_response(to));
    return to;
  }
  std::shared_ptr<recorded> ask(std::string_view path, std::string body, std::string_view method = "POST") const {
    auto to = begin(path, std::move(body), method);
    to->wait();
    return to;
  }
};

constexpr std::string_view chat_path = "/v1/chat/completions";

/// A question about the test image with seed 1 ("AQ==").
std::string question(std::string_view more) {
  return llava::text_of(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQ=="}}]}], )",
                        more, "}");
}

llava::answer of_session(int tokens) {
  auto chat = tiny::model().session();
  chat.settings.max_new_tokens = tokens;
  chat.settings.ignore_eos = true;
  return tiny::value(chat.try_ask(tiny::test_image(1), "What is this?"));
}

const llava::json_value& at(const llava::json_value& v, std::string_view key) {
  const llava::json_value* found = v.find(key);
  REQUIRE(found);
  return *found;
}

bool is_idle() {
  const auto& blocks = *tiny::model().state().blocks;
  for (int i = 0; i < 5000 && blocks.available() < blocks.count(); ++i) std::this_thread::sleep_for(1ms);
  return blocks.available() == blocks.count();
}

}  // namespace

TEST_CASE("openai_service: an answer is the session's", "[serve]") {
  const served s;
  const llava::answer expected = of_session(24);
  const auto to = s.ask(chat_path, question(R"("max_tokens": 24, "ignore_eos": true, "temperature": 0)"));
  INFO(to->body);
  REQUIRE(to->status == 200);
  const auto root = *llava::try_parse_json("the reply", to->body);
  const llava::json_value& choice = at(root, "choices").items().at(0);
  CHECK(*at(at(choice, "message"), "content").text() == expected.text);
  CHECK(*at(choice, "finish_reason").text() == "length");
  CHECK(at(at(root, "usage"), "prompt_tokens").integer() == expected.prompt_tokens);
  CHECK(at(at(root, "usage"), "completion_tokens").integer() == 24);

  const auto stream = s.ask(chat_path, question(R"("max_tokens": 24, "ignore_eos": true, "stream": true)"));
  REQUIRE(stream->status == 200);
  std::string text;
  std::string_view rest = stream->body;
  for (std::size_t end; (end = rest.find("\n\n")) != rest.npos; rest.remove_prefix(end + 2)) {
    const std::string_view event = rest.substr(6, end - 6);
    if (event == "[DONE]") continue;
    const auto chunk = *llava::try_parse_json("a chunk", event);
    if (const auto* piece = at(at(chunk, "choices").items().at(0), "delta").find("content")) text += *piece->text();
  }
  CHECK(text == expected.text);
  CHECK(is_idle());
}

TEST_CASE("openai_service: the answer of a client that is gone is dropped", "[serve]") {
  const served s;
  for (const bool stream : {false, true}) {
    const auto to = s.begin(chat_path, question(llava::text_of(R"("max_tokens": 1900, "ignore_eos": true, "n": 4,
        "stream": )",
                                                               stream ? "true" : "false")));
    to->leave();
    CHECK(is_idle());
    CHECK_FALSE(to->is_over());
    std::string metrics;
    for (int i = 0; i < 1000 && metrics.find("llava_answers_waiting{model=\"tiny\"} 0\n") == metrics.npos; ++i) {
      metrics = s.ask("/metrics", {}, "GET")->body;
      std::this_thread::sleep_for(1ms);
    }
    CHECK(metrics.find(stream ? "llava_requests_dropped_total{model=\"tiny\"} 2\n"
                              : "llava_requests_dropped_total{model=\"tiny\"} 1\n") != metrics.npos);
  }
}

TEST_CASE("openai_service: what does not fit is refused up front", "[serve]") {
  const auto most = static_cast<std::uint64_t>(tiny::model().state().limits.sequences);
  const served s(8 - (std::min)(most, std::uint64_t{8}));
  const std::string eight = question(R"("max_tokens": 1900, "ignore_eos": true, "n": 8)");
  std::vector<std::shared_ptr<recorded>> running;
  for (std::uint64_t n = 8; n <= (std::max)(most, std::uint64_t{8}); n += 8)
    running.push_back(s.begin(chat_path, eight));
  const auto refused = s.ask(chat_path, eight);
  CHECK(refused->status == 503);
  CHECK(refused->body.find("too many requests") != std::string::npos);
  for (const auto& to : running) to->leave();
  CHECK(is_idle());
  // The images of all requests have a budget.
  const served small(64, 100);
  CHECK(small.ask(chat_path, question(R"("n": 1)"))->status == 503);
}

TEST_CASE("openai_service: errors speak of the request", "[serve]") {
  const served s;
  std::string damaged = question(R"("n": 1)");
  damaged.replace(damaged.find("AQ=="), 4, "AQID");
  const auto image = s.ask(chat_path, damaged);
  CHECK(image->status == 400);
  CHECK(image->body.find("image 1: llava: the image is damaged") == std::string::npos);
  CHECK(image->body.find("image 1: the image is damaged") != std::string::npos);
  const auto token = s.ask(chat_path, question(R"("stop_token_ids": [100000])"));
  CHECK(token->status == 400);
  CHECK(token->body.find("stop_token_ids has token 100000") != std::string::npos);
  const auto longest = s.ask("/v1/completions", R"({"prompt": ")" + std::string(5 << 20, 'a') + "\"}");
  CHECK(longest->status == 400);
  CHECK(longest->body.find("context_length_exceeded") != std::string::npos);
  CHECK(s.ask(chat_path, R"({"model": "other"})")->status == 503);  // it may still be loading
  CHECK(s.ask("/health", {}, "GET")->status == 503);
  s.service->set_loaded();
  CHECK(s.ask(chat_path, R"({"model": "other"})")->status == 404);
  CHECK(s.ask("/health", {}, "GET")->status == 200);
  CHECK(s.ask("/v1/models/tiny", {}, "GET")->status == 200);
  CHECK_FALSE(s.service->try_add("tiny", tiny::model().shared()));
}

namespace {

/// All texts of a reply or of a stream's chunks, one after the other.
std::string texts_of(std::string_view json) {
  std::string out;
  constexpr std::string_view key = "\"content\": \"";
  for (std::size_t at = 0; (at = json.find(key, at)) != json.npos;) {
    at += key.size();
    out += json.substr(at, json.find('"', at) - at);
  }
  return out;
}

/// Question `i` of twelve, about four images.
std::string mixed_question(int i, bool stream) {
  static constexpr std::string_view images[] = {"AA==", "AQ==", "Ag==", "Aw=="};
  static constexpr std::string_view more[] = {R"("max_tokens": 6, "ignore_eos": true)", R"("stop": ["e"])",
                                              R"("max_tokens": 4, "temperature": 1, "seed": 5)"};
  return llava::text_of(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "Is it red?"},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,)",
                        images[i % 4], R"("}}]}], )", more[i % 3], R"(, "stream": )", stream ? "true}" : "false}");
}

}  // namespace

TEST_CASE("openai_service: 500 mixed requests of four threads are answered as alone (R13)", "[serve]") {
  const served s;
  s.service->set_loaded();
  std::vector<std::string> alone;
  for (int i = 0; i < 12; ++i) alone.push_back(texts_of(s.ask(chat_path, mixed_question(i, false))->body));
  std::atomic<int> right{0}, left{0}, refused{0}, wrong{0};
  std::vector<std::thread> askers;
  for (int t = 0; t < 4; ++t)
    askers.emplace_back([&, t] {
      for (int k = 0; k < 125; ++k) {
        const int i = (k * 5 + t) % 12;
        if (k % 25 == 3) {
          (s.ask(chat_path, R"({"messages": []})")->status == 400 ? refused : wrong)++;
        } else if (k % 10 == 7) {
          s.begin(chat_path, question(R"("max_tokens": 1900, "ignore_eos": true, "n": 2)"))->leave();
          ++left;
        } else {
          const auto to = s.ask(chat_path, mixed_question(i, k % 2 == 0));
          (to->status == 200 && texts_of(to->body) == alone[static_cast<std::size_t>(i)] ? right : wrong)++;
        }
      }
    });
  for (std::thread& t : askers) t.join();
  CHECK(wrong == 0);
  CHECK(right + left + refused == 500);
  CHECK(left > 40);
  CHECK(is_idle());
}
