// SPDX-License-Identifier: Apache-2.0
// The parts of the HTTP layer that need no socket. Hostile requests over sockets: tests/serve/http_sockets.py.
#include <algorithm>
#include <llava/serve/api_keys.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_head.hpp>
#include <llava/serve/http_reply_text.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/origin_policy.hpp>
#include <llava/serve/stream_records.hpp>
#include <llava/serve/url.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace serve = llava::serve;
using serve::http_fault;

namespace {
/// What parse_http_head says of each beginning of `text`, shortest first, up to the first fault.
http_fault fault_of(std::string_view text, std::size_t& at) {
  serve::http_head head;
  for (at = 1; at <= text.size(); ++at)
    if (const http_fault f = parse_http_head(text.substr(0, at), {}, head); f != http_fault::none) return f;
  return http_fault::none;
}
}  // namespace

TEST_CASE("a head is read the same in one piece and byte by byte") {
  const std::string text =
      "POST /v1/a%20b/c?x=%31&y HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX-Mixed-CASE:  two words \t\r\nEmpty:\r\n"
      "Content-Length: 0012\r\nExpect: 100-Continue\r\nConnection: a, Close\r\n\r\nbody";
  serve::http_head head;
  std::size_t at = 0;
  CHECK(fault_of(text, at) == http_fault::none);
  REQUIRE(parse_http_head(text, {}, head) == http_fault::none);
  CHECK(head.size == text.size() - 4);
  CHECK(head.method == "POST");
  CHECK(head.path == "/v1/a b/c");
  CHECK(head.query == "x=%31&y");
  CHECK(head.header("x-mixed-case") == "two words");
  CHECK(head.count("empty") == 1);
  CHECK(head.content_length == 12);
  CHECK(head.expects_continue);
  CHECK_FALSE(head.keep_alive);
  CHECK_FALSE(head.is_chunked);
  for (std::size_t i = 0; i + 4 < text.size(); ++i) {
    REQUIRE(parse_http_head(std::string_view(text).substr(0, i), {}, head) == http_fault::none);
    CHECK(head.size == 0);
  }
}

TEST_CASE("a fault is found with the line that has it") {
  const std::string get = "GET / HTTP/1.1\r\n";
  const struct {
    std::string text;
    http_fault fault;
    std::size_t at;
  } cases[] = {
      {"\x16\x03", http_fault::bad_request_line, 1},
      {"GET /\r\n", http_fault::bad_request_line, 7},
      {"GET / HTTP/1.1\n", http_fault::bad_request_line, 15},
      {"GET / HTTP/3.0\r\n", http_fault::bad_version, 16},
      {get + "A: b\n", http_fault::bad_header, get.size() + 5},
      {get + "A: b\r\n c\r\n", http_fault::bad_header, get.size() + 10},
      {get + "A : b\r\n", http_fault::bad_header, get.size() + 7},
      {get + "\r\n", http_fault::bad_host, get.size() + 2},
      {std::string(9000, 'A'), http_fault::target_too_long, 8194},
      {get + "A: " + std::string(9000, 'b'), http_fault::headers_too_large, get.size() + 8194},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text.substr(0, 60));
    std::size_t at = 0;
    CHECK(fault_of(c.text, at) == c.fault);
    CHECK(at == c.at);
  }
}

TEST_CASE("any byte anywhere in a head gives a fault or a head without control characters") {
  const std::string text = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nA: b\r\n\r\n";
  int accepted = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      serve::http_head head;
      if (parse_http_head(changed, {}, head) != http_fault::none || head.size == 0) continue;
      ++accepted;
      const auto has_control = [](std::string_view s) {
        return std::any_of(s.begin(), s.end(), [](char c) { return serve::detail::is_control(c) && c != '\t'; });
      };
      REQUIRE(head.size == changed.size());
      REQUIRE_FALSE(has_control(head.path + head.query + head.method));
      for (const auto& h : head.headers) REQUIRE_FALSE(has_control(h.name + h.value));
    }
  }
  CHECK(accepted > 500);
}

