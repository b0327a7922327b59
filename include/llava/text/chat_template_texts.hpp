// SPDX-License-Identifier: Apache-2.0
/// The methods of Python's str that chat templates use: strip, split, replace, case, slices by character. Case
/// conversion of non-ASCII text is an error.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_lexer.hpp>
#include <llava/text/chat_template_run.hpp>

LLAVA_BEGIN

namespace detail {

/// The arguments of a call.
struct template_arguments {
  std::vector<template_value> values;   ///< positional arguments, then named ones
  std::vector<std::string_view> names;  ///< of the named arguments

  std::size_t unnamed() const { return values.size() - names.size(); }
  /// The argument at this position or with this name, or null.
  const template_value* find(std::size_t place, std::string_view name) const {
    if (place < unnamed()) return &values[place];
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return &values[unnamed() + i];
    return nullptr;
  }
};

/// Whether `list`, words with spaces around them, contains the word.
constexpr bool template_list_has(std::string_view list, std::string_view word) {
  for (std::size_t at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1))
    if (at > 0 && list[at - 1] == ' ' && list[at + word.size()] == ' ') return true;
  return false;
}

class template_texts {
 public:
  using value = template_value;
  explicit template_texts(template_run& run) : run_(run) {}

  /// Whether Python's str has this method. A method that is not implemented here is an error, not undefined.
  static bool is_method(std::string_view name) {
    return template_list_has(
        " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha "
        "isascii "
        "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip "
        "maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split "
        "splitlines "
        "startswith strip swapcase title translate upper zfill ",
        name);
  }

  value call(std::string_view s, std::string_view name, const template_arguments& given) {
    const value* first = given.find(0, name == "split" ? "sep" : "");
    if (name == "strip" || name == "lstrip" || name == "rstrip")
      return strip(s, first, name != "rstrip", name != "lstrip");
    if (name == "split") return split(s, first, given.find(1, "maxsplit"));
    if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") return change_case(s, name);
    if (name == "startswith" || name == "endswith") return template_boolean(has_end(s, first, name == "endswith"));
    if (name == "replace") return replace(s, first, given.find(1, ""), given.find(2, "count"));
    if (name == "join" && first) return join(s, *first);
    return run_.fail("the method '", name, "' of a string is not supported");
  }

  value strip(std::string_view s, const value* which, bool left, bool right) {
    if (which && which->is(template_type::none)) which = nullptr;
    if (which && !which->is(template_type::text)) return run_.fail("strip() does not accept ", *which);
    const auto goes = [&](utf8_character c, std::string_view at) {
      return which ? run_.find(which->text, at.substr(0, c.bytes)) != std::string_view::npos : is_python_space(c.code);
    };
    while (left && !s.empty() && run_.work() && goes(utf8_at(s, 0), s)) s.remove_prefix(utf8_at(s, 0).bytes);
    while (right && !s.empty() && run_.work()) {
      const utf8_character c = utf8_before(s, s.size());
      if (!goes(c, s.substr(s.size() - c.bytes))) break;
      s.remove_suffix(c.bytes);
    }
    return template_text(s);
  }

  value split(std::string_view s, const value* separator, const value* most) {
    std::int64_t left = most && most->is_number() && most->number >= 0 ? most->number : -1;
    std::vector<value> parts;
    if (!separator || separator->is(template_type::none)) {
      for (s = lstripped(s); !s.empty() && run_.work(); s = lstripped(s)) {
        std::size_t n = 0;
        while (n < s.size() && !is_python_space(utf8_at(s, n).code)) n += utf8_at(s, n).bytes;
        if (left-- == 0) n = s.size();
        parts.push_back(template_text(s.substr(0, n)));
        run_.memory.count_items(1);
        s.remove_prefix(n);
      }
      return run_.memory.list(std::move(parts));
    }
    if (!separator->is(template_type::text)) return run_.fail("split() needs a string, found ", *separator);
    if (separator->text.empty()) return run_.fail("split() needs a separator that is not empty");
    while (left-- != 0 && run_.work()) {
      const std::size_t at = run_.find(s, separator->text);
      if (at == std::string_view::npos) break;
      parts.push_back(template_text(s.substr(0, at)));
      run_.memory.count_items(1);
      s.remove_prefix(at + separator->text.size());
    }
    parts.push_back(template_text(s));
    return run_.memory.list(std::move(parts));
  }

