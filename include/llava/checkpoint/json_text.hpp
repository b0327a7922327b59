// SPDX-License-Identifier: Apache-2.0
/// without_members: JSON text without some of its members. All other characters stay as they are: order, numbers and
/// white space of a file that another program wrote.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// Walks over JSON text, which must be valid.
struct json_walk {
  std::string_view text;

  std::size_t after_space(std::size_t at) const {
    return (std::min)(text.find_first_not_of(" \t\r\n", at), text.size());
  }
  /// The end of the string that begins at `at`.
  std::size_t after_string(std::size_t at) const {
    for (++at; at < text.size() && text[at] != '"'; ++at)
      if (text[at] == '\\') ++at;
    return (std::min)(at + 1, text.size());
  }
  /// The end of the value that begins at `at`.
  std::size_t after_value(std::size_t at) const {
    std::size_t depth = 0;
    do {
      const char c = text[at];
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      at = c == '"' ? after_string(at) : at + 1;
    } while (at < text.size() &&
             (depth > 0 || std::string_view(",]} \t\r\n").find(text[at]) == std::string_view::npos));
    return at;
  }
};

}  // namespace detail

/// The JSON text without the members called `key` of all its objects. `text` must be valid JSON, and `key` a name that
/// needs no escapes.
inline std::string without_members(std::string_view text, std::string_view key) {
  const detail::json_walk walk{text};
  std::string kept;
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '"') {
      ++at;
      continue;
    }
    const std::size_t begin = at, colon = walk.after_space(at = walk.after_string(at));
    if (text.substr(begin + 1, at - begin - 2) != key || text.substr(colon, 1) != ":") continue;
    const std::size_t end = walk.after_value(walk.after_space(colon + 1)), comma = walk.after_space(end);
    const bool is_last = text.substr(comma, 1) != ",";
    kept += text.substr(copied, begin - copied);
    if (is_last)  // the comma in front of it goes
      if (const std::size_t last = kept.find_last_not_of(" \t\r\n"); last != std::string::npos)
        kept.resize(kept[last] == ',' ? last : last + 1);
    copied = at = is_last ? end : walk.after_space(comma + 1);
  }
  return kept.append(text.substr(copied));
}

LLAVA_END
