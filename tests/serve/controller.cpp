// SPDX-License-Identifier: Apache-2.0
// The controller, test_message and register_worker: the recorded exchanges of the original programs are replayed.
#include <llava/serve/controller.hpp>
#include <llava/serve/protocol_client.hpp>
#include <llava/serve/worker_allow_list.hpp>

#include <atomic>
#include <optional>

#include "recorded.hpp"

using namespace std::chrono_literals;
using namespace recorded;

namespace {

serve::controller start(serve::controller_settings s = {}) {
  auto c = serve::controller::try_start(std::move(s));
  if (!c) FAIL(c.error().what());
  return *std::move(c);
}

std::string registration(std::string_view name,
                         std::string_view status = R"({"model_names":["m"],"speed":1,"queue_length":0})") {
  return llava::text_of("{\"worker_name\":\"", name, "\",\"check_heart_beat\":true,\"worker_status\":", status, "}");
}

}  // namespace

TEST_CASE("the controller answers as the original", "[serve]") {
  const auto runs = read_array("controller.json");
  std::size_t steps = 0;
  for (const llava::json_value& run : runs.items()) {
    serve::controller_settings s;
    s.dispatch =
        text(run, "dispatch") == "lottery" ? serve::dispatch_method::lottery : serve::dispatch_method::shortest_queue;
    const serve::controller c = start(std::move(s));
    listener worker([](const serve::http_request& q, const serve::http_response& r) {
      if (q.path == "/worker_get_status")
        return void(r.reply_json(200, R"({"model_names":["m"],"speed":2,"queue_length":3})"));
      using namespace std::string_literals;
      r.reply(200, "text/plain",
              "{\"text\": \"a\", \"error_code\": 0}\0\0{\"text\": \"ab\", \"error_code\": 0}\0rest"s);
    });
    for (const llava::json_value& step : at(run, "steps").items()) {
      const std::string body = replaced(text(step, "body"), "WORKER", url_of(worker));
      INFO(text(step, "path") << ' ' << body);
      const auto reply = post(url_of(c) + text(step, "path"), body);
      CHECK(reply.status == at(step, "status").integer());
      CHECK(replaced(reply.body, url_of(worker), "WORKER") == text(step, "reply"));
      ++steps;
    }
  }
  CHECK(steps == 53);
}

