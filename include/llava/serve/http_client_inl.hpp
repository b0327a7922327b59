// SPDX-License-Identifier: Apache-2.0
/// Definitions of http_client.hpp.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <llava/serve/client_stream.hpp>
#include <llava/serve/http_body.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/name_lookup.hpp>
#include <llava/serve/system_errors.hpp>
#include <llava/serve/url.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// One call: its connection, and the operations on it, each of which waits with a limit.
class http_calling {
 public:
  using milliseconds = std::chrono::milliseconds;
  using clock = std::chrono::steady_clock;
  using receiver = function_ref<bool(std::string_view)>;

  http_calling(const http_call& call, url_parts url) : call_(call), url_(std::move(url)), begun_(clock::now()) {}

  result<void> try_connect() {
    const clock::time_point limit = clock::now() + call_.connect_time;
    LLAVA_TRY(addresses, try_look_up(limit));
    std::string why = "no address";
    for (const boost::asio::ip::address& address : addresses) {
      if (call_.allows_address && !call_back([&] { return call_.allows_address(address.to_string()); })) {
        why = "its address is not allowed";
        continue;
      }
      close();
      boost::system::error_code failure;
      socket_.async_connect({address, url_.port}, [&](const boost::system::error_code& ec) { failure = ec; });
      LLAVA_CHECK(wait(limit, "connecting to", [&] { close(); }));
      if (!failure) return try_secure(limit);
      why = sentence_of(failure);
    }
    return fail(errc::io, text_of("llava: cannot connect to ", name(), ": ", why));
  }

