// SPDX-License-Identifier: Apache-2.0
/// The letters that GPT-2's vocabularies write for bytes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// The letter that GPT-2's vocabularies write for a byte: printable bytes represent themselves, the others are numbered
/// from U+0100.
constexpr char32_t letter_of_byte(unsigned char b) {
  const auto plain = [](int x) { return (x >= '!' && x <= '~') || (x >= 0xa1 && x <= 0xac) || x >= 0xae; };
  if (plain(b)) return b;
  char32_t letter = 0x100;
  for (int x = 0; x < b; ++x)
    if (!plain(x)) ++letter;
  return letter;
}

namespace detail {
struct letter_table {
  std::int16_t byte[0x180] = {};  // by letter; −1: none
  constexpr letter_table() {
    for (auto& b : byte) b = -1;
    for (int b = 0; b < 256; ++b) byte[letter_of_byte(static_cast<unsigned char>(b))] = static_cast<std::int16_t>(b);
  }
};
inline constexpr letter_table letters;
}  // namespace detail

/// The bytes that a piece of such a vocabulary represents; nullopt if one of its characters is not such a letter.
inline std::optional<std::string> bytes_of_letters(std::string_view piece) {
  std::string bytes;
  for (std::size_t at = 0; at < piece.size();) {
    const utf8_character c = utf8_at(piece, at);
    if (!c.valid || c.code >= 0x180 || detail::letters.byte[c.code] < 0) return std::nullopt;
    bytes += static_cast<char>(detail::letters.byte[c.code]);
    at += c.bytes;
  }
  return bytes;
}

LLAVA_END