  value replace(std::string_view s, const value* from, const value* to, const value* most) {
    if (!from || !to) return run_.fail("replace() needs two strings");
    const std::string_view old = run_.as_text(*from), fresh = run_.as_text(*to);
    std::int64_t left = most && most->is_number() && most->number >= 0 ? most->number : -1;
    std::string out;
    if (old.empty()) return run_.fail("replace() of an empty string is not supported");
    for (std::size_t at = 0; left-- != 0 && run_.work();) {
      at = run_.find(s, old);
      if (at == std::string_view::npos || !run_.append(out, s.substr(0, at)) || !run_.append(out, fresh)) break;
      s.remove_prefix(at + old.size());
    }
    run_.append(out, s);
    return run_.text(std::move(out));
  }

  /// Joins the items with `between`. Python's method accepts only strings; the filter accepts any value.
  value join(std::string_view between, const value& items, bool texts_only = true) {
    std::string out;
    bool is_first = true;
    run_.each(items, [&](const value& v) {
      if (texts_only && !v.is(template_type::text)) return run_.fail("join() needs strings, found ", v), false;
      const bool goes_on = (is_first || run_.append(out, between)) && run_.append(out, run_.as_text(v));
      is_first = false;
      return goes_on;
    });
    return run_.text(std::move(out));
  }

  /// `how`: upper, lower, capitalize; title: a word begins after any non-letter; words: a word begins after white
  /// space, '-' or an opening bracket, as in the filter `title`.
  value change_case(std::string_view s, std::string_view how) {
    std::string out;
    bool begins = true;
    for (char c : s) {
      if (static_cast<unsigned char>(c) >= 0x80)
        return run_.fail("'", how, "' of a string with non-ASCII characters is not supported");
      const bool raises = how == "upper" || (how != "lower" && begins);
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (is_letter) c = static_cast<char>(raises ? c & ~0x20 : c | 0x20);
      begins = how == "title"
                   ? !is_letter
                   : how == "words" && std::string_view(" \t\n\r\f\v-({[<").find(c) != std::string_view::npos;
      out += c;
    }
    return run_.text(std::move(out));
  }

  bool has_end(std::string_view s, const value* what, bool at_end) {
    if (what && what->is_list()) {
      for (const value& v : what->object->items)
        if (run_.work() && has_end(s, &v, at_end)) return true;
      return false;
    }
    if (!what || !what->is(template_type::text)) return run_.fail("startswith() and endswith() need a string"), false;
    if (what->text.size() > s.size()) return false;
    return s.substr(at_end ? s.size() - what->text.size() : 0, what->text.size()) == what->text;
  }

  /// Characters or items [from, to) in steps of `step`, as in Python. Missing parts are null.
  value slice(const value& v, const value* from, const value* to, const value* step) {
    for (const value* part : {from, to, step})
      if (part && !part->is_number() && !part->is(template_type::none))
        return run_.fail("a bound of a slice is not an integer");
    const auto part = [](const value* p) { return p && p->is_number() ? p : nullptr; };
    const std::int64_t n = run_.length(v), by = part(step) ? step->number : 1;
    if (n < 0 || (!v.is_list() && !v.is(template_type::text))) return run_.fail("cannot slice ", v);
    if (by == 0) return run_.fail("a slice has step 0");
    const auto bound = [&](const value* p, std::int64_t otherwise) {
      if (!part(p)) return otherwise;
      const std::int64_t i = p->number < 0 ? p->number + n : p->number;
      return by > 0 ? std::clamp<std::int64_t>(i, 0, n) : std::clamp<std::int64_t>(i, -1, n - 1);
    };
    const std::int64_t begin = bound(from, by > 0 ? 0 : n - 1), end = bound(to, by > 0 ? n : -1);
    std::vector<std::size_t> places;  // byte offset of each character
    run_.memory.count_items(v.text.size() / 8);
    if (v.is(template_type::text) && run_.work())
      for (std::size_t at = 0; at < v.text.size(); at += utf8_at(v.text, at).bytes) places.push_back(at);
    std::vector<value> items;
    std::string text;
    for (std::int64_t i = begin; (by > 0 ? i < end : i > end) && run_.work(); i = by > n || by < -n ? end : i + by) {
      const auto at = static_cast<std::size_t>(i);
      if (v.is(template_type::text))
        text += v.text.substr(places[at], utf8_at(v.text, places[at]).bytes);
      else
        items.push_back(v.object->items[at]);
    }
    return v.is(template_type::text) ? run_.text(std::move(text)) : run_.memory.list(std::move(items));
  }

 private:
  template_run& run_;
};

}  // namespace detail

LLAVA_END
