// SPDX-License-Identifier: Apache-2.0
// The worker over a model that says given pieces: the recorded exchanges of the original worker are replayed.
#include <llava/serve/controller.hpp>
#include <llava/serve/worker.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <optional>

#include "recorded.hpp"

using namespace std::chrono_literals;
using namespace recorded;

namespace {

/// Says pieces; has the recording's numbers of tokens.
struct said : serve::worker_model {
  std::string called = "llava-v1.5-t\u00e9";
  std::vector<std::string> pieces;
  std::atomic<int> asked{0};

  std::string name() const override { return called; }
  llava::result<void> try_answer(const serve::worker_request& q, const llava::stop_signal&,
                                 llava::function_ref<bool(std::string_view)> on_piece) override {
    ++asked;
    std::size_t markers = 0;
    for (std::size_t i = 0; (i = q.prompt.find("<image>", i)) != q.prompt.npos; ++i) ++markers;
    const llava::error wrong = llava::fail(llava::errc::mismatch, "llava: /secret/path");
    if (markers != q.images.size()) return wrong;
    for (const std::string& file : q.images)
      if (!file.starts_with("iVBOR")) return wrong;  // the beginning of a PNG
    if (std::min(q.max_new_tokens, 100 - 9 - 16 * static_cast<int>(markers)) < 1)
      return llava::fail(llava::errc::context_full, "llava: no room");
    for (const std::string& piece : pieces)
      if (!on_piece(piece)) return llava::fail(llava::errc::cancelled, "llava: gone");
    return {};
  }
};

/// Answers when the test opens the gate; keeps the order of the prompts.
struct gated : serve::worker_model {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> order;
  int open = 0;
  std::atomic<int> stopped{0};

  std::string name() const override { return "llava"; }
  llava::result<void> try_answer(const serve::worker_request& q, const llava::stop_signal& gone,
                                 llava::function_ref<bool(std::string_view)> on_piece) override {
    std::unique_lock lock(mutex);
    order.push_back(q.prompt);
    while (!changed.wait_for(lock, 1ms, [&] { return open > 0; }))
      if (gone.stop_requested()) {
        ++stopped;
        return llava::fail(llava::errc::cancelled, "llava: gone");
      }
    --open;
    lock.unlock();
    on_piece("!");
    return {};
  }
  void let(int n) {
    {
      const std::lock_guard lock(mutex);
      open += n;
    }
    changed.notify_all();
  }
  std::size_t begun() {
    const std::lock_guard lock(mutex);
    return order.size();
  }
};

serve::worker start(std::shared_ptr<serve::worker_model> model, serve::worker_settings s) {
  auto w = serve::worker::try_start(std::move(s), std::move(model));
  if (!w) FAIL(w.error().what());
  return *std::move(w);
}
serve::worker alone(std::shared_ptr<serve::worker_model> model, std::size_t limit = 5) {
  serve::worker_settings s;
  s.registers = false;
  s.limit = limit;
  return start(std::move(model), std::move(s));
}

std::string asking(std::string_view prompt) {
  return llava::text_of("{\"prompt\":\"", prompt, "\",\"stop\":\"</s>\"}");
}

}  // namespace

TEST_CASE("the worker answers as the original", "[serve]") {
  const auto all = read("worker.json");
  const auto model = std::make_shared<said>();
  REQUIRE(model->called == text(all, "model"));
  const serve::worker w = alone(model);
  std::size_t streams = 0;
  for (const llava::json_value& step : at(all, "steps").items()) {
    INFO(text(step, "path") << ' ' << text(step, "body"));
    model->pieces.clear();
    for (const llava::json_value& piece : at(step, "pieces").items()) model->pieces.push_back(*piece.text());
    if (text(step, "path") == "/worker_get_status") {
      // The original's count falls a moment after its answer has ended, and was sometimes recorded before.
      CHECK(wait_until([&] { return w.queue_length() == 0; }));
      CHECK(post(url_of(w) + "/worker_get_status").body ==
            "{\"model_names\":[\"llava-v1.5-t\u00e9\"],\"speed\":1,\"queue_length\":0}");
      continue;
    }
    ++streams;
    const auto reply = post(url_of(w) + text(step, "path"), text(step, "body"));
    CHECK(reply.status == at(step, "status").integer());
    CHECK(reply.body == text(step, "reply"));
  }
  CHECK(streams == 24);
}

