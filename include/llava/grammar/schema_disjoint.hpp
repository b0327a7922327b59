// SPDX-License-Identifier: Apache-2.0
/// are_disjoint: whether no value can match two of the subschemas of oneOf, which then is anyOf. It answers yes only
/// where it can tell: different types, different constants, or a required property of different constants.
#pragma once
#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/grammar/constants.hpp>
#include <llava/grammar/schema_keywords.hpp>
#include <llava/grammar/schema_reference.hpp>

LLAVA_BEGIN

namespace detail {

/// What a subschema says of its values.
struct schema_facts {
  unsigned types = every_type;
  bool has_constants = false;
  std::vector<std::string> constants;                             // sorted; equal values have equal texts
  std::map<std::string, std::vector<std::string>> distinguished;  // required properties with constants
};

/// A text that equal values share: 1 and 1.0 are equal, and so are objects with their members in another order.
inline std::string text_of_value(const json_value& v) {
  std::string out;
  if (v.number()) {
    append_json_number(*v.number(), out);
  } else if (v.is_array()) {
    for (const json_value& item : v.items()) out += text_of_value(item) + ',';
    out = '[' + out + ']';
  } else if (v.is_object()) {
    std::map<std::string, std::string> sorted;
    for (const auto& [key, value] : v.members()) sorted[json_string(key)] = text_of_value(value);
    for (const auto& [key, value] : sorted) out += key + ':' + value + ',';
    out = '{' + out + '}';
  } else {
    append_compact_json(out, v);
  }
  return out;
}

class schema_disjointness {
 public:
  explicit schema_disjointness(schema_reference& find) : find_(find) {}

  schema_facts facts_of(const json_value& schema, bool with_properties) const {
    schema_facts f;
    schema_keywords k;
    const json_value* s = &schema;
    for (int hops = 0; hops < 64; ++hops) {
      k = {};
      k.read(*s);
      const json_value* next = k.ref && k.ref->text() ? find_(*k.ref->text()) : nullptr;
      if (!next) break;
      s = next;
    }
    if (k.ref || k.any_of || k.one_of || k.all_of) return f;
    if (k.type) {
      f.types = 0;
      const auto add = [&](const json_value& v) {
        for (const auto& [name, type] : json_types)
          if (v.text() && *v.text() == name) f.types |= type == type_number ? type_number | type_integer : type;
      };
      add(*k.type);
      for (const json_value& v : k.type->items()) add(v);
    }
    if (k.constant) f.constants.push_back(text_of_value(*k.constant));
    if (k.constants && !k.constant)
      for (const json_value& v : k.constants->items()) f.constants.push_back(text_of_value(v));
    f.has_constants = k.constant || k.constants;
    std::sort(f.constants.begin(), f.constants.end());
    if (!with_properties || f.types != type_object || !k.properties || !k.required) return f;
    for (const json_value& name : k.required->items()) {
      const json_value* p = name.text() ? k.properties->find(*name.text()) : nullptr;
      if (!p) continue;
      schema_facts of_property = facts_of(*p, false);
      if (of_property.has_constants) f.distinguished[*name.text()] = std::move(of_property.constants);
    }
    return f;
  }
  static bool differ(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    std::vector<std::string> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    return both.empty();
  }
  static bool differ(const schema_facts& a, const schema_facts& b) {
    if (!(a.types & b.types)) return true;
    if (a.has_constants && b.has_constants) return differ(a.constants, b.constants);
    for (const auto& [name, constants] : a.distinguished)
      if (const auto other = b.distinguished.find(name); other != b.distinguished.end())
        if (differ(constants, other->second)) return true;
    return false;
  }

 private:
  schema_reference& find_;
};

inline bool are_disjoint(std::span<const json_value> schemas, schema_reference& find) {
  if (schemas.size() > 256) return false;
  const schema_disjointness compare(find);
  std::vector<schema_facts> facts;
  for (const json_value& s : schemas) facts.push_back(compare.facts_of(s, true));
  for (std::size_t i = 0; i < facts.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!schema_disjointness::differ(facts[i], facts[j])) return false;
  return true;
}

}  // namespace detail

LLAVA_END