TEST_CASE("silent workers are forgotten", "[serve]") {
  std::atomic<int> seconds{0};
  serve::controller_settings s;
  s.now = [&] { return serve::worker_entry::time() + std::chrono::seconds(1000 + seconds.load()); };
  serve::controller c = start(std::move(s));
  CHECK(post(url_of(c) + "/register_worker", registration("http://127.0.0.1:1")).body == "null");
  const std::string by_hand = replaced(registration("http://127.0.0.1:2"), "true", "false");
  CHECK(post(url_of(c) + "/register_worker", by_hand).body == "null");
  seconds = 30;
  c.remove_silent_workers();
  CHECK(c.workers().size() == 2);
  CHECK(post(url_of(c) + "/receive_heart_beat", R"({"worker_name":"http://127.0.0.1:1","queue_length":7})").body ==
        "{\"exist\":true}");
  seconds = 60;
  c.remove_silent_workers();
  REQUIRE(c.workers().size() == 2);
  CHECK(c.workers()[0].status.queue_length == 7);
  seconds = 61;
  c.remove_silent_workers();
  REQUIRE(c.workers().size() == 1);
  CHECK(c.workers()[0].name == "http://127.0.0.1:2");

  serve::controller_settings quick;
  quick.expiration = 50ms;
  const serve::controller ticking = start(std::move(quick));
  post(url_of(ticking) + "/register_worker", registration("http://127.0.0.1:1"));
  CHECK(wait_until([&] { return ticking.workers().empty(); }));
}

TEST_CASE("the lottery draws in proportion to speed", "[serve]") {
  serve::worker_table table;
  for (const auto& [name, speed] : {std::pair("a", 1.), std::pair("none", 0.), std::pair("b", 3.)})
    CHECK(table.set({.name = name, .status = {.model_names = {"m"}, .speed = speed}}));
  const auto draw = [&](double random) { return table.choose("m", serve::dispatch_method::lottery, random); };
  CHECK(draw(0) == "a");
  CHECK(draw(0.2499) == "a");
  CHECK(draw(0.25) == "b");
  CHECK(draw(0.999999) == "b");
  CHECK(draw(1) == "b");
  // A worker of speed 0 is the last choice of the shortest queue, and divides nothing.
  table.remove("a"), table.remove("b");
  CHECK(draw(0.5).empty());
  CHECK(table.choose("m", serve::dispatch_method::shortest_queue, 0) == "none");
}

TEST_CASE("a controller connects only to allowed workers", "[serve]") {
  const auto none = *serve::worker_allow_list::try_make({});
  CHECK(none.allows("127.0.0.1", "localhost", "127.0.0.1"));
  CHECK(none.allows("::1", "localhost", "127.0.0.1"));
  CHECK(none.allows("127.9.9.9", "x", "::ffff:127.0.0.1"));
  CHECK(none.allows("10.0.0.7", "x", "10.0.0.7"));
  CHECK(none.allows("::ffff:10.0.0.7", "x", "10.0.0.7"));
  for (const char* ip :
       {"169.254.169.254", "10.0.0.8", "::ffff:169.254.169.254", "8.8.8.8", "::", "0.0.0.0", "text", ""}) {
    INFO(ip);
    CHECK_FALSE(none.allows(ip, "localhost", "127.0.0.1"));
    CHECK_FALSE(none.allows(ip, "localhost", "10.0.0.7"));
  }
  CHECK_FALSE(none.allows("127.0.0.1", "localhost", "10.0.0.7"));  // not the controller's own machine

  const auto some = *serve::worker_allow_list::try_make({"10.1.0.0/16", "192.168.1.5", "fd00::/8", "Gpu-1.example"});
  CHECK(some.allows("10.1.200.3", "x", "127.0.0.1"));
  CHECK_FALSE(some.allows("10.2.0.1", "x", "127.0.0.1"));
  CHECK(some.allows("192.168.1.5", "x", "127.0.0.1"));
  CHECK_FALSE(some.allows("192.168.1.6", "x", "127.0.0.1"));
  CHECK(some.allows("fdab::1", "x", "127.0.0.1"));
  CHECK(some.allows("8.8.8.8", "gpu-1.EXAMPLE", "127.0.0.1"));
  CHECK_FALSE(some.allows("8.8.8.8", "gpu-1.example.evil", "127.0.0.1"));
  for (const char* bad :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "", "a b", "http://x", "fd00::/129"}) {
    INFO(bad);
    CHECK_FALSE(serve::worker_allow_list::try_make({bad}));
  }
  CHECK(serve::address_of_peer("127.0.0.1:50000") == "127.0.0.1");
  CHECK(serve::address_of_peer("[::1]:50000") == "::1");

  const serve::controller c = start();
  const auto status_of = [&](std::string_view name, std::string_view status = "null") {
    return post(url_of(c) + "/register_worker", registration(name, status)).status;
  };
  CHECK(status_of("http://169.254.169.254") == 403);
  CHECK(status_of("http://169.254.169.254/latest/meta-data", R"({"model_names":["m"],"speed":1,"queue_length":0})") ==
        403);
  CHECK(status_of("http://[::ffff:10.0.0.1]:80") == 403);
  CHECK(status_of("http://0.0.0.0:80") == 403);
  for (const char* bad :
       {"file:///etc/passwd", "http://user@127.0.0.1", "http://127.0.0.1:1/?x=", "127.0.0.1:80", "", "http://a\\n"})
    CHECK(status_of(bad) == 400);
  CHECK(c.workers().empty());

  // A redirect is not followed.
  listener other([](const serve::http_request&, const serve::http_response& r) {
    r.reply_json(200, R"({"model_names":["m"],"speed":1,"queue_length":0})");
  });
  listener redirects([&](const serve::http_request& q, const serve::http_response& r) {
    r.reply(307, "text/plain", "", {{"Location", url_of(other) + q.path}});
  });
  CHECK(status_of(url_of(redirects)) == 200);
  CHECK(c.workers().empty());
  CHECK(redirects.all().size() == 1);
  CHECK(other.all().empty());
}

TEST_CASE("workers register with a token", "[serve]") {
  serve::controller_settings s;
  s.http.address = "0.0.0.0";
  const auto refused = serve::controller::try_start(s);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().what(), Catch::Contains("--token"));
  s.worker_token = "secret";
  const serve::controller c = start(std::move(s));
  const std::string body = registration("http://127.0.0.1:1"),
                    beat = R"({"worker_name":"http://127.0.0.1:1","queue_length":1})";
  for (const char* wrong : {"", "Secret", "secre", "secrets"}) {
    CHECK(post(url_of(c) + "/register_worker", body, wrong).status == 401);
    CHECK(post(url_of(c) + "/receive_heart_beat", beat, wrong).status == 401);
  }
  CHECK(c.workers().empty());
  CHECK(post(url_of(c) + "/register_worker", body, "secret").status == 200);
  CHECK(post(url_of(c) + "/receive_heart_beat", beat, "secret").body == "{\"exist\":true}");
  CHECK(post(url_of(c) + "/list_models").body == "{\"models\":[\"m\"]}");  // clients need no token

  serve::controller_settings with_keys;
  with_keys.http.api_keys = {"client"};
  with_keys.worker_token = "secret";
  const serve::controller closed = start(std::move(with_keys));
  CHECK(post(url_of(closed) + "/list_models").status == 401);
  CHECK(post(url_of(closed) + "/list_models", "", "secret").status == 401);
  CHECK(post(url_of(closed) + "/list_models", "", "client").status == 200);
  CHECK(post(url_of(closed) + "/register_worker", body, "client").status == 401);
  CHECK(post(url_of(closed) + "/register_worker", body, "secret").status == 200);
}

