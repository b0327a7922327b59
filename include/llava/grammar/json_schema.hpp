// SPDX-License-Identifier: Apache-2.0
/// grammar: the set of answers that generation is constrained to. Any JSON object, the values of a JSON Schema, or a
/// list of choices. constraint.hpp applies one to logits.
///
/// Schemas: JSON Schema 2020-12, these keywords; any other is an error that names it and its JSON pointer.
///   type (a name or a list), enum, const, properties, required, additionalProperties, items, prefixItems, minItems,
///   maxItems, minLength, maxLength (code points), anyOf, $ref into the schema itself, $defs, definitions
///   minimum, maximum, exclusiveMinimum, exclusiveMaximum
///   oneOf     where no value can match two subschemas
///   allOf     of one subschema
///   title, description, default, examples, $schema, $id, $comment, deprecated, readOnly, writeOnly   are ignored
/// Beside $ref, anyOf, oneOf and allOf only ignored keywords may stand; beside enum and const also type.
///
/// Every answer is valid against the schema. Not every valid text can be an answer:
///   - Properties come in the schema's order, then required ones that `properties` does not name, then others, whose
///     names may repeat.
///   - An object with `properties` but without additionalProperties has no others; an array with prefixItems but
///     without items has no further elements. Without `type`, the types are those that the other keywords restrict.
///   - Names of properties and constants have one spelling: no needless escapes, no white space. Names of others have
///     no escapes. An escaped surrogate in a string is one of a pair.
///   - Numbers: see numbers.hpp and bounded_number.hpp. White space: json_space, and one space in front if
///     leading_space is set.
///   - At most 64 levels of arrays and objects. Answers that need more are cut off where they still can end.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/grammar/automaton.hpp>
#include <llava/grammar/json_rules.hpp>
#include <llava/grammar/schema_compiler.hpp>

LLAVA_BEGIN

struct grammar_options {
  json_space space = json_space::one;
  /// Whether an answer may begin with one space. Models write it after a prompt that ends without one; the text of an
  /// answer is without it.
  bool leading_space = true;
};

/// A set of texts. Immutable; copies share it.
class grammar {
 public:
  static constexpr std::size_t most_schema_bytes = std::size_t{4} << 20, most_choices = 100000;

  const detail::automaton& states() const { return *states_; }

  /// Any JSON object.
  static result<grammar> try_json_object(const grammar_options& o = {}) {
    return try_make(o, "the grammar of JSON", [&](detail::automaton_builder& a) -> result<std::uint32_t> {
      return detail::json_rules(a, o.space).any_object();
    });
  }
  /// The values of a JSON Schema, given as text of at most 4 MiB; see the top of this file. `failed_at` receives the
  /// JSON pointer of the subschema that an error is about.
  static result<grammar> try_json_schema(std::string_view schema, const grammar_options& o = {},
                                         std::string* failed_at = nullptr) {
    if (schema.size() > most_schema_bytes)
      return fail(errc::unsupported,
                  text_of("llava: the schema has ", schema.size(), " bytes, expected at most ", most_schema_bytes));
    return try_make(o, "the schema", [&](detail::automaton_builder& a) -> result<std::uint32_t> {
      LLAVA_TRY(root, try_parse_json("the schema", schema, repeated_keys::refused));
      detail::schema_compiler compiler(a, o.space, root);
      auto rule = compiler.try_run();
      if (failed_at) *failed_at = compiler.failed_at();
      return rule;
    });
  }
  /// One of these texts. A choice is UTF-8, not empty, and has no white space at its ends.
  static result<grammar> try_choices(std::span<const std::string> choices, const grammar_options& o = {}) {
    if (choices.empty() || choices.size() > most_choices)
      return fail(errc::invalid_argument,
                  text_of("llava: ", choices.size(), " choices were given, expected 1 to ", most_choices));
    for (const std::string& c : choices)
      if (c.empty() || stripped(c).size() != c.size() || valid_utf8(c) != c)
        return fail(errc::invalid_argument,
                    text_of("llava: the choice \"", detail::shown(c),
                            "\" must be UTF-8 text, not empty, without white space at its ends"));
    return try_make(o, "the list of choices", [&](detail::automaton_builder& a) -> result<std::uint32_t> {
      const std::uint32_t start = a.state();
      a.one_of(start, {choices.begin(), choices.end()});
      return start;
    });
  }

#if LLAVA_EXCEPTIONS
  static grammar json_object(const grammar_options& o = {}) { return value_or_throw(try_json_object(o)); }
  static grammar json_schema(std::string_view schema, const grammar_options& o = {}) {
    return value_or_throw(try_json_schema(schema, o));
  }
  static grammar choices(std::span<const std::string> choices, const grammar_options& o = {}) {
    return value_or_throw(try_choices(choices, o));
  }
#endif

 private:
  explicit grammar(std::shared_ptr<const detail::automaton> states) : states_(std::move(states)) {}
  template <class Rule>
  static result<grammar> try_make(const grammar_options& o, std::string_view what, Rule&& rule) {
    return guarded([&]() -> result<grammar> {
      detail::automaton_builder a;
      LLAVA_TRY(root, rule(a));
      std::uint32_t start = root;
      if (o.leading_space) {
        start = a.state();
        a.byte(start, ' ', root);
        a.jump(start, root);
      }
      LLAVA_TRY(all, a.try_finish(start, what));
      return grammar(std::make_shared<const detail::automaton>(std::move(all)));
    });
  }

  std::shared_ptr<const detail::automaton> states_;
};

LLAVA_END
