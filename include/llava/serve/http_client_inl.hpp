// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_client.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <llava/serve/http_body.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/system_errors.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// One call: its connection, and the operations on it, each of which waits with a limit.
class http_calling {
 public:
  using milliseconds = std::chrono::milliseconds;
  using clock = std::chrono::steady_clock;

  http_calling(const http_call& call, http_url url) : call_(call), url_(std::move(url)), begun_(clock::now()) {}

  result<void> try_connect() {
    boost::asio::ip::tcp::resolver resolver(io_);
    boost::asio::ip::tcp::resolver::results_type found;
    boost::system::error_code failure;
    const clock::time_point limit = clock::now() + call_.connect_time;
    resolver.async_resolve(url_.host, std::to_string(url_.port), boost::asio::ip::resolver_base::numeric_service,
                           [&](const boost::system::error_code& ec, auto results) { failure = ec, found = results; });
    LLAVA_CHECK(wait(limit, "connecting", [&] { resolver.cancel(); }));
    if (failure) return fail(errc::not_found, text_of("llava: no address is known for ", name()));
    std::string why = "no address";
    for (const auto& entry : found) {
      const std::string address = entry.endpoint().address().to_string(failure);
      if (call_.allows_address && !call_back([&] { return call_.allows_address(address); })) {
        why = "its address is not allowed";
        continue;
      }
      boost::system::error_code ignored;
      socket_.close(ignored);
      failure = {};
      socket_.async_connect(entry.endpoint(), [&](const boost::system::error_code& ec) { failure = ec; });
      LLAVA_CHECK(wait(limit, "connecting", [&] { close(); }));
      if (!failure) return {};
      why = sentence_of(failure);
    }
    return fail(errc::io, text_of("llava: cannot connect to ", name(), ": ", why));
  }

  result<void> try_send(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      boost::system::error_code failure;
      const std::size_t size = (std::min)(request.size() - sent, std::size_t(64) << 10);
      boost::asio::async_write(socket_, boost::asio::buffer(request.data() + sent, size),
                               [&](const boost::system::error_code& ec, std::size_t) { failure = ec; });
      LLAVA_CHECK(wait(clock::now() + call_.silence, "sending to", [&] { close(); }));
      if (failure) return {};  // it may have answered before it closed the connection
      sent += size;
    }
    return {};
  }

  /// Reads the answer. on_piece takes the body of status 200, if it is not null.
  result<http_reply> try_receive(const function_ref<bool(std::string_view)>* on_piece) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer(128 << 10);
    http_reply reply;
    for (;;) {
      http::response_parser<received_body> parser;
      // One element at a time: an eager parser keeps a chunk back until the next one comes.
      parser.eager(false);
      parser.header_limit(32 << 10);
      // The limit of a stream is its receiver's. Others are checked below, while they arrive.
      parser.body_limit(boost::none);
      parser.skip(call_.method == "HEAD");
      bool has_head = false;
      while (!parser.is_done()) {
        boost::beast::error_code failure;
        LLAVA_CHECK(try_parse_some(parser, buffer, failure));
        if (failure == http::error::end_of_stream || failure == http::error::partial_message)
          return fail(errc::io, text_of("llava: ", name(), " closed the connection before its answer was complete"));
        if (failure && failure.category() == boost::asio::error::get_system_category())
          return fail(errc::io, text_of("llava: cannot read from ", name(), ": ", sentence_of(failure)));
        if (failure && failure != http::error::need_more)
          return fail(errc::invalid_format, text_of("llava: the answer of ", name(), " is not valid HTTP"));
        if (failure == http::error::need_more) continue;
        if (!std::exchange(has_head, parser.is_header_done()) && has_head) take_head(parser.get(), reply);
        std::string& body = parser.get().body();
        if (reply.status / 100 == 1) continue;
        if (on_piece && reply.status == 200) {
          if (!body.empty() && !call_back([&] { return (*on_piece)(body); }))
            return fail(errc::cancelled, "llava: the call was cancelled");
          body.clear();
        } else if (body.size() > call_.longest) {
          return fail(errc::invalid_format,
                      text_of("llava: the answer of ", name(), " is longer than ", call_.longest, " bytes"));
        }
      }
      if (reply.status / 100 == 1) continue;  // such as 100 Continue; the answer follows
      reply.body = std::move(parser.get().body());
      return reply;
    }
  }

  std::string name() const { return text_of("http://", url_.authority()); }

 private:
  /// Parses one element of what has arrived; if that is not enough, it reads more.
  template <class Parser>
  result<void> try_parse_some(Parser& parser, boost::beast::flat_buffer& buffer, boost::beast::error_code& failure) {
    namespace http = boost::beast::http;
    failure = http::error::need_more;
    if (buffer.size() > 0)
      buffer.consume(parse_some(parser, {static_cast<const char*>(buffer.data().data()), buffer.size()}, failure));
    if (failure != http::error::need_more) return {};
    std::size_t size = 0;
    const std::size_t room = (std::min)(buffer.max_size() - buffer.size(), std::size_t(64) << 10);
    if (room == 0) return fail(errc::invalid_format, text_of("llava: the answer of ", name(), " is not valid HTTP"));
    socket_.async_read_some(buffer.prepare(room), [&](const boost::beast::error_code& ec, std::size_t n) {
      size = n;
      if (ec) failure = ec;
    });
    LLAVA_CHECK(wait(clock::now() + call_.silence, "waiting for", [&] { close(); }));
    buffer.commit(size);
    if (failure == boost::asio::error::eof) {
      if (!parser.got_some())
        failure = http::error::end_of_stream;
      else
        parser.put_eof(failure);
    }
    return {};
  }

  template <class Head>
  static void take_head(const Head& head, http_reply& reply) {
    reply.status = static_cast<int>(head.result_int());
    reply.headers.clear();
    for (const auto& field : head)
      reply.headers.push_back({lower(std::string_view(field.name_string().data(), field.name_string().size())),
                               std::string(field.value().data(), field.value().size())});
  }

  static std::string sentence_of(const boost::system::error_code& ec) {
    return ec.category() == boost::asio::error::get_system_category()
               ? std::string(fail_of_system(ec.value(), "").what()).substr(2)
               : std::string("the connection failed");
  }

  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  /// Runs the one operation that has been started to its end, or cancels it.
  template <class F>
  result<void> wait(clock::time_point limit, std::string_view doing, F cancel) {
    if (call_.total.count() > 0) limit = (std::min)(limit, begun_ + call_.total);
    io_.restart();
    for (;;) {
      const auto left = std::chrono::duration_cast<milliseconds>(limit - clock::now());
      const bool is_stopped = call_.stop.stop_requested();
      if (is_stopped || left.count() <= 0) {
        cancel();
        io_.restart();
        io_.run();
        if (is_stopped) return fail(errc::cancelled, "llava: the call was cancelled");
        return fail(errc::io, text_of("llava: ", doing, " ", name(), " took too long"));
      }
      io_.run_for((std::min)(left, milliseconds(50)));
      if (io_.stopped()) return {};
    }
  }

  const http_call& call_;
  const http_url url_;
  const clock::time_point begun_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::socket socket_{io_};
};

