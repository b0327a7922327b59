// SPDX-License-Identifier: Apache-2.0
/// What a server refuses by itself: for each case a status and a fixed text (R5). error_json() writes a text in the
/// shape that clients of OpenAI's API expect: {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN
namespace serve {

/// A reason to refuse a request.
enum class http_fault : unsigned char {
  none,
  bad_request_line,
  bad_target,
  target_too_long,
  unknown_method,
  bad_version,
  bad_header,
  headers_too_large,
  bad_host,
  bad_length,
  length_and_encoding,
  bad_transfer_encoding,
  unsupported_transfer_encoding,
  content_encoding,
  expectation,
  body_too_large,
  bad_chunk,
  chunk_extension,
  head_timeout,
  body_timeout,
  foreign_origin,
  unknown_host,
  unauthorized,
  not_found,
  method_not_allowed,
  too_many_connections,
  too_many_bodies,
  stopping,
  internal,
};

/// The reply for a fault. The message names no path, pointer or exception.
struct http_fault_reply {
  int status;
  std::string_view type, code, message;
};

inline http_fault_reply reply_of(http_fault fault) {
  constexpr std::string_view invalid = "invalid_request_error", server = "server_error";
  switch (fault) {
    case http_fault::none:
      break;
    case http_fault::bad_request_line:
      return {400, invalid, "bad_request", "The request line is not valid HTTP/1.1."};
    case http_fault::bad_target:
      return {400, invalid, "bad_target", "The target must be a path that begins with / and is validly encoded."};
    case http_fault::target_too_long:
      return {414, invalid, "target_too_long", "The request line is too long."};
    case http_fault::unknown_method:
      return {501, invalid, "unknown_method", "The method is not supported."};
    case http_fault::bad_version:
      return {505, invalid, "bad_version", "Only HTTP/1.1 and HTTP/1.0 are supported."};
    case http_fault::bad_header:
      return {400, invalid, "bad_header", "A header is not valid, or comes twice."};
    case http_fault::headers_too_large:
      return {431, invalid, "headers_too_large", "The headers are too many or too long."};
    case http_fault::bad_host:
      return {400, invalid, "bad_host", "The request must have one valid Host header."};
    case http_fault::bad_length:
      return {400, invalid, "bad_length", "Content-Length must be one whole number."};
    case http_fault::length_and_encoding:
      return {400, invalid, "bad_length", "Content-Length and Transfer-Encoding exclude each other."};
    case http_fault::bad_transfer_encoding:
      return {400, invalid, "bad_transfer_encoding", "Transfer-Encoding needs HTTP/1.1 and may come once."};
    case http_fault::unsupported_transfer_encoding:
      return {501, invalid, "unsupported_transfer_encoding", "The only supported transfer encoding is chunked."};
    case http_fault::content_encoding:
      return {415, invalid, "unsupported_content_encoding", "The body must not be compressed."};
    case http_fault::expectation:
      return {417, invalid, "expectation_failed", "The only supported expectation is 100-continue."};
    case http_fault::body_too_large:
      return {413, invalid, "body_too_large", "The body is too large."};
    case http_fault::bad_chunk:
      return {400, invalid, "bad_chunk", "The body is not validly chunked."};
    case http_fault::chunk_extension:
      return {400, invalid, "chunk_extension", "The body has a chunk extension; send chunks without extensions."};
    case http_fault::head_timeout:
      return {408, invalid, "timeout", "The headers did not arrive in time."};
    case http_fault::body_timeout:
      return {408, invalid, "timeout", "The body did not arrive in time."};
    case http_fault::foreign_origin:
      return {403, invalid, "origin_not_allowed", "Web pages of this origin may not use this server."};
    case http_fault::unknown_host:
      return {421, invalid, "unknown_host", "This server does not answer under the name in the Host header."};
    case http_fault::unauthorized:
      return {401, "authentication_error", "invalid_api_key", "A valid API key is needed: Authorization: Bearer KEY."};
    case http_fault::not_found:
      return {404, invalid, "not_found", "There is nothing at this path."};
    case http_fault::method_not_allowed:
      return {405, invalid, "method_not_allowed", "This path does not take this method."};
    case http_fault::too_many_connections:
      return {503, server, "overloaded", "The server has too many connections. Try again later."};
    case http_fault::too_many_bodies:
      return {503, server, "overloaded", "The server holds too many request bodies. Try again later."};
    case http_fault::stopping:
      return {503, server, "stopping", "The server is stopping."};
    case http_fault::internal:
      break;
  }
  return {500, server, "internal_error", "The server failed to answer."};
}

/// The JSON text of an error. An empty param or code becomes null. `message` is UTF-8.
inline std::string error_json(std::string_view message, std::string_view type, std::string_view param = {},
                              std::string_view code = {}) {
  std::string out = "{\"error\": {\"message\": ";
  const auto text_or_null = [&](std::string_view text) {
    if (text.empty())
      out += "null";
    else
      llava::detail::append_json_string(text, out);
  };
  llava::detail::append_json_string(message, out);
  out += ", \"type\": ", llava::detail::append_json_string(type, out);
  out += ", \"param\": ", text_or_null(param);
  out += ", \"code\": ", text_or_null(code);
  return out += "}}";
}

}  // namespace serve
LLAVA_END
