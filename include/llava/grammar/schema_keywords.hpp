// SPDX-License-Identifier: Apache-2.0
/// schema_keywords: the keywords of one subschema.
#pragma once
#include <string_view>

#include <llava/checkpoint/json_value.hpp>

LLAVA_BEGIN

namespace detail {

/// The keywords that are supported, null if absent.
struct schema_keywords {
  const json_value *ref = nullptr, *any_of = nullptr, *one_of = nullptr, *all_of = nullptr, *constants = nullptr,
                   *constant = nullptr, *type = nullptr, *properties = nullptr, *required = nullptr,
                   *additional = nullptr, *items = nullptr, *prefix = nullptr, *min_items = nullptr,
                   *max_items = nullptr, *min_length = nullptr, *max_length = nullptr, *minimum = nullptr,
                   *maximum = nullptr, *above = nullptr, *beneath = nullptr;

  struct named {
    std::string_view name;
    const json_value* schema_keywords::*member;
  };
  static constexpr named names[] = {
      {"$ref", &schema_keywords::ref},
      {"anyOf", &schema_keywords::any_of},
      {"oneOf", &schema_keywords::one_of},
      {"allOf", &schema_keywords::all_of},
      {"enum", &schema_keywords::constants},
      {"const", &schema_keywords::constant},
      {"type", &schema_keywords::type},
      {"properties", &schema_keywords::properties},
      {"required", &schema_keywords::required},
      {"additionalProperties", &schema_keywords::additional},
      {"items", &schema_keywords::items},
      {"prefixItems", &schema_keywords::prefix},
      {"minItems", &schema_keywords::min_items},
      {"maxItems", &schema_keywords::max_items},
      {"minLength", &schema_keywords::min_length},
      {"maxLength", &schema_keywords::max_length},
      {"minimum", &schema_keywords::minimum},
      {"maximum", &schema_keywords::maximum},
      {"exclusiveMinimum", &schema_keywords::above},
      {"exclusiveMaximum", &schema_keywords::beneath},
  };
  static constexpr std::string_view annotations[] = {"title",       "description", "default",  "examples",
                                                     "$schema",     "$id",         "$comment", "$defs",
                                                     "definitions", "deprecated",  "readOnly", "writeOnly"};

  bool of_objects() const { return properties || required || additional; }
  bool of_arrays() const { return items || prefix || min_items || max_items; }
  bool of_strings() const { return min_length || max_length; }
  bool of_numbers() const { return minimum || maximum || above || beneath; }

  /// Reads the members of an object. Returns the first keyword that is not supported, or an empty name.
  std::string_view read(const json_value& schema) {
    for (const auto& [name, value] : schema.members()) {
      bool known = false;
      for (const std::string_view a : annotations) known = known || a == name;
      for (const named& n : names)
        if (n.name == name) this->*n.member = &value, known = true;
      if (!known) return name;
    }
    return {};
  }
  static std::string_view name_of(const json_value* schema_keywords::*member) {
    for (const named& n : names)
      if (n.member == member) return n.name;
    return {};
  }
  /// The first keyword that is present other than these two.
  std::string_view beside(const json_value* schema_keywords::*one, const json_value* schema_keywords::*two) const {
    for (const named& n : names)
      if (this->*n.member && n.member != one && n.member != two) return n.name;
    return {};
  }
};

}  // namespace detail

LLAVA_END