TEST_CASE("a worker registers and sends heartbeats as the original", "[serve]") {
  const auto all = read("worker.json");
  const auto model = std::make_shared<gated>();
  struct named : serve::worker_model {
    std::shared_ptr<gated> g;
    std::string name() const override { return "llava-v1.5-t\u00e9"; }
    llava::result<void> try_answer(const serve::worker_request& q, const llava::stop_signal& gone,
                                   llava::function_ref<bool(std::string_view)> p) override {
      return g->try_answer(q, gone, p);
    }
  };
  const auto front = std::make_shared<named>();
  front->g = model;
  std::atomic<bool> knows{false};
  listener controller([&](const serve::http_request& q, const serve::http_response& r) {
    if (q.path == "/register_worker") return void(r.reply_json(200, "null"));
    r.reply_json(200, knows.exchange(true) ? "{\"exist\":true}" : "{\"exist\":false}");
  });
  serve::worker_settings s;
  s.controller_address = url_of(controller);
  s.worker_token = "secret";
  const serve::worker w = start(front, std::move(s));
  const auto seen = [&](std::size_t n) { return wait_until([&] { return controller.all().size() >= n; }); };
  std::thread client([&] { CHECK(post(url_of(w) + "/worker_generate_stream", asking("p")).status == 200); });
  CHECK(seen(3));  // registered; the heartbeat of the request; registered again, because the controller did not know it
  model->let(1);
  CHECK(seen(4));  // the heartbeat of its end
  client.join();
  const auto asked = controller.all();
  REQUIRE(asked.size() == 4);
  const auto& expected = at(all, "to_controller").items();
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(asked[i].path == text(expected[i], "path"));
    CHECK(replaced(asked[i].body, "http://localhost:" + std::to_string(w.port()), "WORKER") ==
          text(expected[i], "body"));
    CHECK(asked[i].token == "secret");
  }
}

TEST_CASE("heartbeats go on, also after a controller was away", "[serve]") {
  std::atomic<int> failures{2};
  listener controller([&](const serve::http_request& q, const serve::http_response& r) {
    if (q.path == "/receive_heart_beat" && failures-- > 0) return void(r.reply(500, "text/plain", "x"));
    r.reply_json(200, q.path == "/receive_heart_beat" ? "{\"exist\":true}" : "null");
  });
  serve::worker_settings s;
  s.controller_address = url_of(controller);
  s.heart_beat = 20ms;
  s.retry = 20ms;
  const serve::worker w = start(std::make_shared<said>(), std::move(s));
  CHECK(wait_until([&] { return controller.all().size() >= 6; }));
}

TEST_CASE("a worker that cannot register does not start", "[serve]") {
  serve::worker_settings s;
  s.controller_address = "http://127.0.0.1:1";
  CHECK_FALSE(serve::worker::try_start(s, std::make_shared<said>()));
  for (const auto& [status, hint] :
       {std::pair(401, "--token"), std::pair(403, "--allow-worker"), std::pair(404, "controller")}) {
    listener controller(
        [code = status](const serve::http_request&, const serve::http_response& r) { r.reply_json(code, "null"); });
    s.controller_address = url_of(controller);
    const auto refused = serve::worker::try_start(s, std::make_shared<said>());
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().what(), Catch::Contains(hint));
  }
}

TEST_CASE("requests wait in order", "[serve]") {
  const auto model = std::make_shared<gated>();
  const serve::worker w = alone(model, 2);
  std::vector<std::thread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&, i] {
      CHECK(post(url_of(w) + "/worker_generate_stream", asking(std::to_string(i))).body ==
            serve::record_of("{\"text\": \"" + std::to_string(i) + "!\", \"error_code\": 0}"));
    });
    CHECK(wait_until([&] { return w.queue_length() == static_cast<std::size_t>(i + 1); }));
  }
  CHECK(model->begun() == 2);
  CHECK(post(url_of(w) + "/worker_get_status").body == "{\"model_names\":[\"llava\"],\"speed\":1,\"queue_length\":6}");
  for (std::size_t n = 3; n <= 6; ++n) {
    model->let(1);
    CHECK(wait_until([&] { return model->begun() == n; }));
  }
  model->let(2);
  for (std::thread& c : clients) c.join();
  CHECK(std::vector<std::string>(model->order.begin() + 2, model->order.end()) ==
        std::vector<std::string>{"2", "3", "4", "5"});
  CHECK(wait_until([&] { return w.queue_length() == 0; }));
}