TEST_CASE("keys: only a whole key opens, and a bad key is not printed") {
  const auto keys = serve::api_keys::try_make({"sk-one", "two"});
  REQUIRE(keys);
  CHECK(keys->allows("sk-one"));
  CHECK(keys->allows("two"));
  for (const std::string_view other : {"", "sk-on", "sk-onee", "sk-one ", "twotwo", "tw", "SK-ONE", "sk-two"})
    CHECK_FALSE(keys->allows(other));
  CHECK(serve::api_keys().allows(""));
  for (const char* bad : {"", "with space", "sé", "line\n"}) {
    const auto refused = serve::api_keys::try_make({"good", bad});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == llava::errc::invalid_argument);
    CHECK(refused.error().sentence().find("API key 2") != std::string::npos);
    CHECK((*bad == '\0' || refused.error().sentence().find(bad) == std::string::npos));
  }
  CHECK(serve::api_keys::bearer("bearer   k ") == "k");
  CHECK(serve::api_keys::bearer("Basic k").empty());
  CHECK(serve::api_keys::bearer("k").empty());
}

TEST_CASE("every fault has a status of 400 or more and a text of its own") {
  std::vector<std::string_view> seen;
  for (int f = 1; f <= static_cast<int>(http_fault::internal); ++f) {
    const auto r = reply_of(static_cast<http_fault>(f));
    CHECK(r.status >= 400);
    CHECK_FALSE(serve::detail::reason_of(r.status).empty());
    CHECK(std::find(seen.begin(), seen.end(), r.message) == seen.end());
    seen.push_back(r.message);
  }
  CHECK(serve::error_json("a \"b\"\n", "t", "", "c") ==
        R"({"error": {"message": "a \"b\"\n", "type": "t", "param": null, "code": "c"}})");
}

TEST_CASE("routes: exact paths, tails, HEAD, methods") {
  serve::http_routes routes;
  routes.add("GET", "/a", nullptr).add("POST", "/a", nullptr).add("GET", "/m/*", nullptr);
  REQUIRE(routes.find("HEAD", "/a"));
  CHECK_FALSE(routes.find("DELETE", "/a"));
  CHECK_FALSE(routes.find("GET", "/a/"));
  CHECK_FALSE(routes.find("GET", "/m"));
  REQUIRE(routes.find("GET", "/m/x/y"));
  CHECK(serve::http_routes::tail_of(*routes.find("GET", "/m/x/y"), "/m/x/y") == "x/y");
  CHECK(routes.methods_of("/a") == "GET, HEAD, POST");
  CHECK(routes.methods_of("/b").empty());
}

TEST_CASE("origins and hosts") {
  const auto fault = [](const serve::origin_policy& p, const std::string& host, const std::string& origin) {
    serve::http_head head;
    head.headers.push_back({"host", host});
    if (!origin.empty()) head.headers.push_back({"origin", origin});
    return p.check(head);
  };
  const serve::origin_policy closed{{}, {"box.local"}, true}, open{{"*"}, {}, false};
  const serve::origin_policy one{{"https://a.example"}, {}, false};
  for (const char* host : {"127.0.0.1", "127.0.0.1:80", "localhost:1", "[::1]:1", "BOX.local:80"})
    CHECK(fault(closed, host, "") == http_fault::none);
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "box.local.example"})
    CHECK(fault(closed, host, "") == http_fault::unknown_host);
  CHECK(fault(closed, "localhost:80", "http://localhost:80") == http_fault::none);
  CHECK(fault(closed, "localhost:80", "http://localhost:81") == http_fault::foreign_origin);
  CHECK(fault(closed, "localhost:80", "null") == http_fault::foreign_origin);
  CHECK(fault(open, "x", "http://anything") == http_fault::none);
  CHECK(fault(one, "x", "https://a.example") == http_fault::none);
  CHECK(fault(one, "x", "http://a.example") == http_fault::foreign_origin);
}

