// SPDX-License-Identifier: Apache-2.0
/// Parses the expressions of a chat template into its tree, with Jinja's precedence, from the weakest: `a if c else b`;
/// or; and; not; comparisons and `in`; + and -; ~; *, // and %; the sign. Postfix steps come last: .name, [index],
/// (call), | filter, is test.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <llava/text/chat_template_reader.hpp>

LLAVA_BEGIN

namespace detail {

class template_expressions : protected template_reader {
 protected:
  using template_reader::template_reader;

  /// A value, or a list of values separated by commas. `chooses`: `a if c else b` is allowed.
  id values(bool chooses = true) {
    const id first = chooses ? value() : ranked(0);
    if (!peek().is(",")) return first;
    const id all = make(kind::list, {first});
    id last = first;
    while (!failed() && take(",") && !ends_values()) add(all, chooses ? value() : ranked(0), last);
    return all;
  }
  bool ends_values() const {
    return peek().kind == token::block_end || peek().kind == token::output_end || peek().is(")");
  }

  id value() {
    const level here(*this);
    if (failed()) return 0;
    id first = ranked(0);
    for (int ifs = 0; !failed() && take_name("if"); ++ifs) {
      if (ifs == deepest) return fail("too many 'if' in one expression");
      const id condition = ranked(0);
      const id otherwise = take_name("else") ? value() : make(kind::nothing);
      first = make(kind::choose, {condition, first, otherwise});
    }
    return first;
  }

  /// Operators by precedence, the weakest first.
  static constexpr int rank_not = 2, rank_compare = 3, rank_sign = 7;
  static constexpr kind kinds[] = {kind::any, kind::all,    kind::negate, kind::compare,
                                   kind::sum, kind::joined, kind::product};

