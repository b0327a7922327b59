// SPDX-License-Identifier: Apache-2.0
/// The values of a chat template, as in Python, without floats. A value is cheap to copy. Its strings, lists and
/// dictionaries are owned by a template_memory, which must outlive it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The type of a value. `stream`: a list that can be iterated once, as Python's generators. `content`: a list, the
/// parts of a message.
enum class template_type : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  text,
  list,
  content,
  stream,
  dict,
  name_space,
  function,
  macro,
  loop
};

struct template_object;

/// One value; undefined by default.
struct template_value {
  template_type type = template_type::undefined;
  std::int64_t number = 0;            ///< of a boolean or integer; index of a macro or loop
  std::string_view text;              ///< of a string; name of a function, macro or undefined value
  template_object* object = nullptr;  ///< items of lists and dictionaries; otherwise null

  bool is(template_type t) const { return type == t; }
  bool is_number() const { return is(template_type::integer) || is(template_type::boolean); }
  bool is_list() const { return is(template_type::list) || is(template_type::content); }
  bool has_keys() const { return is(template_type::dict) || is(template_type::name_space); }
};

/// The items of a list, or the keys and items of a dictionary, in order of insertion.
struct template_object {
  std::vector<std::string_view> keys;
  std::vector<template_value> items;
  std::size_t taken = 0;  ///< number of items that a stream has yielded

  const template_value* find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) return &items[i];
    return nullptr;
  }
  void set(std::string_view key, const template_value& v) {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) {
        items[i] = v;
        return;
      }
    keys.push_back(key);
    items.push_back(v);
  }
};

/// @name Values that allocate nothing
/// @{
inline template_value template_undefined(std::string_view name) { return {template_type::undefined, 0, name, nullptr}; }
inline template_value template_none() { return {template_type::none, 0, {}, nullptr}; }
inline template_value template_boolean(bool b) { return {template_type::boolean, b ? 1 : 0, {}, nullptr}; }
inline template_value template_integer(std::int64_t i) { return {template_type::integer, i, {}, nullptr}; }
/// Does not copy the text, which must outlive the value.
inline template_value template_text(std::string_view text) { return {template_type::text, 0, text, nullptr}; }
/// @}

/// Owns the strings and objects that values refer to.
class template_memory {
 public:
  std::string_view keep(std::string text) {
    bytes_ += text.size() + sizeof(std::string);
    return *texts_.emplace_back(std::make_unique<const std::string>(std::move(text)));
  }
  template_value text(std::string t) { return template_text(keep(std::move(t))); }
  /// An empty object of a type with items.
  template_value make(template_type type) {
    bytes_ += sizeof(template_object);
    return {type, 0, {}, objects_.emplace_back(std::make_unique<template_object>()).get()};
  }
  template_value list(std::vector<template_value> items) {
    count_items(items.size());
    const template_value v = make(template_type::list);
    v.object->items = std::move(items);
    return v;
  }
  std::size_t bytes() const { return bytes_; }
  /// Adds n items to bytes(), whether they are in an object or in temporary storage.
  void count_items(std::size_t n) { bytes_ += n * (sizeof(template_value) + sizeof(std::string_view)); }

 private:
  std::vector<std::unique_ptr<const std::string>> texts_;
  std::vector<std::unique_ptr<template_object>> objects_;
  std::size_t bytes_ = 0;
};

/// A part of an error sentence: a text, a number or the type of a value. It is two machine words, since there are many
/// such sentences.
class template_problem_part {
 public:
  template_problem_part(std::string_view text) : at_(text.data()), size_(text.size()) {}
  template_problem_part(const char* text) : template_problem_part(std::string_view(text)) {}
  template_problem_part(int number) : at_(nullptr), size_(static_cast<std::size_t>(number)) {}
  template_problem_part(const template_value& v) : at_(&v), size_(is_value) {}

  void append_to(std::string& to) const {
    if (size_ == is_value) {
      const auto& v = *static_cast<const template_value*>(at_);
      if (v.is(template_type::undefined) && !v.text.empty())
        to.append("'").append(v.text).append("', which is not defined");
      else
        to += name_of(v.type);
    } else if (at_) {
      to.append(static_cast<const char*>(at_), size_);
    } else if (size_ > 0) {
      to += text_of(size_);
    }
  }

 private:
  static constexpr std::size_t is_value = static_cast<std::size_t>(-1);
  static std::string_view name_of(template_type t) {
    constexpr std::string_view names[] = {"an undefined value", "none",       "a boolean", "a number",
                                          "a string",           "a list",     "a list",    "a list",
                                          "a dictionary",       "a namespace"};
    const auto i = static_cast<std::size_t>(t);
    return i < std::size(names) ? names[i] : std::string_view("a function");
  }

  const void* at_;
  std::size_t size_;
};

/// The error sentence, with the line number in the template.
[[gnu::cold]] inline std::string template_error(std::uint32_t line, const template_problem_part* parts,
                                                std::size_t count) {
  std::string out = text_of("line ", line, ": ");
  for (std::size_t i = 0; i < count; ++i) parts[i].append_to(out);
  return out;
}

LLAVA_END
