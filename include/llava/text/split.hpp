// SPDX-License-Identifier: Apache-2.0
/// Splits text into words before BPE: the patterns of GPT-2, Llama 3 and Qwen2, matched by hand-written code in one
/// pass. The words cover the text without gaps. The text must be valid UTF-8. Time is linear.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/text/unicode.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// The patterns that cut a text into words.
enum class splitter : std::uint8_t { none, gpt2, llama3, qwen2 };

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
}  // namespace split_patterns

namespace detail {

enum class letter_kind : std::uint8_t { letter, number, space, newline, other };

/// Walks text character by character.
struct split_cursor {
  std::string_view text;
  std::size_t at = 0;

  bool end() const { return at >= text.size(); }
  utf8_character here() const { return utf8_at(text, at); }
  letter_kind kind() const {
    const char32_t c = here().code;
    if (c == '\r' || c == '\n') return letter_kind::newline;
    if (is_space(c)) return letter_kind::space;
    return is_letter(c) ? letter_kind::letter : is_number(c) ? letter_kind::number : letter_kind::other;
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

}  // namespace detail

/// Calls piece(text) for each digit (any character of category N) and for the text between digits.
template <class F>
void split_digits(std::string_view text, F&& piece) {
  std::size_t from = 0;
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = utf8_at(text, at);
    if (is_number(c.code)) {
      if (at > from) piece(text.substr(from, at - from));
      piece(text.substr(at, c.bytes));
      from = at + c.bytes;
    }
    at += c.bytes;
  }
  if (from < text.size()) piece(text.substr(from));
}

/// Calls word(piece) for each word.
template <class F>
void split(std::string_view text, splitter how, F&& word) {
  if (how == splitter::none) {
    if (!text.empty()) word(text);
    return;
  }
  detail::split_cursor c{text};
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
