// SPDX-License-Identifier: Apache-2.0
/// Writes JSON: the text of a json_value, in the form in which transformers writes its files (two spaces a level, one
/// member or element a line), and objects built or changed member by member. Numbers keep their values: the shortest
/// text that reads back as the same number. Text is UTF-8.
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>

LLAVA_BEGIN

namespace detail {

inline void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const std::string_view special = "\"\\\b\f\n\r\t", letter = "\"\\bfnrt";
    if (const std::size_t at = special.find(c); at != std::string_view::npos) {
      out += '\\', out += letter[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  out += '"';
}

inline void append_json_number(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";  // JSON has no other word
    return;
  }
  char text[32];
  const std::string_view shortest(text, static_cast<std::size_t>(std::to_chars(text, text + 32, number).ptr - text));
  out += shortest;
  if (shortest.find_first_of(".e") == std::string_view::npos) out += ".0";  // stays a number with a fraction
}

inline void append_json(const json_value& v, std::size_t indent, std::string& out) {
  const auto line = [&](std::size_t spaces) { out.append("\n").append(spaces, ' '); };
  if (v.is_object() && !v.members().empty()) {
    char before = '{';
    for (const auto& [key, value] : v.members()) {
      out += std::exchange(before, ',');
      line(indent + 2);
      append_json_string(key, out);
      out += ": ";
      append_json(value, indent + 2, out);
    }
    line(indent), out += '}';
  } else if (v.is_array() && !v.items().empty()) {
    char before = '[';
    for (const json_value& one : v.items()) {
      out += std::exchange(before, ',');
      line(indent + 2);
      append_json(one, indent + 2, out);
    }
    line(indent), out += ']';
  } else if (v.is_object() || v.is_array()) {
    out += v.is_object() ? "{}" : "[]";
  } else if (v.text()) {
    append_json_string(*v.text(), out);
  } else if (v.boolean()) {
    out += *v.boolean() ? "true" : "false";
  } else if (v.integer()) {
    out += std::to_string(*v.integer());
  } else if (v.number()) {
    append_json_number(*v.number(), out);
  } else {
    out += "null";
  }
}

}  // namespace detail

/// The text as a JSON string, quotes included.
inline std::string json_string(std::string_view text) {
  std::string out;
  detail::append_json_string(text, out);
  return out;
}

/// The text of a value, with a newline at its end. The value's depth is that of a parsed one (json.hpp).
inline std::string json_text(const json_value& v) {
  std::string out;
  detail::append_json(v, 0, out);
  return out += '\n';
}

/// @name The value of a member
/// @{
inline json_value json_of(json_value v) { return v; }
inline json_value json_of(bool b) { return json_value(b); }
inline json_value json_of(int n) { return json_value(std::int64_t{n}); }
inline json_value json_of(std::int64_t n) { return json_value(n); }
inline json_value json_of(double x) { return json_value(x); }
/// A float is the shortest decimal number that reads back as it: 1e-05, not 9.99999974737875e-06.
inline json_value json_of(float x) {
  char text[32];
  double shortest = 0;
  const char* end = std::to_chars(text, text + 32, x).ptr;
  std::from_chars(text, end, shortest);
  return json_value(shortest);
}
inline json_value json_of(std::string_view text) { return json_value(std::string(text)); }
inline json_value json_of(const std::string& text) { return json_value(text); }
inline json_value json_of(const char* text) { return json_value(std::string(text)); }
/// @}

/// An array of values.
template <class... T>
json_value json_list(T&&... values) {
  json_value::array list;
  (list.push_back(json_of(std::forward<T>(values))), ...);
  return json_value(std::move(list));
}

/// Sets a member of an object under construction. A new one is the last.
template <class T>
void set_member(json_value::object& o, std::string_view key, T value) {
  for (auto& [name, old] : o)
    if (name == key) {
      old = json_of(std::move(value));
      return;
    }
  o.emplace_back(std::string(key), json_of(std::move(value)));
}

/// Removes a member, if it is there.
inline void remove_member(json_value::object& o, std::string_view key) {
  std::erase_if(o, [&](const json_value::member& m) { return m.first == key; });
}

LLAVA_END
