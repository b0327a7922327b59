// SPDX-License-Identifier: Apache-2.0
/// The JSON of LLaVA's protocol as Python writes it. Records of a stream are those of json.dumps: ", " and ": ", and
/// all characters but printable ASCII escaped. Other replies are FastAPI's: "," and ":", and UTF-8 as it is.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN
namespace serve {

namespace detail {
inline void append_escaped_unit(std::uint32_t unit, std::string& out) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[unit >> shift & 15];
}
/// Reads the character at `at` of valid UTF-8, and moves `at` behind it.
inline std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const std::uint32_t first = byte(at);
  const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  std::uint32_t code = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(at + i) & 0x3f);
  at += size;
  return code;
}
}  // namespace detail

/// A JSON string as json.dumps writes it. `text` is valid UTF-8.
inline std::string python_json_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t c = detail::next_character(text, at);
    constexpr std::string_view special = "\"\\\b\f\n\r\t", letter = "\"\\bfnrt";
    const std::size_t found = c < 0x80 ? special.find(static_cast<char>(c)) : special.npos;
    if (found != special.npos) {
      out += '\\', out += letter[found];
    } else if (c >= 0x20 && c < 0x7f) {
      out += static_cast<char>(c);
    } else if (c < 0x10000) {
      detail::append_escaped_unit(c, out);
    } else {
      detail::append_escaped_unit(0xd800 + ((c - 0x10000) >> 10), out);
      detail::append_escaped_unit(0xdc00 + ((c - 0x10000) & 0x3ff), out);
    }
  }
  return out += '"';
}

/// A JSON string as FastAPI writes it: UTF-8. `text` is valid UTF-8.
inline std::string fastapi_json_string(std::string_view text) {
  std::string out;
  llava::detail::append_json_string(text, out);
  return out;
}

/// A number as Python writes it: a whole one without a point.
inline std::string python_number(double number) {
  std::string out;
  if (number == static_cast<double>(static_cast<std::int64_t>(number)))
    return std::to_string(static_cast<std::int64_t>(number));
  llava::detail::append_json_number(number, out);
  return out;
}

/// What LLaVA's programs say in place of an answer.
inline constexpr std::string_view server_error_message =
    "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**";
/// What a worker adds to a prompt that leaves no room for an answer.
inline constexpr std::string_view too_long_message =
    "Exceeds max token length. Please start a new conversation, thanks.";

/// A record of a worker's stream, without its byte 0. `code`: 0, or 1 (the worker failed), 2 (no worker has the
/// model), 3 (the worker does not answer).
inline std::string stream_chunk(std::string_view text, int code) {
  return "{\"text\": " + python_json_string(text) + ", \"error_code\": " + std::to_string(code) + "}";
}

}  // namespace serve
LLAVA_END
