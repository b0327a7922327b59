// SPDX-License-Identifier: Apache-2.0
/// schema_reference: finds what `$ref` names: "#" or "#/…", a JSON pointer (RFC 6901) in a URI fragment.
#pragma once
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include <llava/checkpoint/json_value.hpp>

LLAVA_BEGIN

namespace detail {

class schema_reference {
 public:
  explicit schema_reference(const json_value& root) : root_(&root) {}

  /// The value, or null.
  const json_value* operator()(std::string_view reference) {
    if (reference.substr(0, 1) != "#") return nullptr;
    reference.remove_prefix(1);
    const json_value* at = root_;
    while (at && !reference.empty()) {
      if (reference[0] != '/') return nullptr;
      const std::string_view step = reference.substr(1, reference.find('/', 1) - 1);
      reference.remove_prefix(step.size() + 1);
      std::string name;
      if (!decode(step, name)) return nullptr;
      at = at->is_array() ? element(*at, name) : member(*at, name);
    }
    return at;
  }

 private:
  static bool decode(std::string_view step, std::string& name) {
    std::string escaped;
    for (std::size_t i = 0; i < step.size(); ++i) {
      unsigned char byte = static_cast<unsigned char>(step[i]);
      if (byte == '%') {
        if (step.size() - i < 3) return false;
        const auto end = std::from_chars(step.data() + i + 1, step.data() + i + 3, byte, 16);
        if (end.ec != std::errc() || end.ptr != step.data() + i + 3) return false;
        i += 2;
      }
      escaped += static_cast<char>(byte);
    }
    for (std::size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] != '~') {
        name += escaped[i];
        continue;
      }
      if (++i == escaped.size() || (escaped[i] != '0' && escaped[i] != '1')) return false;
      name += escaped[i] == '0' ? '~' : '/';
    }
    return true;
  }
  static const json_value* element(const json_value& list, std::string_view name) {
    std::size_t index = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (failure != std::errc() || end != name.data() + name.size() || index >= list.items().size()) return nullptr;
    return &list.items()[index];
  }
  /// Looks names up in an index, because a schema may refer to each of many thousand definitions.
  const json_value* member(const json_value& object, const std::string& name) {
    auto& index = members_[&object];
    if (index.empty())
      for (const auto& [key, value] : object.members()) index.emplace(key, &value);
    const auto found = index.find(name);
    return found == index.end() ? nullptr : found->second;
  }

  const json_value* root_;
  std::unordered_map<const json_value*, std::unordered_map<std::string_view, const json_value*>> members_;
};

}  // namespace detail

LLAVA_END
