// SPDX-License-Identifier: Apache-2.0
/// UTF-8: reads and writes characters and replaces invalid bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Replaces invalid UTF-8.
inline constexpr char32_t replacement_character = 0xFFFD;
/// U+FFFD as UTF-8.
inline constexpr std::string_view replacement_text = "\xef\xbf\xbd";
/// ▁ (U+2581), which SentencePiece writes for a space.
inline constexpr std::string_view space_mark = "\xe2\x96\x81";

/// One character of UTF-8 text and its size in bytes. An invalid sequence counts as U+FFFD; it spans its longest prefix
/// that begins a valid character, at least one byte, as Unicode recommends and as in Rust and Python.
struct utf8_character {
  char32_t code = replacement_character;
  std::size_t bytes = 1;
  bool valid = false;
  bool cut_short = false;  ///< the text ends inside a character that is valid so far
};

/// The character at `at` < s.size().
constexpr utf8_character utf8_at(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true, false};
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                             : (lead & 0xf0) == 0xe0        ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  if (length == 0) return {};
  char32_t code = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= s.size()) return {replacement_character, i, false, true};
    // No overlong forms (e0, f0), no surrogates (ed), nothing above U+10FFFF (f4).
    const unsigned char low = i != 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = i != 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(i) < low || byte(i) > high) return {replacement_character, i, false, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  return {code, length, true, false};
}

/// The last character before `end` > 0 of valid UTF-8.
constexpr utf8_character utf8_before(std::string_view s, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<unsigned char>(s[at]) & 0xc0) == 0x80) --at;
  return utf8_at(s.substr(0, end), at);
}

/// Appends a character as UTF-8.
inline void append_utf8(std::string& to, char32_t c) {
  const auto low = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += {static_cast<char>(0xc0 | c >> 6), low(0)};
  } else if (c < 0x10000) {
    to += {static_cast<char>(0xe0 | c >> 12), low(6), low(0)};
  } else {
    to += {static_cast<char>(0xf0 | c >> 18), low(12), low(6), low(0)};
  }
}

/// One U+FFFD for each invalid sequence (Rust, Python) or for each of its bytes (SentencePiece).
enum class invalid_utf8 : std::uint8_t { by_run, by_byte };

/// Copies `s` with U+FFFD for invalid UTF-8.
inline std::string valid_utf8(std::string_view s, invalid_utf8 rule = invalid_utf8::by_run) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t at = 0; at < s.size();) {
    const utf8_character c = utf8_at(s, at);
    out += c.valid ? s.substr(at, c.bytes) : replacement_text;
    at += !c.valid && rule == invalid_utf8::by_byte ? 1 : c.bytes;
  }
  return out;
}

/// Unicode property White_Space.
constexpr bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
/// The characters that Python's str.strip() removes: white space and the four separators of ASCII.
constexpr bool is_python_space(char32_t c) { return is_space(c) || (c >= 0x1c && c <= 0x1f); }
/// @name Python's s.lstrip(), s.rstrip(), s.strip()
/// @{
constexpr std::string_view lstripped(std::string_view s) {
  while (!s.empty() && is_python_space(utf8_at(s, 0).code)) s.remove_prefix(utf8_at(s, 0).bytes);
  return s;
}
constexpr std::string_view rstripped(std::string_view s) {
  while (!s.empty() && is_python_space(utf8_before(s, s.size()).code)) s.remove_suffix(utf8_before(s, s.size()).bytes);
  return s;
}
constexpr std::string_view stripped(std::string_view s) { return rstripped(lstripped(s)); }
/// @}

LLAVA_END
