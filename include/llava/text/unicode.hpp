// SPDX-License-Identifier: Apache-2.0
/// Unicode categories of characters, as in the regular expressions of tokenizers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>

#include <llava/text/unicode_tables.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {
/// Whether an odd number of edges is at or below c.
template <std::size_t N>
constexpr bool inside_edges(const std::uint32_t (&edges)[N], char32_t c) {
  return (std::upper_bound(std::begin(edges), std::end(edges), static_cast<std::uint32_t>(c)) - std::begin(edges)) %
             2 !=
         0;
}
}  // namespace detail

/// General category L: `\p{L}`.
constexpr bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  if (c >= 0x4e00 && c < 0xa000) return true;  // CJK ideographs, without the search
  return detail::inside_edges(detail::unicode_letters, c);
}
/// General category N: `\p{N}`.
constexpr bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return detail::inside_edges(detail::unicode_numbers, c);
}
/// General category M: `\p{M}`.
constexpr bool is_mark(char32_t c) { return c >= 0x300 && detail::inside_edges(detail::unicode_marks, c); }
/// The numbers of the pre-tokenizer Digits: category N of a newer Unicode.
constexpr bool is_digit(char32_t c) {
  return is_number(c) || (c >= 0x80 && detail::inside_edges(detail::unicode_new_numbers, c));
}
/// The punctuation of the pre-tokenizer Punctuation: all of ASCII, `$+<=>^`|~` too, and category P of an older Unicode.
constexpr bool is_punctuation(char32_t c) { return detail::inside_edges(detail::unicode_punctuation, c); }
/// `\w`: alphabetic characters, marks, decimal numbers, connector punctuation, join controls.
constexpr bool is_word_character(char32_t c) { return detail::inside_edges(detail::unicode_words, c); }

LLAVA_END