TEST_CASE("requests that are not valid change nothing", "[serve]") {
  const serve::controller c = start();
  for (const char* path : {"/register_worker", "/receive_heart_beat", "/get_worker_address", "/worker_generate_stream"})
    for (const char* body : {"", "x", "[]", "{}", "3", "{\"worker_name\":1}", "\xff",
                             R"({"worker_name":"http://127.0.0.1:1","check_heart_beat":1})",
                             R"({"worker_name":"http://127.0.0.1:1","queue_length":-1})"}) {
      INFO(path << ' ' << body);
      CHECK(post(url_of(c) + path, body).status == 400);
    }
  for (const char* status :
       {R"({"model_names":"m","speed":1,"queue_length":0})", R"({"model_names":[1],"speed":1,"queue_length":0})",
        R"({"model_names":["m"],"speed":-1,"queue_length":0})", R"({"model_names":["m"],"speed":1})",
        R"({"model_names":["m"],"speed":1,"queue_length":1e300})"})
    CHECK(post(url_of(c) + "/register_worker", registration("http://127.0.0.1:1", status)).status == 400);
  CHECK(c.workers().empty());
  CHECK(post(url_of(c) + "/get_worker_address", std::string(100000, '[')).status == 400);
  CHECK(post(url_of(c) + "/get_worker_address", "{\"model\":7}").body == "{\"address\":\"\"}");
}

TEST_CASE("a client that leaves ends the worker's stream", "[serve]") {
  std::atomic<int> gone{0};
  std::mutex mutex;
  std::vector<serve::http_response> kept;
  listener worker([&](const serve::http_request&, const serve::http_response& r) {
    r.on_gone([&] { ++gone; });
    r.begin(200, "text/plain");
    r.write_record("first");
    const std::lock_guard lock(mutex);
    kept.push_back(r);
  });
  const serve::controller c = start();
  post(url_of(c) + "/register_worker", registration(url_of(worker)));
  serve::http_call call;
  call.url = url_of(c) + "/worker_generate_stream";
  call.body = "{\"model\":\"m\"}";
  const auto left = serve::try_call(call, [](std::string_view) { return false; });
  CHECK_FALSE(left);
  const auto now = std::chrono::steady_clock::now();
  CHECK(wait_until([&] { return gone == 1; }));
  CHECK(std::chrono::steady_clock::now() - now < 1s);
}

TEST_CASE("test_message asks and prints as the original", "[serve]") {
  const auto runs = read_array("test_message.json");
  for (const llava::json_value& run : runs.items()) {
    const auto models = at(run, "models");
    std::string address, names;
    for (const auto& m : models.items()) {
      names += names.empty() ? "" : ",";
      llava::detail::append_json_string(*m.text(), names);
    }
    listener server([&](const serve::http_request& q, const serve::http_response& r) {
      if (q.path == "/list_models") return void(r.reply_json(200, "{\"models\":[" + names + "]}"));
      if (q.path == "/get_worker_address") return void(r.reply_json(200, "{\"address\":\"" + address + "\"}"));
      r.reply(200, "text/plain", q.path == "/worker_generate_stream" ? text(run, "records") : "null");
    });
    const std::string here = url_of(server);
    address = replaced(text(run, "address"), "SERVER", here);
    const llava::json_value& options = at(run, "options");
    serve::test_message_settings s;
    s.controller_address = here;
    if (at(options, "worker_address").text()) s.worker_address = here;
    s.model_name = text(options, "model_name");
    s.max_new_tokens = static_cast<int>(*at(options, "max_new_tokens").integer());
    s.message = text(options, "message");
    std::string printed;
    const auto done = serve::try_send_test_message(s, [&](std::string_view piece) { printed += piece; });
    if (!done) FAIL(done.error().what());
    CHECK(replaced(printed, here, "SERVER") == text(run, "printed"));
    const auto asked = server.all();
    const auto expected = at(run, "asked");
    REQUIRE(asked.size() == expected.items().size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      CHECK(asked[i].path == text(expected.items()[i], "path"));
      CHECK(replaced(asked[i].body, here, "SERVER") == text(expected.items()[i], "body"));
      if (asked[i].path == "/worker_generate_stream") CHECK(asked[i].agent == text(expected.items()[i], "agent"));
    }
  }
}

TEST_CASE("register_worker registers by hand", "[serve]") {
  listener worker([](const serve::http_request&, const serve::http_response& r) {
    r.reply_json(200, R"({"model_names":["m"],"speed":1,"queue_length":2})");
  });
  serve::controller_settings s;
  s.worker_token = "t";
  const serve::controller c = start(std::move(s));
  CHECK_THAT(serve::try_register_worker(url_of(c), url_of(worker), false).error().what(), Catch::Contains("--token"));
  CHECK_THAT(serve::try_register_worker(url_of(c), "http://10.0.0.1:1", false, "t").error().what(),
             Catch::Contains("--allow-worker"));
  REQUIRE(serve::try_register_worker(url_of(c), url_of(worker), false, "t"));
  REQUIRE(c.workers().size() == 1);
  CHECK_FALSE(c.workers()[0].check_heart_beat);
  CHECK(c.workers()[0].status.queue_length == 2);
}
