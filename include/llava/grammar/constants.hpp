// SPDX-License-Identifier: Apache-2.0
/// The text of a JSON value in one spelling: without white space, and escapes only where JSON needs them.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/json_value.hpp>
#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN

namespace detail {

inline std::string json_string(std::string_view s) {
  std::string out;
  append_json_string(s, out);
  return out;
}

/// Appends the value's text. A value of a parsed text has at most 64 levels.
inline void append_compact_json(std::string& out, const json_value& v) {
  if (v.text()) {
    append_json_string(*v.text(), out);
  } else if (v.integer()) {
    out += std::to_string(*v.integer());
  } else if (v.number()) {
    append_json_number(*v.number(), out);
  } else if (v.boolean()) {
    out += *v.boolean() ? "true" : "false";
  } else if (v.is_array()) {
    out += '[';
    for (const json_value& item : v.items()) {
      if (&item != v.items().data()) out += ',';
      append_compact_json(out, item);
    }
    out += ']';
  } else if (v.is_object()) {
    out += '{';
    for (const auto& m : v.members()) {
      if (&m != v.members().data()) out += ',';
      append_json_string(m.first, out);
      out += ':';
      append_compact_json(out, m.second);
    }
    out += '}';
  } else {
    out += "null";
  }
}

/// The number of containers inside each other.
inline int levels_of(const json_value& v) {
  int most = 0;
  for (const json_value& item : v.items()) most = (std::max)(most, levels_of(item));
  for (const auto& m : v.members()) most = (std::max)(most, levels_of(m.second));
  return v.is_array() || v.is_object() ? most + 1 : 0;
}

/// A JSON Schema type as a bit. An integer is also a number.
enum json_type : unsigned {
  type_null = 1,
  type_boolean = 2,
  type_integer = 4,
  type_number = 8,
  type_string = 16,
  type_array = 32,
  type_object = 64,
  every_type = 127
};
inline constexpr std::pair<std::string_view, json_type> json_types[] = {
    {"null", type_null},     {"boolean", type_boolean}, {"integer", type_integer}, {"number", type_number},
    {"string", type_string}, {"array", type_array},     {"object", type_object}};

/// Whether the value has one of the types. 2.0 is an integer, as JSON Schema says.
inline bool has_type(const json_value& v, unsigned types) {
  if (v.text()) return types & type_string;
  if (v.boolean()) return types & type_boolean;
  if (v.integer()) return types & (type_integer | type_number);
  if (v.number()) return types & (type_number | (*v.number() == std::floor(*v.number()) ? type_integer : 0u));
  return types & (v.is_array() ? type_array : v.is_object() ? type_object : type_null);
}

}  // namespace detail

LLAVA_END