TEST_CASE("an answer whose client is gone is dropped", "[serve]") {
  const auto model = std::make_shared<gated>();
  const serve::worker w = alone(model, 1);
  struct leaving {
    const std::atomic<bool>* now;
    bool stop_requested() const noexcept { return now->load(); }
  };
  const auto ask = [&](const char* prompt, const std::atomic<bool>& leaves) {
    serve::http_call call;
    call.url = url_of(w) + "/worker_generate_stream";
    call.body = asking(prompt);
    call.stop = leaving{&leaves};
    CHECK_FALSE(serve::try_call(call));
  };
  std::atomic<bool> first_leaves{false}, second_leaves{false};
  std::thread running([&] { ask("running", first_leaves); });
  CHECK(wait_until([&] { return model->begun() == 1; }));
  std::thread waiting([&] { ask("waiting", second_leaves); });
  CHECK(wait_until([&] { return w.queue_length() == 2; }));
  second_leaves = true;
  waiting.join();
  CHECK(wait_until([&] { return w.queue_length() == 1; }));
  first_leaves = true;
  running.join();
  CHECK(wait_until([&] { return w.queue_length() == 0; }));
  CHECK(model->stopped == 1);
  CHECK(model->begun() == 1);
}

TEST_CASE("a worker's errors tell nothing of the server", "[serve]") {
  const auto model = std::make_shared<said>();
  std::mutex mutex;
  std::string logged;
  serve::worker_settings s;
  s.registers = false;
  s.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    logged += line;
  };
  const serve::worker w = start(model, std::move(s));
  for (const std::string& body :
       {std::string("x"), std::string(), std::string(100000, '['), std::string("\xff"), asking("<image>")}) {
    const std::string reply = post(url_of(w) + "/worker_generate_stream", body).body;
    CHECK(reply ==
          serve::record_of("{\"text\": \"**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS "
                           "PAGE.**\", \"error_code\": 1}"));
  }
  const std::lock_guard lock(mutex);
  CHECK_THAT(logged, Catch::Contains("/secret/path"));
}

TEST_CASE("a model without llava in its name takes no images", "[serve]") {
  const auto model = std::make_shared<said>();
  model->called = "vicuna";
  model->pieces = {"x"};
  const serve::worker w = alone(model);
  CHECK(post(url_of(w) + "/worker_generate_stream", R"({"prompt":"p","stop":"</s>","images":["no file"]})").body ==
        serve::record_of("{\"text\": \"px\", \"error_code\": 0}"));
}

TEST_CASE("client, controller and worker work together", "[serve]") {
  auto c = serve::controller::try_start({});
  REQUIRE(c);
  const auto model = std::make_shared<said>();
  model->pieces = {"Hello ", "there", ""};
  serve::worker_settings s;
  s.controller_address = url_of(*c);
  const serve::worker w = start(model, std::move(s));
  CHECK(post(url_of(*c) + "/refresh_all_workers").body == "null");
  CHECK(post(url_of(*c) + "/list_models").body == "{\"models\":[\"llava-v1.5-t\u00e9\"]}");
  const std::string through = post(url_of(*c) + "/worker_generate_stream",
                                   "{\"model\":\"llava-v1.5-t\u00e9\",\"prompt\":\"P:\",\"stop\":\"</s>\"}")
                                  .body;
  CHECK(through == post(url_of(w) + "/worker_generate_stream", asking("P:")).body);
  CHECK_THAT(through, Catch::Contains("P:Hello there"));
  CHECK(post(url_of(*c) + "/worker_get_status").body == post(url_of(w) + "/worker_get_status").body);
}
