// SPDX-License-Identifier: Apache-2.0
/// http_body_reader: reads a request's body with Beast's parser, after parse_http_head has accepted its head. Beast
/// reads the head again: what it refuses is refused too. Trailers of a chunked body are read and dropped. The lines
/// between chunks are read before Beast reads them (http_chunks.hpp).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <llava/base/macros.hpp>
#include <llava/serve/http_chunks.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_head.hpp>
#include <llava/serve/http_limits.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// A body as text. Beast's string_body reserves what the client announces; this one grows with what arrives.
struct received_body {
  using value_type = std::string;
  class reader {
   public:
    template <bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, std::string& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& ec) { ec = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::beast::error_code& ec) {
      ec = {};
      const std::size_t before = body_.size();
      for (auto at = boost::asio::buffer_sequence_begin(buffers); at != boost::asio::buffer_sequence_end(buffers); ++at)
        body_.append(static_cast<const char*>((*at).data()), (*at).size());
      return body_.size() - before;
    }
    void finish(boost::beast::error_code& ec) { ec = {}; }

   private:
    std::string& body_;
  };
};

/// parser.put(), without a mistake of Beast 1.81: it asserts that more than one byte follows a `0 CR LF` that begins a
/// chunked body and was all there was. So these three bytes are kept back until another one comes.
template <bool is_request>
std::size_t parse_some(boost::beast::http::basic_parser<is_request>& parser, std::string_view bytes,
                       boost::beast::error_code& ec) {
  if (bytes == "0\r\n" && parser.is_header_done() && parser.chunked()) {
    ec = boost::beast::http::error::need_more;
    return 0;
  }
  return parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
}

/// Reads one request after the other.
class http_body_reader {
 public:
  /// Begins with a request whose head is at the beginning of the next bytes.
  void start(const http_head& head, const http_limits& limits) {
    parser_.emplace();
    parser_->eager(true);
    parser_->header_limit(static_cast<std::uint32_t>(limits.head) + 1);
    parser_->body_limit(limits.body);
    trailers_ = limits.trailers;
    is_chunked_ = head.is_chunked;
    chunks_ = {};
    seen_ = head.size;
  }

  /// Takes what belongs to the request off the front of `bytes`. Faults: bad_header, bad_chunk, chunk_extension,
  /// body_too_large.
  http_fault feed(std::string& bytes) {
    if (is_chunked_) {
      const http_fault fault = chunks_.read(std::string_view(bytes).substr(seen_));
      if (fault != http_fault::none) return fault;
    }
    std::size_t used = 0;
    boost::beast::error_code ec;
    while (!ec && !parser_->is_done() && used < bytes.size()) {
      const bool in_head = !parser_->is_header_done();
      used += parse_some(*parser_, std::string_view(bytes).substr(used), ec);
      if (ec == boost::beast::http::error::body_limit) return http_fault::body_too_large;
      if (ec && ec != boost::beast::http::error::need_more)
        return in_head && !parser_->is_header_done() ? http_fault::bad_header : http_fault::bad_chunk;
    }
    bytes.erase(0, used);
    seen_ = bytes.size();
    if (!parser_->is_done() && bytes.size() > trailers_) return http_fault::bad_chunk;
    return http_fault::none;
  }

  bool is_done() const { return parser_->is_done(); }
  std::size_t size() const { return parser_->get().body().size(); }
  std::string take() { return std::exchange(parser_->get().body(), {}); }
  void drop() { parser_.reset(); }

 private:
  std::optional<boost::beast::http::request_parser<received_body>> parser_;
  std::size_t trailers_ = 0;
  bool is_chunked_ = false;
  http_chunk_lines chunks_;
  std::size_t seen_ = 0;  // bytes at the front of the next ones that chunks_ has read, or that are the head's
};

}  // namespace serve::detail
LLAVA_END
