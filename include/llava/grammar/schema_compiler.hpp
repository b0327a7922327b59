// SPDX-License-Identifier: Apache-2.0
/// schema_compiler: JSON Schema to an automaton. json_schema.hpp says what is read. Every subschema that is reached
/// becomes a rule, once; a list of rules to do replaces recursion.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/grammar/bounded_number.hpp>
#include <llava/grammar/json_rules.hpp>
#include <llava/grammar/schema_disjoint.hpp>
#include <llava/grammar/schema_keywords.hpp>
#include <llava/grammar/schema_places.hpp>
#include <llava/grammar/schema_reference.hpp>

LLAVA_BEGIN

namespace detail {

class schema_compiler {
 public:
  static constexpr std::size_t most_rules = 10000;

  schema_compiler(automaton_builder& a, json_space space, const json_value& root)
      : a_(a), rules_(a, space), find_(root), places_(root) {}

  /// The JSON pointer of the subschema that the last error is about, or empty.
  const std::string& failed_at() const { return places_.failed_at(); }
  /// Returns the rule of the root. Errors name the keyword and its place.
  result<std::uint32_t> try_run() {
    const std::uint32_t root = rule_of(0);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_.size() > most_rules)
        return fail(errc::unsupported, text_of("llava: the schema has more than ", most_rules, " subschemas"));
      if (a_.is_full()) break;  // try_finish() reports it
      LLAVA_CHECK(compile(static_cast<std::uint32_t>(i)));
    }
    LLAVA_CHECK(places_.refuse_left_recursion());
    return root;
  }

 private:
  std::uint32_t rule_of(std::uint32_t place) {
    while (starts_.size() <= place) starts_.push_back(a_.state());
    return starts_[place];
  }
  std::uint32_t rule_of(schema_place p) { return rule_of(places_.number_of(p)); }

  result<void> compile(std::uint32_t here) {
    const std::uint32_t start = rule_of(here);
    const json_value& schema = *places_[here].value;
    if (schema.boolean()) {
      if (*schema.boolean()) a_.jump(start, rules_.any());
      return {};
    }
    if (!schema.is_object()) return places_.malformed(here, "value", "an object, true or false");
    schema_keywords k;
    if (const std::string_view unknown = k.read(schema); !unknown.empty())
      return places_.error_at(here, text_of("keyword \"", shown(unknown), "\""), "is not supported; leave it out");
    if (k.ref) return compile_reference(here, k);
    if (k.any_of || k.one_of || k.all_of) return compile_alternatives(here, k);
    LLAVA_TRY(types, try_types(here, k));
    if (k.constants || k.constant) return compile_constants(here, k, types);
    if (types & type_null) a_.literal(start, "null", end_);
    if (types & type_boolean) a_.literal(start, "true", end_), a_.literal(start, "false", end_);
    if (types & (type_integer | type_number)) LLAVA_CHECK(compile_number(here, k, types));
    if (types & type_string) LLAVA_CHECK(compile_string(here, k));
    if (types & type_array) LLAVA_CHECK(compile_array(here, k));
    if (types & type_object) LLAVA_CHECK(compile_object(here, k));
    return {};
  }

  /// No other keyword that restricts the value may stand beside `one` and `two`.
  result<void> alone(std::uint32_t here, const schema_keywords& k, std::string_view name,
                     const json_value* schema_keywords::*one, const json_value* schema_keywords::*two) const {
    const std::string_view other = k.beside(one, two);
    if (other.empty()) return {};
    return places_.error_at(here, text_of("\"", other, "\""), text_of("is not supported beside \"", name, "\""));
  }

  result<void> compile_reference(std::uint32_t here, const schema_keywords& k) {
    LLAVA_CHECK(alone(here, k, "$ref", &schema_keywords::ref, nullptr));
    if (!k.ref->text()) return places_.malformed(here, "\"$ref\"", "a string");
    const json_value* target = find_(*k.ref->text());
    if (!target)
      return places_.error_at(
          here, "\"$ref\"",
          text_of("is \"", shown(*k.ref->text()), "\", expected # or a JSON pointer into this schema, #/$defs/…"),
          errc::not_found);
    const std::string_view pointer = *k.ref->text();  // "#/$defs/…" is the place's own pointer
    add_alternative(here, {target, 0, pointer.substr((std::min)(pointer.size(), std::size_t{2}))});
    return {};
  }
  result<void> compile_alternatives(std::uint32_t here, const schema_keywords& k) {
    const auto member = k.any_of   ? &schema_keywords::any_of
                        : k.one_of ? &schema_keywords::one_of
                                   : &schema_keywords::all_of;
    const std::string_view name = k.any_of ? "anyOf" : k.one_of ? "oneOf" : "allOf";
    LLAVA_CHECK(alone(here, k, name, member, nullptr));
    const json_value& list = *(k.*member);
    if (list.items().empty()) return places_.malformed(here, text_of("\"", name, "\""), "an array of subschemas");
    if (k.all_of && list.items().size() > 1)
      return places_.error_at(here, "\"allOf\"", "is supported with one subschema; merge its subschemas into one");
    if (k.one_of && !are_disjoint(list.items(), find_))
      return places_.error_at(
          here, "\"oneOf\"",
          "may have two subschemas that accept the same value; use anyOf, or subschemas of different types, with "
          "different constants, or with a required property of different constants");
    for (std::size_t i = 0; i < list.items().size(); ++i)
      add_alternative(here, {&list.items()[i], here, name, {}, static_cast<std::int64_t>(i)});
    return {};
  }
  void add_alternative(std::uint32_t here, schema_place p) {
    const std::uint32_t there = places_.number_of(p);
    a_.jump(starts_[here], rule_of(there));
    places_.is_also(here, there);
  }

  result<unsigned> try_types(std::uint32_t here, const schema_keywords& k) const {
    if (!k.type) {
      const unsigned implied = (k.of_objects() ? type_object : 0u) | (k.of_arrays() ? type_array : 0u) |
                               (k.of_strings() ? type_string : 0u) | (k.of_numbers() ? type_number : 0u);
      return implied ? implied : unsigned{every_type};
    }
    unsigned types = 0;
    const auto add = [&](const json_value& v) {
      if (v.text())
        for (const auto& [name, type] : json_types)
          if (*v.text() == name && !(types & type)) return types |= type, true;
      return false;
    };
    bool is_right = !k.type->is_array() || !k.type->items().empty();
    for (const json_value& v : k.type->items()) is_right = is_right && add(v);
    if (!k.type->is_array()) is_right = add(*k.type);
    if (!is_right)
      return places_.malformed(here, "\"type\"",
                               "null, boolean, integer, number, string, array, object, or a list of different ones");
    return types;
  }

  result<void> compile_constants(std::uint32_t here, const schema_keywords& k, unsigned types) {
    const bool one = k.constant;
    LLAVA_CHECK(alone(here, k, one ? "const" : "enum", one ? &schema_keywords::constant : &schema_keywords::constants,
                      &schema_keywords::type));
    if (!one && !k.constants->is_array()) return places_.malformed(here, "\"enum\"", "an array");
    std::vector<std::string> texts;
    int levels = 0;
    const auto add = [&](const json_value& v) {
      if (!has_type(v, types)) return;
      append_compact_json(texts.emplace_back(), v);
      levels = (std::max)(levels, levels_of(v));
    };
    if (one) add(*k.constant);
    if (!one)
      for (const json_value& v : k.constants->items()) add(v);
    a_.one_of(starts_[here], std::move(texts));
    if (!a_.is_full()) a_[starts_[here]].floor = static_cast<std::uint8_t>(levels);
    return {};
  }

  result<void> compile_number(std::uint32_t here, const schema_keywords& k, unsigned types) {
    if ((types & type_number) && !k.of_numbers()) return number_rule(a_, starts_[here]), result<void>();
    for (const auto member :
         {&schema_keywords::minimum, &schema_keywords::maximum, &schema_keywords::above, &schema_keywords::beneath})
      if (k.*member && !(k.*member)->number())
        return places_.malformed(here, text_of("\"", schema_keywords::name_of(member), "\""), "a number");
    if (types & type_number) return compile_bounded_number(here, k);
    std::int64_t low = -largest_integer, high = largest_integer;
    const auto limit = [&](const json_value* v, bool is_low, bool excluded) {
      if (!v) return;
      const double d = std::clamp(*v->number(), -2e18, 2e18);
      constexpr std::int64_t most = 2 * largest_integer;
      std::int64_t bound = v->integer() ? std::clamp(*v->integer(), -most, most)
                                        : static_cast<std::int64_t>(is_low ? std::ceil(d) : std::floor(d));
      if (excluded && (v->integer() || d == std::floor(d))) bound += is_low ? 1 : -1;
      (is_low ? low : high) = is_low ? (std::max)(low, bound) : (std::min)(high, bound);
    };
    limit(k.minimum, true, false);
    limit(k.maximum, false, false);
    limit(k.above, true, true);
    limit(k.beneath, false, true);
    if (low <= high) integer_rule(a_, starts_[here], low, high);
    return {};
  }
  result<void> compile_bounded_number(std::uint32_t here, const schema_keywords& k) {
    constexpr double infinite = std::numeric_limits<double>::infinity();
    const auto value = [](const json_value* v, double absent) { return v ? v->number().value_or(absent) : absent; };
    const double minimum = value(k.minimum, -infinite), above = value(k.above, -infinite);
    const double maximum = value(k.maximum, infinite), beneath = value(k.beneath, infinite);
    if (bounded_number_rule::make(a_, starts_[here], (std::max)(minimum, above), above >= minimum,
                                  (std::min)(maximum, beneath), beneath <= maximum))
      return {};
    return places_.error_at(here, "bounds of a number",
                            text_of("have more than ", most_digits, " digits on a side of the point"));
  }

  static constexpr double most_least = 65536, most_most = 2147483647;

  result<void> compile_string(std::uint32_t here, const schema_keywords& k) {
    LLAVA_TRY(least, places_.try_count(here, k.min_length, "minLength", 0, most_least));
    LLAVA_TRY(most, places_.try_count(here, k.max_length, "maxLength", no_limit, most_most));
    if (least > most) return {};
    string_rule rule;
    rule.least = least, rule.most = most;
    if (rule.is_bounded())
      a_.string(starts_[here], rule);
    else
      a_.jump(starts_[here], rules_.text());
    return {};
  }

  result<void> compile_array(std::uint32_t here, const schema_keywords& k) {
    array_shape shape;
    LLAVA_TRY(least, places_.try_count(here, k.min_items, "minItems", 0, most_least));
    LLAVA_TRY(most, places_.try_count(here, k.max_items, "maxItems", no_limit, most_most));
    shape.least = least, shape.most = most;
    if (k.prefix && !k.prefix->is_array()) return places_.malformed(here, "\"prefixItems\"", "an array of subschemas");
    if (k.prefix)
      for (std::size_t i = 0; i < k.prefix->items().size(); ++i)
        shape.prefix.push_back(rule_of({&k.prefix->items()[i], here, "prefixItems", {}, static_cast<std::int64_t>(i)}));
    if (k.items && k.items->is_array())
      return places_.malformed(here, "\"items\"", "a subschema; use prefixItems for a list");
    if (k.items)
      shape.item = rule_of({k.items, here, "items"});
    else if (!k.prefix)
      shape.item = rules_.any();
    const std::uint32_t list = a_.state();
    a_.jump(starts_[here], list);
    rules_.array(list, shape);
    return {};
  }

  result<void> compile_object(std::uint32_t here, const schema_keywords& k) {
    if (k.properties && !k.properties->is_object())
      return places_.malformed(here, "\"properties\"", "an object of subschemas");
    if (k.required && !k.required->is_array()) return places_.malformed(here, "\"required\"", "an array of names");
    std::unordered_set<std::string_view> required;
    if (k.required)
      for (const json_value& name : k.required->items()) {
        if (!name.text()) return places_.malformed(here, "\"required\"", "an array of names");
        required.insert(*name.text());
      }
    std::vector<property_rule> properties;
    std::unordered_set<std::string_view> named;
    if (k.properties)
      for (const auto& [name, value] : k.properties->members()) {
        properties.push_back({name, rule_of({&value, here, "properties", name}), required.contains(name)});
        named.insert(name);
      }
    std::optional<std::uint32_t> others;
    const bool none = k.additional ? k.additional->boolean() && !*k.additional->boolean() : k.properties != nullptr;
    if (!none) others = k.additional ? rule_of({k.additional, here, "additionalProperties"}) : rules_.any();
    if (k.required)
      for (const json_value& name : k.required->items()) {
        if (!named.insert(*name.text()).second) continue;
        if (!others && !k.additional) others = rules_.any();
        if (!others)
          return places_.error_at(here, "\"required\"",
                                  text_of("names \"", shown(*name.text()), "\", which additionalProperties forbids"),
                                  errc::invalid_argument);
        if (properties.size() >= most_rules) return too_many();
        properties.push_back({*name.text(), *others, true});
      }
    if (none) others.reset();
    const std::uint32_t dict = a_.state();
    a_.jump(starts_[here], dict);
    rules_.object(dict, properties, others);
    return {};
  }
  static error too_many() {
    return fail(errc::unsupported, text_of("llava: the schema has more than ", most_rules, " properties"));
  }

  automaton_builder& a_;
  json_rules rules_;
  schema_reference find_;
  schema_places places_;
  std::vector<std::uint32_t> starts_;  // of the rules of the places
  std::uint32_t end_ = a_.final_state();
};

}  // namespace detail

LLAVA_END