  result<void> try_send(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      const std::size_t size = (std::min)(request.size() - sent, std::size_t(64) << 10);
      stream_operation written;
      stream_->write(boost::asio::buffer(request.data() + sent, size), written);
      LLAVA_CHECK(wait(clock::now() + call_.silence, "sending to", [&] { close(); }));
      if (written.failure) return {};  // it may have answered before it closed the connection
      sent += size;
    }
    return {};
  }

  /// Reads the answer. on_piece takes the body of status 200 or 206, if it is not null.
  result<http_reply> try_receive(const receiver* on_piece) {
    http_reply reply;
    do {  // after a status such as 100 Continue the answer follows
      reply = {};
      LLAVA_CHECK(try_receive_one(on_piece, reply));
    } while (reply.status / 100 == 1);
    return reply;
  }

  std::string name() const { return url_.origin(); }

 private:
  using response_parser = boost::beast::http::response_parser<received_body>;

  result<std::vector<boost::asio::ip::address>> try_look_up(clock::time_point limit) {
    boost::system::error_code failure;
    const auto address = boost::asio::ip::make_address(url_.host, failure);
    if (!failure) return std::vector{address};
    const auto lookup = name_lookup::start(url_.host);
    do {
      LLAVA_TRY(left, try_time_left(limit, "connecting to"));
      if (lookup->wait((std::min)(left, milliseconds(50)))) {
        auto found = lookup->take();
        if (found.empty()) return fail(errc::not_found, text_of("llava: no address is known for ", name()));
        return found;
      }
    } while (true);
  }

  result<void> try_secure(clock::time_point limit) {
    if (url_.scheme == url_scheme::http) {
      stream_ = std::make_unique<plain_stream>(socket_);
      return {};
    }
    LLAVA_TRY(stream, call_.tls->try_wrap(socket_, url_.host));
    stream_ = std::move(stream);
    stream_operation agreed;
    stream_->handshake(agreed);
    LLAVA_CHECK(wait(limit, "connecting to", [&] { close(); }));
    if (!agreed.failure) return {};
    return fail(errc::io, text_of("llava: cannot connect to ", name(), ": ", stream_->refusal()));
  }

  result<void> try_receive_one(const receiver* on_piece, http_reply& reply) {
    response_parser parser;
    // One element at a time: an eager parser keeps a chunk back until the next one comes.
    parser.eager(false);
    parser.header_limit(32 << 10);
    // The limit of a stream is its receiver's. Others are checked below, while they arrive.
    parser.body_limit(boost::none);
    parser.skip(call_.method == "HEAD");
    bool has_head = false;
    while (!parser.is_done()) {
      LLAVA_CHECK(try_parse_some(parser));
      if (!std::exchange(has_head, parser.is_header_done()) && has_head) {
        take_head(parser.get(), reply);
        if (reply.status / 100 != 1 && call_.accepts_head && !call_back([&] { return call_.accepts_head(reply); }))
          return fail(errc::cancelled, "llava: the call was cancelled");
      }
      std::string& body = parser.get().body();
      if (on_piece && (reply.status == 200 || reply.status == 206)) {
        if (!body.empty() && !call_back([&] { return (*on_piece)(body); }))
          return fail(errc::cancelled, "llava: the call was cancelled");
        body.clear();
      } else if (body.size() > call_.longest) {
        return fail(errc::invalid_format,
                    text_of("llava: the answer of ", name(), " is longer than ", call_.longest, " bytes"));
      }
    }
    reply.body = std::move(parser.get().body());
    return {};
  }

  /// Parses one element of what has arrived, or reads more.
  result<void> try_parse_some(response_parser& parser) {
    namespace http = boost::beast::http;
    boost::beast::error_code failure;
    if (buffer_.size() > 0) {
      const std::size_t used =
          parse_some(parser, {static_cast<const char*>(buffer_.data().data()), buffer_.size()}, failure);
      buffer_.consume(used);
      if (!failure && used > 0) return {};
    }
    if (!failure || failure == http::error::need_more) {
      failure = {};
      const std::size_t room = (std::min)(buffer_.max_size() - buffer_.size(), std::size_t(64) << 10);
      if (room == 0) return fail(errc::invalid_format, text_of("llava: the answer of ", name(), " is not valid HTTP"));
      stream_operation read;
      stream_->read_some(buffer_.prepare(room), read);
      LLAVA_CHECK(wait(clock::now() + call_.silence, "waiting for", [&] { close(); }));
      buffer_.commit(read.bytes);
      if (read.failure == boost::asio::error::eof && parser.got_some())
        parser.put_eof(failure);
      else if (read.failure && read.failure.category() == boost::asio::error::get_system_category())
        return fail(errc::io, text_of("llava: cannot read from ", name(), ": ", sentence_of(read.failure)));
      else if (read.failure)
        failure = http::error::partial_message;
    }
    if (failure == http::error::partial_message)
      return fail(errc::io, text_of("llava: ", name(), " closed the connection before its answer was complete"));
    if (failure) return fail(errc::invalid_format, text_of("llava: the answer of ", name(), " is not valid HTTP"));
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

  /// What is left of the time. Errors: nothing is; the call is to stop.
  result<milliseconds> try_time_left(clock::time_point limit, std::string_view doing) const {
    if (call_.total.count() > 0) limit = (std::min)(limit, begun_ + call_.total);
    const auto left = std::chrono::duration_cast<milliseconds>(limit - clock::now());
    if (call_.stop.stop_requested()) return fail(errc::cancelled, "llava: the call was cancelled");
    if (left.count() <= 0) return fail(errc::io, text_of("llava: ", doing, " ", name(), " took too long"));
    return left;
  }

  /// Runs the one operation that has been started to its end, or cancels it.
  template <class F>
  result<void> wait(clock::time_point limit, std::string_view doing, F cancel) {
    io_.restart();
    for (;;) {
      const auto left = try_time_left(limit, doing);
      if (!left) {
        cancel();
        io_.restart();
        io_.run();
        return left.error();
      }
      io_.run_for((std::min)(*left, milliseconds(50)));
      if (io_.stopped()) return {};
    }
  }

  const http_call& call_;
  const url_parts url_;
  const clock::time_point begun_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::socket socket_{io_};
  std::unique_ptr<client_stream> stream_;
  boost::beast::flat_buffer buffer_{128 << 10};
};

inline result<std::string> try_request_text(const http_call& call, const url_parts& url) {
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
    LLAVA_TRY(url, try_parse_url(call.url));
    if (url.scheme == url_scheme::file || (url.scheme == url_scheme::https && !call.tls))
      return fail(errc::invalid_argument,
                  text_of("llava: cannot connect to ", url.origin(), ": only http:// is supported here"));
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
  auto parts = try_parse_url(text);
  if (text.find("://") == text.npos || (parts && parts->scheme != url_scheme::http))
    return fail(errc::invalid_argument, "llava: not a valid URL: it must begin with http://; write http://HOST:PORT");
  if (!parts) return fail(errc::invalid_argument, text_of(parts.error().what(), "; write http://HOST:PORT/PATH"));
  return http_url{std::move(parts->host), parts->port, std::move(parts->target)};
}

LLAVA_INLINE result<http_reply> try_call(const http_call& call) { return detail::call_over_http(call, nullptr); }
LLAVA_INLINE result<http_reply> try_call(const http_call& call, function_ref<bool(std::string_view)> on_piece) {
  return detail::call_over_http(call, &on_piece);
}

}  // namespace serve
LLAVA_END
