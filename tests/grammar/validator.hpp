// SPDX-License-Identifier: Apache-2.0
/// A plain validator of JSON Schema for the keywords that grammars support. It shares no code with the compiler of
/// schemas; tests/oracle/grammar_vectors.py checks the same texts with the package jsonschema.
#pragma once
#include <cmath>
#include <string>
#include <string_view>

#include <llava/checkpoint/json_value.hpp>

namespace grammar_test {

using llava::json_value;

inline bool equal(const json_value& a, const json_value& b) {
  if (a.number() && b.number()) return *a.number() == *b.number();
  if (a.text() || b.text()) return a.text() && b.text() && *a.text() == *b.text();
  if (a.boolean() || b.boolean()) return a.boolean() && b.boolean() && *a.boolean() == *b.boolean();
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  if (a.is_array() != b.is_array() || a.items().size() != b.items().size()) return false;
  for (std::size_t i = 0; i < a.items().size(); ++i)
    if (!equal(a.items()[i], b.items()[i])) return false;
  if (a.members().size() != b.members().size()) return false;
  for (const auto& m : a.members())
    if (const json_value* other = b.find(m.first); !other || !equal(m.second, *other)) return false;
  return true;
}

class validator {
 public:
  explicit validator(const json_value& root) : root_(root) {}
  bool operator()(const json_value& v) const { return is_valid(root_, v); }

 private:
  static bool is_type(const std::string& type, const json_value& v) {
    if (type == "integer") return v.number() && *v.number() == std::floor(*v.number());
    if (type == "number") return v.number().has_value();
    if (type == "string") return v.text();
    if (type == "boolean") return v.boolean();
    if (type == "null") return v.is_null();
    return type == "array" ? v.is_array() : v.is_object();
  }
  static std::size_t code_points(const std::string& s) {
    std::size_t n = 0;
    for (const char c : s) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return n;
  }
  const json_value& target(std::string_view pointer) const {
    const json_value* at = &root_;
    for (pointer.remove_prefix(1); !pointer.empty();) {
      const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
      std::string name;
      for (std::string_view step = pointer.substr(1, end - 1); !step.empty(); step.remove_prefix(1))
        if (step.starts_with("~0") || step.starts_with("~1")) {
          name += step[1] == '0' ? '~' : '/';
          step.remove_prefix(1);
        } else if (step.starts_with("%25")) {
          name += '%';
          step.remove_prefix(2);
        } else {
          name += step[0];
        }
      at = at->is_array() ? &at->items()[std::stoul(name)] : at->find(name);
      pointer.remove_prefix(end);
    }
    return *at;
  }
  bool is_valid(const json_value& s, const json_value& v) const {
    if (s.boolean()) return *s.boolean();
    for (const auto& [key, k] : s.members())
      if (!holds(s, key, k, v)) return false;
    return true;
  }
  bool holds(const json_value& s, const std::string& key, const json_value& k, const json_value& v) const {
    const auto count_of = [](auto&& list, auto&& f) {
      std::size_t n = 0;
      for (const auto& one : list) n += f(one);
      return n;
    };
    const auto matches = [&](const json_value& one) { return is_valid(one, v); };
    const double n = k.number().value_or(0), number = v.number().value_or(0);
    if (key == "$ref") return is_valid(target(*k.text()), v);
    if (key == "anyOf") return count_of(k.items(), matches) > 0;
    if (key == "oneOf") return count_of(k.items(), matches) == 1;
    if (key == "allOf") return count_of(k.items(), matches) == k.items().size();
    if (key == "enum") return count_of(k.items(), [&](const json_value& one) { return equal(one, v); }) > 0;
    if (key == "const") return equal(k, v);
    if (key == "type" && k.text()) return is_type(*k.text(), v);
    if (key == "type") return count_of(k.items(), [&](const json_value& t) { return is_type(*t.text(), v); }) > 0;
    if (v.number()) {
      if (key == "minimum") return number >= n;
      if (key == "maximum") return number <= n;
      if (key == "exclusiveMinimum") return number > n;
      if (key == "exclusiveMaximum") return number < n;
    }
    if (v.text()) {
      if (key == "minLength") return static_cast<double>(code_points(*v.text())) >= n;
      if (key == "maxLength") return static_cast<double>(code_points(*v.text())) <= n;
    }
    if (v.is_array()) {
      const auto& items = v.items();
      const json_value* prefix = s.find("prefixItems");
      if (key == "minItems") return static_cast<double>(items.size()) >= n;
      if (key == "maxItems") return static_cast<double>(items.size()) <= n;
      for (std::size_t i = 0; i < items.size(); ++i) {
        const bool is_prefix = prefix && i < prefix->items().size();
        if (key == "prefixItems" && is_prefix && !is_valid(k.items()[i], items[i])) return false;
        if (key == "items" && !is_prefix && !is_valid(k, items[i])) return false;
      }
    }
    if (v.is_object()) {
      if (key == "required")
        return count_of(k.items(), [&](const json_value& name) { return v.find(*name.text()) != nullptr; }) ==
               k.items().size();
      const json_value* properties = s.find("properties");
      for (const auto& [name, value] : v.members()) {
        const json_value* own = properties ? properties->find(name) : nullptr;
        if (key == "properties" && own && !is_valid(*own, value)) return false;
        if (key == "additionalProperties" && !own && !is_valid(k, value)) return false;
      }
    }
    return true;
  }

  const json_value& root_;
};

}  // namespace grammar_test