inline result<std::string> try_request_text(const http_call& call, const http_url& url) {
  if (!is_token(call.method)) return fail(errc::invalid_argument, "llava: the method of a call is not valid");
  std::string out = text_of(call.method, ' ', url.target, " HTTP/1.1\r\nHost: ", url.authority(),
                            "\r\nConnection: close\r\nContent-Length: ", call.body.size());
  bool has_type = call.body.empty();
  for (const http_header& h : call.headers) {
    if (!is_token(h.name) || !is_header_value(h.value))
      return fail(errc::invalid_argument, "llava: a header of a call is not valid: it has a control character");
    has_type = has_type || equal_ignoring_case(h.name, "content-type");
    out.append("\r\n").append(h.name).append(": ").append(h.value);
  }
  if (!has_type) out += "\r\nContent-Type: application/json";
  return out.append("\r\n\r\n").append(call.body);
}

inline result<http_reply> call_over_http(const http_call& call, const function_ref<bool(std::string_view)>* on_piece) {
  return without_exceptions("open a connection", [&]() -> result<http_reply> {
    LLAVA_TRY(url, try_parse_http_url(call.url));
    LLAVA_TRY(text, try_request_text(call, url));
    http_calling calling(call, std::move(url));
    LLAVA_CHECK(calling.try_connect());
    LLAVA_CHECK(calling.try_send(text));
    return calling.try_receive(on_piece);
  });
}

}  // namespace detail

LLAVA_INLINE std::string http_url::authority() const {
  const bool is_v6 = host.find(':') != host.npos;
  return text_of(is_v6 ? "[" : "", host, is_v6 ? "]" : "", ':', port);
}

LLAVA_INLINE result<http_url> try_parse_http_url(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(errc::invalid_argument, text_of("llava: not a valid address: ", why, "; write http://HOST:PORT/PATH"));
  };
  constexpr std::string_view scheme = "http://";
  if (!detail::equal_ignoring_case(text.substr(0, scheme.size()), scheme)) return refuse("it must begin with http://");
  text.remove_prefix(scheme.size());
  const std::size_t slash = (std::min)(text.find_first_of("/?#"), text.size());
  std::string_view place = text.substr(0, slash), target = text.substr(slash);
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f && c != '#'; };
  if (!std::all_of(target.begin(), target.end(), is_visible)) return refuse("a character of the path is not allowed");
  http_url url;
  const bool is_v6 = place.substr(0, 1) == "[";
  const std::size_t end = is_v6 ? place.find(']') : (std::min)(place.find(':'), place.size());
  if (end == place.npos) return refuse("a bracket is not closed");
  url.host = is_v6 ? place.substr(1, end - 1) : place.substr(0, end);
  place.remove_prefix(end + is_v6);
  const std::string_view allowed = is_v6 ? "0123456789abcdefABCDEF:." : "";
  if (url.host.empty() || !std::all_of(url.host.begin(), url.host.end(), [&](char c) {
        return is_v6 ? allowed.find(c) != allowed.npos
                     : detail::is_digit(c) || detail::is_letter(c) || c == '.' || c == '-' || c == '_';
      }))
    return refuse("the host is not a name or an address");
  if (!place.empty()) {
    const auto [stop, failure] = std::from_chars(place.data() + 1, place.data() + place.size(), url.port);
    if (place[0] != ':' || failure != std::errc() || stop != place.data() + place.size() || url.port == 0)
      return refuse("the port must be 1 to 65535");
  }
  url.target = target.substr(0, 1) == "/" ? std::string(target) : text_of('/', target);
  return url;
}

LLAVA_INLINE result<http_reply> try_call(const http_call& call) { return detail::call_over_http(call, nullptr); }
LLAVA_INLINE result<http_reply> try_call(const http_call& call, function_ref<bool(std::string_view)> on_piece) {
  return detail::call_over_http(call, &on_piece);
}

}  // namespace serve
LLAVA_END
