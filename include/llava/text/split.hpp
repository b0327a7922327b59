// SPDX-License-Identifier: Apache-2.0
/// Splits text into words before BPE: the patterns of GPT-2, Llama 3, Qwen2 and Qwen3.5, digits and punctuation,
/// matched by hand-written code in one pass. The words cover the text without gaps. The text must be valid UTF-8. Time
/// is linear.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/text/byte_letters.hpp>
#include <llava/text/unicode.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// The ways to cut a text into words.
enum class splitter : std::uint8_t {
  none,
  gpt2,
  llama3,
  qwen2,
  qwen3_5,
  digits,            ///< each digit is a word
  digit_runs,        ///< each run of digits is a word
  three_digits,      ///< each three digits of ASCII, from the left, are a word
  punctuation,       ///< each character of punctuation is a word
  punctuation_runs,  ///< each run of them is a word
};
/// Whether a splitter looks at single characters, so that it can also cut the letters of bytes.
constexpr bool looks_at_characters(splitter how) { return how >= splitter::digits; }

/// The patterns as tokenizer.json writes them.
namespace split_patterns {
/// GPT-2.
inline constexpr std::string_view gpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
/// Llama 3: numbers in groups of at most three.
inline constexpr std::string_view llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Qwen2: each digit alone.
inline constexpr std::string_view qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Qwen3.5: marks belong to words.
inline constexpr std::string_view qwen3_5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Falcon, behind others.
inline constexpr std::string_view three_digits = "[0-9][0-9][0-9]";
}  // namespace split_patterns

namespace detail {

enum class letter_kind : std::uint8_t { letter, number, space, newline, other };

/// Walks text character by character.
struct split_cursor {
  std::string_view text;
  bool marks_are_letters = false;
  std::size_t at = 0;

  bool end() const { return at >= text.size(); }
  utf8_character here() const { return utf8_at(text, at); }
  letter_kind kind() const {
    const char32_t c = here().code;
    if (c == '\r' || c == '\n') return letter_kind::newline;
    if (is_space(c)) return letter_kind::space;
    if (is_letter(c) || (marks_are_letters && is_mark(c))) return letter_kind::letter;
    return is_number(c) ? letter_kind::number : letter_kind::other;
  }
  void step() { at += here().bytes; }
  /// Skips characters of the kinds that `is` accepts, at most `most`; returns their number.
  template <class Is>
  int pass(Is&& is, int most = 0x7fffffff) {
    int n = 0;
    while (n < most && !end() && is(kind())) step(), ++n;
    return n;
  }
};

inline constexpr auto is_a = [](letter_kind k) { return [k](letter_kind x) { return x == k; }; };

/// The length of 's, 't, 're, 've, 'm, 'll, 'd at the start of `text`, or 0. U+017F folds to s.
inline std::size_t contraction(std::string_view text, bool any_case) {
  const auto letter = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  if (letter(0) != '\'') return 0;
  const char a = letter(1), b = letter(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (any_case && text.substr(1, 2) == "\xc5\xbf") return 3;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/// Matches \s+(?!\S)|\s+: all white space at the end of the text, otherwise all but its last character, at least one.
inline void pass_space(split_cursor& c) {
  std::size_t last = c.at;
  const std::size_t first = c.at;
  while (!c.end() && (c.kind() == letter_kind::space || c.kind() == letter_kind::newline)) last = c.at, c.step();
  if (!c.end() && last > first) c.at = last;
}

inline void next_gpt2(split_cursor& c) {
  if (const std::size_t n = contraction(c.text.substr(c.at), false)) {
    c.at += n;
    return;
  }
  split_cursor word = c;
  if (c.here().code == ' ') word.step();
  if (!word.end())
    for (letter_kind k : {letter_kind::letter, letter_kind::number, letter_kind::other})
      if (word.pass(is_a(k))) {
        c.at = word.at;
        return;
      }
  pass_space(c);
}

inline void next_llama3(split_cursor& c, int digits) {
  if (const std::size_t n = contraction(c.text.substr(c.at), true)) {
    c.at += n;
    return;
  }
  const letter_kind first = c.kind();
  split_cursor word = c;
  if (first == letter_kind::space || first == letter_kind::other) word.step();
  if (word.pass(is_a(letter_kind::letter))) {
    c.at = word.at;
    return;
  }
  if (c.pass(is_a(letter_kind::number), digits)) return;
  word = c;
  if (c.here().code == ' ') word.step();
  if (word.pass(is_a(letter_kind::other))) {
    word.pass(is_a(letter_kind::newline));
    c.at = word.at;
    return;
  }
  // \s*[\r\n]+: up to and including the last newline of this white space.
  std::size_t line_end = 0;
  for (word = c; !word.end() && (word.kind() == letter_kind::space || word.kind() == letter_kind::newline);) {
    const bool is_newline = word.kind() == letter_kind::newline;
    word.step();
    if (is_newline) line_end = word.at;
  }
  if (line_end)
    c.at = line_end;
  else
    pass_space(c);
}

/// The character at `at`, or the letter of the byte there.
inline utf8_character character_or_letter(std::string_view text, std::size_t at, bool of_bytes) {
  if (!of_bytes) return utf8_at(text, at);
  return {letter_of_byte(static_cast<unsigned char>(text[at])), 1, true, false};
}

/// Calls word(piece) for each run of characters for which `is` holds, or for each of them alone, and for each run of
/// the others. `of_bytes`: for the letters of bytes.
template <class Is, class F>
void split_by_class(std::string_view text, bool alone, bool of_bytes, Is&& is, F&& word) {
  std::size_t from = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = character_or_letter(text, at, of_bytes);
    const bool here = is(c.code);
    if (at > from && (here != inside || (here && alone))) word(text.substr(from, at - from)), from = at;
    inside = here;
    at += c.bytes;
  }
  if (from < text.size()) word(text.substr(from));
}

/// Bytes of ASCII are their own letters, and no part of another one.
template <class F>
void split_three_digits(std::string_view text, F&& word) {
  std::size_t from = 0, digits = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    digits = text[at] >= '0' && text[at] <= '9' ? digits + 1 : 0;
    if (digits < 3) continue;
    if (at - 2 > from) word(text.substr(from, at - 2 - from));
    word(text.substr(at - 2, 3));
    from = at + 1, digits = 0;
  }
  if (from < text.size()) word(text.substr(from));
}

}  // namespace detail

/// Calls word(piece) for each word. `of_bytes`, for splitters that look at characters: the text is bytes, and they
/// look at the letters that GPT-2 writes for them.
template <class F>
void split(std::string_view text, splitter how, F&& word, bool of_bytes = false) {
  const auto digit = [](char32_t c) { return is_digit(c); };
  const auto punctuation = [](char32_t c) { return is_punctuation(c); };
  detail::split_cursor c{text, how == splitter::qwen3_5};
  switch (how) {
    case splitter::none:
      if (!text.empty()) word(text);
      return;
    case splitter::digits:
    case splitter::digit_runs:
      return detail::split_by_class(text, how == splitter::digits, of_bytes, digit, word);
    case splitter::punctuation:
    case splitter::punctuation_runs:
      return detail::split_by_class(text, how == splitter::punctuation, of_bytes, punctuation, word);
    case splitter::three_digits:
      return detail::split_three_digits(text, word);
    default:
      break;
  }
  while (!c.end()) {
    const std::size_t first = c.at;
    if (how == splitter::gpt2)
      detail::next_gpt2(c);
    else
      detail::next_llama3(c, how == splitter::llama3 ? 3 : 1);
    word(text.substr(first, c.at - first));
  }
}

LLAVA_END