TEST_CASE("records are cut at bytes 0, whatever pieces they come in") {
  using namespace std::string_view_literals;
  constexpr auto stream = "{\"a\"}\0\0{}\0last\0"sv;
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    serve::record_splitter splitter;
    std::vector<std::string> found;
    for (std::size_t at = 0; at < stream.size(); at += size)
      REQUIRE(splitter.feed(stream.substr(at, size), [&](std::string_view r) { return found.emplace_back(r), true; }));
    CHECK(found == std::vector<std::string>{"{\"a\"}", "{}", "last"});
    CHECK_FALSE(splitter.is_inside());
  }
  serve::record_splitter splitter(8);
  const auto keep = [](std::string_view) { return true; };
  CHECK(splitter.feed("12345678\0"sv, keep));
  CHECK(splitter.feed("1234", keep));
  CHECK(splitter.is_inside());
  const auto too_long = splitter.feed("56789", keep);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code() == llava::errc::invalid_format);
  serve::record_splitter other;
  const auto stopped = other.feed("a\0b\0"sv, [](std::string_view r) { return r != "a"; });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code() == llava::errc::cancelled);
  CHECK(serve::record_of("a") == "a\0"sv);
}

TEST_CASE("events: each line of a text is a line of data") {
  CHECK(serve::event_of("{}") == "data: {}\n\n");
  CHECK(serve::event_of("a\nb\r\nc\rd") == "data: a\ndata: b\ndata: c\ndata: d\n\n");
  CHECK(serve::event_of("") == "data: \n\n");
}

TEST_CASE("the date of a reply") {
  CHECK(serve::detail::http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");  // the example of RFC 9110
  CHECK(serve::detail::http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST_CASE("addresses of the client") {
  const auto url = serve::try_parse_http_url("HTTP://[fd00::1]:8080/a?b=c");
  REQUIRE(url);
  CHECK(url->host == "fd00::1");
  CHECK(url->port == 8080);
  CHECK(url->target == "/a?b=c");
  CHECK(url->authority() == "[fd00::1]:8080");
  CHECK(serve::try_parse_http_url("http://localhost")->target == "/");
  CHECK(serve::try_parse_http_url("http://localhost?x")->target == "/?x");
  for (const char* bad :
       {"", "localhost", "https://a", "file:///etc/passwd", "http://", "http:///x", "http://user@host", "http://a:0",
        "http://a:65536", "http://a:", "http://a:1x", "http://a b", "http://a/\r\nHost: b", "http://[::1", "http://[g]",
        "http://a/#f", "http://a\\b", "http://a%2eb"}) {
    CAPTURE(bad);
    const auto refused = serve::try_parse_http_url(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == llava::errc::invalid_argument);
  }
}

TEST_CASE("URLs have one meaning") {
  const auto https = serve::try_parse_url("HTTPS://Example.org/a%20b?c=%2F");
  REQUIRE(https);
  CHECK(https->scheme == serve::url_scheme::https);
  CHECK(https->host == "example.org");
  CHECK(https->port == 443);
  CHECK(https->target == "/a%20b?c=%2F");
  CHECK(https->authority() == "example.org");
  CHECK(serve::try_parse_url("http://a:443")->authority() == "a:443");
  CHECK(serve::try_parse_url("http://[::1]")->authority() == "[::1]");
  CHECK(serve::try_parse_url("http://1.2.3.4.example")->host == "1.2.3.4.example");
  CHECK(serve::try_parse_url("file:///a%20b/c")->target == "/a b/c");
  for (const char* bad : {"http://127.1", "http://0x7f.1", "http://2130706433", "http://0177.0.0.1", "http://1.2.3.256",
                          "http://a..b", "http://.a", "http://a.", "http://[::1%25lo]", "http://[1.2.3.4]", "http://[]",
                          "http://a@b", "http://a:80:80", "https:/a", "file://host/a", "file:///a#b", "file:///a%",
                          "file:///a%0a", "data:image/png;base64,AAAA", "http://\xc3\xa9"}) {
    CAPTURE(bad);
    const auto refused = serve::try_parse_url(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == llava::errc::invalid_argument);
  }
}

// Python's ipaddress calls the second list global, and of the first only relays, tunnels, translators, and ranges that
// were reserved later.
TEST_CASE("public addresses") {
  for (const char* address :
       {"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "ff02::1", "2001:db8::1", "2001::1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1",
        "100::1", "fec0::1", "", "localhost", "1.2.3",
        "192.88.99.1", "168.63.129.16", "3fff::1", "5f00::1", "4000::1"}) {
    CAPTURE(address);
    CHECK_FALSE(serve::is_public_address(address));
  }
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.1.1.1", "128.0.0.1",
        "169.253.1.1", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
        "::ffff:8.8.8.8"}) {
    CAPTURE(address);
    CHECK(serve::is_public_address(address));
  }
}
