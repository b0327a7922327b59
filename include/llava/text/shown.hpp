// SPDX-License-Identifier: Apache-2.0
/// shown: a name or text that a file states, as a part of an error. It may be of any length and hold any bytes.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {

/// The text in valid UTF-8, without control characters, cut after 128 bytes.
inline std::string shown(std::string_view text) {
  constexpr std::size_t most = 128;
  std::string out;
  std::size_t at = 0;
  while (at < text.size() && at < most) {
    const utf8_character c = utf8_at(text, at);
    const bool is_control = c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0);
    out += c.valid && !is_control ? text.substr(at, c.bytes) : replacement_text;
    at += c.bytes;
  }
  return out + (at < text.size() ? "…" : "");
}

}  // namespace detail

LLAVA_END
