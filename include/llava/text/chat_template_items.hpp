// SPDX-License-Identifier: Apache-2.0
/// Items of lists, strings and dictionaries in chat templates, by key, index or path; and the methods of dictionaries.
#pragma once
#include <charconv>
#include <cstdint>
#include <string_view>

#include <llava/text/chat_template_run.hpp>
#include <llava/text/chat_template_texts.hpp>

LLAVA_BEGIN

namespace detail {

class template_items {
 public:
  using value = template_value;
  using type = template_type;
  explicit template_items(template_run& run) : run_(run) {}

  /// Calls a method of a dictionary.
  value method(const value& dict, std::string_view name, const template_arguments& given) {
    const value* key = given.find(0, "");
    if (name == "items") return pairs(dict, false);
    if (name == "keys") return run_.walk(dict);
    if (name == "values") return run_.memory.list(dict.object->items);
    if (name == "get" && key) {
      const value* found = key->is(type::text) ? run_.find(dict, key->text) : nullptr;
      const value* otherwise = given.find(1, "");
      return found ? *found : otherwise ? *otherwise : template_none();
    }
    return run_.fail("the method '", name, "' of a dictionary is not supported");
  }
  static bool is_method(std::string_view name) {
    return template_list_has(" clear copy fromkeys get items keys pop popitem setdefault update values ", name);
  }

  /// v[key]; undefined if there is no such item.
  value item(const value& v, const value& key) {
    if (v.is(type::undefined)) return run_.fail("cannot index ", v);
    if (v.has_keys() && key.is(type::text)) {
      const value* found = run_.find(v, key.text);
      return found ? *found : template_undefined(key.text);
    }
    if (!key.is_number() || (!v.is_list() && !v.is(type::text)))
      return template_undefined(key.is(type::text) ? key.text : "an item");
    const std::int64_t n = run_.length(v), i = key.number < 0 ? key.number + n : key.number;
    if (i < 0 || i >= n) return template_undefined("an item");
    if (v.is_list()) return v.object->items[static_cast<std::size_t>(i)];
    std::size_t at = 0;
    for (std::int64_t k = 0; k < i; ++k) at += utf8_at(v.text, at).bytes;
    return template_text(v.text.substr(at, utf8_at(v.text, at).bytes));
  }
  /// The item at a dotted path of names and indices.
  value by_path(value v, const value& path) {
    if (!path.is(type::text)) return item(v, path);
    std::string_view left = path.text;
    while (!run_.failed()) {
      const std::string_view part = left.substr(0, left.find('.'));
      std::int64_t number = 0;
      const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), number);
      const bool is_number =
          !part.empty() && part[0] != '-' && failure == std::errc() && end == part.data() + part.size();
      v = item(v, is_number ? template_integer(number) : template_text(part));
      if (part.size() == left.size()) break;
      left.remove_prefix(part.size() + 1);
    }
    return v;
  }
  /// The [key, item] pairs of a dictionary; `once`: as a stream.
  value pairs(const value& v, bool once) {
    const value out = run_.memory.make(once ? type::stream : type::list);
    if (v.is(type::undefined)) return out;
    if (!v.is(type::dict)) return run_.fail("cannot list the items of ", v);
    for (std::size_t i = 0; i < v.object->keys.size() && run_.work(); ++i) {
      run_.memory.count_items(1);
      out.object->items.push_back(run_.memory.list({template_text(v.object->keys[i]), v.object->items[i]}));
    }
    return out;
  }

 private:
  template_run& run_;
};

}  // namespace detail

LLAVA_END