  /// Takes and returns the next operator if it has this rank; otherwise returns an empty string.
  std::string_view take_operator(int rank) {
    constexpr std::string_view signs[][6] = {
        {"or"}, {"and"}, {}, {"==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"~"}, {"*", "//", "%", "/"}};
    const token& t = peek();
    if (rank == rank_compare && (t.is_name("in") || (t.is_name("not") && peek(1).is_name("in")))) {
      const bool negated = t.is_name("not");
      next();
      return negated ? next(), "not in" : "in";
    }
    for (const std::string_view s : signs[rank])
      if (!s.empty() && (t.is(s) || (rank < 2 && t.is_name(s)))) return next(), s;
    return {};
  }

  id ranked(int rank) {
    if (rank == rank_sign) return unary();
    if (rank == rank_not) {
      if (!take_name("not")) return ranked(rank + 1);
      const level here(*this);
      return failed() ? 0 : make(kind::negate, {ranked(rank)});
    }
    const id first = ranked(rank + 1);
    std::string_view sign = failed() ? std::string_view() : take_operator(rank);
    if (sign.empty()) return first;
    const kind k = kinds[rank];
    const id all = make(k, {first});
    const bool has_operands = k == kind::compare || k == kind::sum || k == kind::product;
    for (id last = first; !failed() && !sign.empty(); sign = take_operator(rank)) {
      const id operand = ranked(rank + 1);
      add(all, has_operands ? make(kind::operand, {operand}, sign) : operand, last);
    }
    return all;
  }

  id unary() { return filters(signed_value()); }
  id signed_value() {
    if (!peek().is("-") && !peek().is("+")) return postfix(primary());
    const level here(*this);
    const bool negative = peek().is("-");
    next();
    if (failed()) return 0;
    const id inner = signed_value();
    return make(kind::minus, {inner}, negative ? "-" : "+");
  }

  id primary() {
    const token t = peek();
    if (t.kind == token::name) {
      next();
      if (t.word == "true" || t.word == "True") return make(template_boolean(true));
      if (t.word == "false" || t.word == "False") return make(template_boolean(false));
      if (t.word == "none" || t.word == "None") return make(template_none());
      return make(kind::name, t.word);
    }
    if (t.kind == token::integer) return next(), make(template_integer(t.number));
    if (t.kind == token::text) {
      next();
      if (peek().kind != token::text) return make(template_text(t.word));
      std::string all(t.word);
      for (; peek().kind == token::text; next()) all += peek().word;
      return make(tree_.memory.text(std::move(all)));
    }
    if (take("(")) {
      if (take(")")) return make(kind::list);
      const id inside = values();
      expect(")");
      return inside;
    }
    if (take("[")) return items(kind::list, "]");
    if (take("{")) return items(kind::pairs, "}");
    return fail_at("expected a value");
  }

  /// The items of a list or a dictionary, up to its closing bracket.
  id items(kind k, std::string_view end) {
    const id all = make(k);
    id last = 0;
    while (!failed() && !take(end)) {
      if (last) expect(",");
      if (take(end)) break;
      add(all, value(), last);
      if (k != kind::pairs) continue;
      expect(":");
      add(all, value(), last);
    }
    return all;
  }

  // --- postfix steps -----------------------------------------------------------------------------------------------

  /// Postfix steps of a value. read() parses one and returns its node; 0: none.
  template <class Read>
  id steps(id first, Read&& read) {
    id all = 0, last = first;
    while (!failed()) {
      const id step = read();
      if (!step) break;
      if (!all) all = make(kind::path, {first});
      add(all, step, last);
    }
    return all ? all : first;
  }
  id postfix(id first) {
    return steps(first, [&]() -> id {
      if (take(".")) {
        if (peek().kind != token::integer) return make(kind::attribute, expect_name());
        const id number = make(template_integer(peek().number));
        next();
        return make(kind::item, {number});
      }
      if (take("[")) return subscript();
      return peek().is("(") ? call(kind::call, {}) : 0;
    });
  }
  id filters(id first) {
    return steps(first, [&]() -> id {
      if (take("|")) return call(kind::filter, expect_name());
      if (take_name("is")) return test();
      return peek().is("(") ? call(kind::call, {}) : 0;
    });
  }

  id subscript() {
    id parts[3] = {0, 0, 0};
    int part = 0;
    while (!failed() && !take("]")) {
      if (take(":")) {
        if (++part == 3) return fail("a slice has more than three parts");
      } else {
        if (parts[part]) return fail_at("expected ']'");
        parts[part] = value();
      }
    }
    if (part == 0) return parts[0] ? make(kind::item, {parts[0]}) : fail("an index is missing");
    for (id& p : parts)
      if (!p) p = make(kind::nothing);
    return make(kind::slice, {parts[0], parts[1], parts[2]});
  }

  /// A step with arguments in parentheses, which may be absent for filters and tests.
  id call(kind k, std::string_view name) {
    const id all = make(k, name);
    if (!take("(")) return all;
    id last = 0;
    while (!failed() && !take(")")) {
      if (last) expect(",");
      if (take(")")) break;
      if (peek().is("*") || peek().is("**")) return fail("argument unpacking with '*' or '**' is not supported");
      if (peek().kind == token::name && peek(1).is("=")) {
        const std::string_view key = expect_name();
        next();
        add(all, make(kind::argument, {value()}, key), last);
      } else {
        add(all, value(), last);
      }
    }
    return all;
  }

  id test() {
    const bool negated = take_name("not");
    const std::string_view name = expect_name();
    const token& t = peek();
    const bool has_argument = t.kind == token::text || t.kind == token::integer || t.is("[") || t.is("{") ||
                              (t.kind == token::name && t.word != "else" && t.word != "or" && t.word != "and");
    if (t.is_name("is")) return fail("two tests in a row are not supported");
    const id all = has_argument ? make(kind::test, {postfix(primary())}, name) : call(kind::test, name);
    node(all).value = template_boolean(negated);
    return all;
  }
};

}  // namespace detail

LLAVA_END
