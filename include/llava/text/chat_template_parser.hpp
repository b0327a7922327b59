// SPDX-License-Identifier: Apache-2.0
/// Parses a chat template into its tree: the statements. An unsupported feature of Jinja is an error that names it.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <llava/text/chat_template_expressions.hpp>

LLAVA_BEGIN

namespace detail {

class template_parser : template_expressions {
 public:
  explicit template_parser(template_tree& tree) : template_expressions(tree) { tree.nodes.emplace_back(); }

  /// Returns the first error; empty if the tree is complete.
  std::string parse(std::string_view text) {
    template_lexer words(text, tree_.memory);
    words.read();
    if (!words.problem.empty()) return std::move(words.problem);
    tokens_ = std::move(words.tokens);
    tree_.root = body({});
    return std::move(problem_);
  }

 private:
  /// Parses statements up to a tag named in `ends`, whose name is not taken; without `ends`, up to the template's end.
  id body(std::initializer_list<std::string_view> ends) {
    const level here(*this);
    const id all = make(kind::body);
    id last = 0;
    while (!failed()) {
      const token t = peek();
      if (t.kind == token::end) {
        if (ends.size() > 0) fail("the template ends before '", *(ends.end() - 1), "'");
        break;
      }
      next();
      if (t.kind == token::data) {
        add(all, make(kind::data, t.word), last);
      } else if (t.kind == token::output_begin) {
        add(all, make(kind::output, {values()}), last);
        expect_tag_end();
      } else {
        for (const std::string_view e : ends)
          if (peek().is_name(e)) return all;
        add(all, statement(), last);
        expect_tag_end();
      }
    }
    return all;
  }
  void expect_tag_end() {
    if (peek().kind != token::block_end && peek().kind != token::output_end) fail_at("expected the end of the tag");
    next();
  }
  /// Takes the end of a tag and parses its body, up to a tag with one of these names, which is not taken.
  id body_after(std::initializer_list<std::string_view> ends) {
    take(":");
    expect_tag_end();
    return body(ends);
  }
  id body_until(std::string_view end) {
    const id all = body_after({end});
    next();
    return all;
  }

  id statement() {
    const std::string_view name = peek().word;
    if (take_name("for")) return loop();
    if (take_name("if")) return branches();
    if (take_name("set")) return assignment();
    if (take_name("macro")) return macro();
    if (take_name("generation")) return make(kind::generation, {body_until("endgeneration")});
    if (take_name("break")) return make(kind::leave);
    if (take_name("continue")) return make(kind::again);
    if (peek().kind != token::name) return fail_at("expected the name of a tag");
    for (const std::string_view known : {"endfor", "endif", "else", "elif", "endset", "endmacro", "endgeneration"})
      if (name == known) return fail("'", name, "' without a matching opening tag");
    return fail("the tag '", name, "' is not supported");
  }

  id loop() {
    const id target = names();
    if (!take_name("in")) return fail_at("expected 'in'");
    for (id i = node(target).child; i; i = node(i).next)
      if (node(i).text == "loop") return fail("a loop variable cannot be named 'loop'");
    const id list = values(false);
    const id condition = take_name("if") ? value() : make(kind::nothing);
    if (peek().is_name("recursive")) return fail("a recursive loop is not supported");
    const id each = body_after({"else", "endfor"});
    const bool has_else = take_name("else");
    const id otherwise = has_else ? body_until("endfor") : make(kind::nothing);
    if (!has_else) next();
    return make(kind::loop, {target, list, condition, each, otherwise});
  }

  id branches() {
    const id all = make(kind::branch);
    id last = 0;
    do {
      add(all, values(false), last);
      add(all, body_after({"elif", "else", "endif"}), last);
    } while (!failed() && take_name("elif"));
    if (take_name("else"))
      add(all, body_until("endif"), last);
    else
      next();
    return all;
  }

  id assignment() {
    id target = 0;
    if (peek(1).is(".")) {
      const id space = make(kind::name, expect_name());
      next();
      target = make(kind::name_path, {space}, expect_name());
    } else {
      target = names();
    }
    if (take("=")) return make(kind::assign, {target, values()});
    if (peek().is("|")) return fail("a filter on the tag 'set' is not supported");
    return make(kind::capture, {target, body_until("endset")});
  }

  id macro() {
    const id all = make(kind::macro, expect_name());
    expect("(");
    id last = 0;
    while (!failed() && !take(")")) {
      if (last) expect(",");
      const std::string_view name = expect_name();
      add(all, make(kind::parameter, {take("=") ? value() : make(kind::nothing)}, name), last);
    }
    add(all, body_until("endmacro"), last);
    return all;
  }

  /// One or more names, with or without parentheses.
  id names() {
    const id all = make(kind::names);
    const bool brackets = take("(");
    id last = 0;
    do add(all, make(kind::name, expect_name()), last);
    while (!failed() && take(","));
    if (brackets) expect(")");
    return all;
  }
};

}  // namespace detail

LLAVA_END
