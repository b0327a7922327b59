// SPDX-License-Identifier: Apache-2.0
/// What `llava info` says: lines of text, or one JSON object. Each fact is stated once in both forms.
#pragma once
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/text/utf8.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A list of facts.
class facts {
 public:
  using object = llava::json_value::object;

  /// A fact: a line "key:  text", and the member `key` with this value.
  template <class T>
  void add(std::string_view key, std::string text, T value) {
    lines_.emplace_back(key, std::move(text));
    set_member(root_, member_of(key), std::move(value));
  }
  /// A fact whose value is its text.
  void add(std::string_view key, const std::string& text) { add(key, text, llava::valid_utf8(text)); }
  /// One of several facts of a kind: a line, and an element of the array `key`.
  void add_to(std::string_view key, std::string text, object value) {
    lines_.emplace_back(key, std::move(text));
    llava::json_value::array list;
    for (const auto& [name, known] : root_)
      if (name == member_of(key)) list = known.items();
    list.emplace_back(std::move(value));
    set_member(root_, member_of(key), llava::json_value(std::move(list)));
  }

  /// "folder:       examples/tiny", one line each.
  std::string text() const;
  std::string json() const { return llava::json_text(llava::json_value(root_)); }

 private:
  /// "published as" is "published_as" in JSON.
  static std::string member_of(std::string_view key) {
    std::string name(key);
    for (char& c : name)
      if (c == ' ') c = '_';
    return name;
  }

  std::vector<std::pair<std::string, std::string>> lines_;
  object root_;
};

/// A number of bytes as JSON.
inline llava::json_value bytes_in_json(std::uint64_t n) { return llava::json_of(static_cast<std::int64_t>(n)); }

/// Says what the published model of this name is, and what it needs; empty if there is none.
std::optional<facts> published_facts(std::string_view name);

/// Adds the memory that the model takes in each format of weights (--dtype) in which it can be opened.
void add_memory(const llava::checkpoint& from, facts& to);
