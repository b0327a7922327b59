// SPDX-License-Identifier: Apache-2.0
/// Splits a chat template into tokens: the text between tags, names, integers, strings, signs. White space around tags
/// is handled as with trim_blocks and lstrip_blocks, which transformers sets: a newline after a block is dropped, and
/// so is white space between the start of a line and a block. `-` strips all white space on its side; `+` strips none.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/chat_template_value.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// One token of a template.
struct template_token {
  enum kind_type : std::uint8_t {
    data,
    output_begin,
    output_end,
    block_begin,
    block_end,
    name,
    integer,
    text,
    sign,
    end
  };
  kind_type kind = end;
  std::uint32_t line = 0;
  std::string_view word;  ///< as written; of a string: its value
  std::int64_t number = 0;

  bool is(std::string_view a_sign) const { return kind == sign && word == a_sign; }
  bool is_name(std::string_view a_name) const { return kind == name && word == a_name; }
};

namespace detail {

class template_lexer {
 public:
  template_lexer(std::string_view source, template_memory& memory) : memory_(memory) {
    std::string text;
    text.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] != '\r') {
        text += source[i];
      } else if (i + 1 == source.size() || source[i + 1] != '\n') {
        text += '\n';
      }
    }
    if (!text.empty() && text.back() == '\n') text.pop_back();
    source_ = memory.keep(std::move(text));
  }

  std::vector<template_token> tokens;
  std::string problem;  ///< empty: no error
  std::uint32_t line = 1;

  void read() {
    while (at_ < source_.size() && problem.empty()) {
      std::size_t begin = at_;
      while (begin < source_.size() && !is_begin(begin)) ++begin;
      read_data(begin);
      if (begin == source_.size()) break;
      const char kind = source_[begin + 1];
      at_ = begin + 2;
      if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
      if (kind == '#')
        skip_comment();
      else
        read_tag(kind == '%');
    }
    add(template_token::end, {});
  }

 private:
  bool is_begin(std::size_t i) const {
    return source_[i] == '{' && i + 1 < source_.size() &&
           (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#');
  }
  template <class... Parts>
  void fail(const Parts&... parts) {
    const template_problem_part list[] = {parts...};
    if (problem.empty()) problem = template_error(line, list, sizeof...(parts));
  }
  void add(template_token::kind_type kind, std::string_view word, std::int64_t number = 0) {
    tokens.push_back({kind, line, word, number});
  }
  void pass(std::size_t to) {
    for (; at_ < to; ++at_) line += source_[at_] == '\n';
  }

  /// The text up to the tag at `begin`, or to the end.
  void read_data(std::size_t begin) {
    std::string_view text = source_.substr(at_, begin - at_);
    if (begin < source_.size()) {
      const char mark = begin + 2 < source_.size() ? source_[begin + 2] : ' ';
      if (mark == '-') {
        text = rstripped(text);
      } else if (mark != '+' && source_[begin + 1] != '{') {
        const std::size_t newline = text.rfind('\n'), start = newline + 1;  // npos + 1 is 0
        if ((start > 0 || line_starting_) && lstripped(text.substr(start)).empty()) text = text.substr(0, start);
      }
    }
    if (!text.empty()) add(template_token::data, text);
    pass(begin);
  }

  /// Skips the two characters that end a tag; `mark` is the character before them.
  void finish_tag(char mark, bool trims) {
    std::size_t to = at_ + 2;
    if (mark == '-')
      to = source_.size() - lstripped(source_.substr(to)).size();
    else if (mark != '+' && trims && to < source_.size() && source_[to] == '\n')
      ++to;
    pass(to);
    line_starting_ = source_[to - 1] == '\n';
  }

  void skip_comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return fail("a comment is not closed");
    const char mark = end > at_ ? source_[end - 1] : ' ';
    pass(end);
    finish_tag(mark, true);
  }

  void read_tag(bool block) {
    add(block ? template_token::block_begin : template_token::output_begin, {});
    std::string open;  // expected closing brackets, the innermost last
    while (problem.empty()) {
      pass(source_.size() - lstripped(source_.substr(at_)).size());
      const std::string_view rest = source_.substr(at_);
      if (rest.empty()) return fail("a tag is not closed");
      if (open.empty()) {
        const std::string_view end = block ? "%}" : "}}";
        const bool marked = rest[0] == '-' || (block && rest[0] == '+');
        if (rest.substr(marked ? 1 : 0, 2) == end) {
          add(block ? template_token::block_end : template_token::output_end, {});
          if (marked) ++at_;
          return finish_tag(marked ? rest[0] : ' ', block);
        }
      }
      read_word(rest, open);
    }
  }

  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void read_word(std::string_view rest, std::string& open) {
    const char c = rest[0];
    std::size_t n = 1;
    if (is_letter(c)) {
      while (n < rest.size() && (is_letter(rest[n]) || is_digit(rest[n]))) ++n;
      add(template_token::name, rest.substr(0, n));
    } else if (is_digit(c)) {
      std::int64_t value = 0;
      for (n = 0; n < rest.size() && is_digit(rest[n]); ++n) value = n < 18 ? value * 10 + (rest[n] - '0') : -1;
      const bool is_fraction = n + 1 < rest.size() && rest[n] == '.' && is_digit(rest[n + 1]);
      const bool is_path = !tokens.empty() && tokens.back().is(".");
      if (value < 0 || (is_fraction && !is_path) || (n < rest.size() && is_letter(rest[n])))
        return fail("a number is not an integer or has more than 18 digits");
      if (n > 1 && c == '0' && value != 0) return fail("a number has a leading zero");
      add(template_token::integer, rest.substr(0, n), value);
    } else if (c == '\'' || c == '"') {
      while (n < rest.size() && rest[n] != c) n += rest[n] == '\\' ? 2u : 1u;
      if (n >= rest.size()) return fail("a string has no closing quote");
      add(template_token::text, unescaped(rest.substr(1, n - 1)));
      ++n;
    } else {
      for (const std::string_view two : {"//", "**", "==", "!=", "<=", ">="})
        if (rest.substr(0, 2) == two) n = 2;
      if (n == 1 && std::string_view("+-*/%~()[]{}<>=.:,|;").find(c) == std::string_view::npos)
        return fail("unexpected character '", rest.substr(0, utf8_at(rest, 0).bytes), "' in a tag");
      if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
      if (c == ')' || c == ']' || c == '}') {
        if (open.empty() || open.back() != c) return fail("a '", rest.substr(0, 1), "' has no opening bracket");
        open.pop_back();
      }
      add(template_token::sign, rest.substr(0, n));
    }
    pass(at_ + n);
  }

  /// The value of a string literal, with Python's escapes; unknown escapes are unchanged.
  std::string_view unescaped(std::string_view s) {
    if (s.find('\\') == std::string_view::npos) return s;
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (s[i] != '\\') {
        out += s[i];
        continue;
      }
      const char c = s[++i];
      constexpr std::string_view plain = "\\'\"abfnrtv", means = "\\'\"\a\b\f\n\r\t\v";
      const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
      if (const std::size_t known = plain.find(c); known != std::string_view::npos) {
        out += means[known];
      } else if (digits > 0 || (c >= '0' && c <= '7')) {
        append_utf8(out, code_point(s, i, digits));
      } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
        fail("unsupported escape \\", c == 'N' ? "N" : " before a non-ASCII character");
      } else if (c != '\n') {
        out += {'\\', c};
      }
    }
    return memory_.keep(std::move(out));
  }
  /// The code point of `digits` hex digits after s[i]; for 0, of up to 3 octal ones at s[i]. i ends at the last.
  char32_t code_point(std::string_view s, std::size_t& i, int digits) {
    char32_t code = 0;
    if (digits == 0) {
      for (int n = 0; n < 3 && i < s.size() && s[i] >= '0' && s[i] <= '7'; ++n)
        code = code * 8 + static_cast<char32_t>(s[i++] - '0');
      --i;
    }
    for (int n = 0; n < digits; ++n) {
      const char c = ++i < s.size() ? s[i] : ' ';
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("an escape has too few digits");
      if (digit < 0) return 0;
      code = code * 16 + static_cast<char32_t>(digit);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      fail("an escape is not a Unicode character");
      return 0;
    }
    return code;
  }

  template_memory& memory_;
  std::string_view source_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
};

}  // namespace detail

LLAVA_END
