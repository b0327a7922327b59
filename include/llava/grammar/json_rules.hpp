// SPDX-License-Identifier: Apache-2.0
/// json_rules: the rules of JSON's containers and of any value, with a bounded policy for white space.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/grammar/automaton.hpp>
#include <llava/grammar/constants.hpp>
#include <llava/grammar/numbers.hpp>

LLAVA_BEGIN

/// The white space that a JSON answer may hold. It is bounded, so that an answer cannot go on with white space.
enum class json_space : std::uint8_t {
  none,   ///< none
  one,    ///< none or one space after a colon and after a comma
  lines,  ///< also one space, or a newline and at most 64 spaces, after a comma and inside each bracket and brace
};

namespace detail {

/// A property that an object may have, at its place in the order.
struct property_rule {
  std::string name;
  std::uint32_t value = 0;
  bool is_required = false;
};

/// The elements of an array: first the rules of `prefix`, then `item` any number of times.
struct array_shape {
  std::vector<std::uint32_t> prefix;
  std::optional<std::uint32_t> item;
  std::uint32_t least = 0, most = no_limit;
};

class json_rules {
 public:
  json_rules(automaton_builder& a, json_space space) : a_(a) {
    if (space == json_space::none) return;
    const std::uint32_t spaced = a_.final_state();
    colon_ = comma_ = a_.final_state();
    a_.byte(colon_, ' ', spaced);
    if (space == json_space::one) return;
    comma_ = bracket_ = a_.final_state();
    a_.byte(comma_, ' ', spaced);
    std::uint32_t at = a_.final_state();
    a_.byte(comma_, '\n', at);
    for (int i = 0; i < 64; ++i) {
      const std::uint32_t next = a_.final_state();
      a_.byte(at, ' ', next);
      at = next;
    }
  }

  /// The rule of any JSON value.
  std::uint32_t any() {
    if (any_ != no_state) return any_;
    any_ = a_.state();
    a_.jump(any_, text());
    number_rule(a_, any_);
    const std::uint32_t end = a_.final_state(), list = a_.state(), dict = any_object();
    for (const char* word : {"true", "false", "null"}) a_.literal(any_, word, end);
    array(list, {.prefix = {}, .item = any_});
    a_.jump(any_, list);
    a_.jump(any_, dict);
    return any_;
  }
  /// The rule of any object.
  std::uint32_t any_object() {
    if (any_object_ != no_state) return any_object_;
    any_object_ = a_.state();
    object(any_object_, {}, any());
    return any_object_;
  }
  /// The rule of any string.
  std::uint32_t text() {
    if (text_ != no_state) return text_;
    a_.string(text_ = a_.state(), {});
    return text_;
  }

  /// Makes `start` the rule of an object: its properties in this order, then others with values of the rule `others`.
  void object(std::uint32_t start, std::span<const property_rule> properties, std::optional<std::uint32_t> others) {
    const std::uint32_t inside = begin(start, '{'), end = a_.final_state(), close = closing('}', end);
    std::size_t last = properties.size();  // from here on, every property may be left out
    while (last > 0 && !properties[last - 1].is_required) --last;
    std::uint32_t next = a_.state();
    a_.jump(inside, next);
    if (last == 0) a_.byte(inside, '}', end);
    for (std::size_t i = 0; i < properties.size() && !a_.is_full(); ++i) {
      const std::uint32_t at = next, after = a_.state(), named = a_.state();
      next = a_.state();
      a_.literal(at, json_string(properties[i].name), named);
      value(named, properties[i].value, after);
      if (!properties[i].is_required) a_.jump(at, next);
      if (i + 1 >= last) a_.jump(after, close);
      follow(after, next);
    }
    if (!others) return;
    const std::uint32_t key = properties.empty() ? text() : a_.state(), named = a_.state(), after = a_.state();
    if (!properties.empty()) {
      std::vector<std::string> names;
      for (const property_rule& p : properties)
        if (json_string(p.name).size() == p.name.size() + 2) names.push_back(p.name);  // the key needs no escapes
      a_.string_except(key, std::move(names));
    }
    a_.call(next, key, named);
    value(named, *others, after);
    a_.jump(after, close);
    follow(after, next);
  }

  /// Makes `start` the rule of an array.
  void array(std::uint32_t start, const array_shape& shape) {
    if (shape.least > shape.most) return;  // no value
    std::uint32_t at = begin(start, '[');
    const std::uint32_t end = a_.final_state(), close = closing(']', end);
    if (shape.least == 0) a_.byte(at, ']', end);
    std::uint32_t count = 0;
    for (const std::uint32_t item : shape.prefix) {
      if (count == shape.most || a_.is_full()) return;
      const std::uint32_t after = a_.state(), next = a_.state();
      a_.nested_call(at, item, after);
      if (++count >= shape.least) a_.jump(after, close);
      if (count < shape.most) follow(after, next);
      at = next;
    }
    if (!shape.item || count == shape.most) return;
    const std::uint32_t least = shape.least > count ? shape.least - count : 0, after = a_.state();
    std::uint32_t loop = a_.state();
    a_.jump(at, loop);
    a_.nested_call(loop, *shape.item, after);
    if (least <= 1 && shape.most == no_limit) {
      a_.jump(after, close);
      follow(after, loop);
      return;
    }
    const std::uint32_t most = shape.most == no_limit ? no_limit : shape.most - count;
    const std::uint32_t counted = a_.state(), more = a_.state();
    a_.guard(after, grammar_arc::add_one, most == no_limit ? least : most, counted);
    a_.guard(counted, grammar_arc::at_least, least, close);
    if (most == no_limit)
      a_.jump(counted, more);
    else
      a_.guard(counted, grammar_arc::below, most, more);
    follow(more, loop);
  }

 private:
  std::uint32_t slot(std::uint32_t from, std::uint32_t space) {
    if (space == no_state) return from;
    const std::uint32_t after = a_.state();
    a_.call(from, space, after);
    return after;
  }
  std::uint32_t begin(std::uint32_t start, char bracket) {
    const std::uint32_t inside = a_.state();
    if (!a_.is_full()) a_[start].floor = 1;
    a_.byte(start, bracket, inside);
    return slot(inside, bracket_);
  }
  std::uint32_t closing(char bracket, std::uint32_t end) {
    const std::uint32_t close = a_.state();
    a_.byte(slot(close, bracket_), bracket, end);
    return close;
  }
  void follow(std::uint32_t after, std::uint32_t next) {
    const std::uint32_t comma = a_.state();
    a_.byte(after, ',', comma);
    a_.jump(slot(comma, comma_), next);
  }
  void value(std::uint32_t named, std::uint32_t rule, std::uint32_t after) {
    const std::uint32_t colon = a_.state();
    a_.byte(named, ':', colon);
    a_.nested_call(slot(colon, colon_), rule, after);
  }

  automaton_builder& a_;
  std::uint32_t colon_ = no_state, comma_ = no_state, bracket_ = no_state;  // rules of white space
  std::uint32_t any_ = no_state, any_object_ = no_state, text_ = no_state;
};

}  // namespace detail

LLAVA_END
