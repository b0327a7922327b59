// SPDX-License-Identifier: Apache-2.0
/// The state of a chat template's parser: the remaining tokens, the tree, the first error and the nesting depth. After
/// an error the tree is invalid.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/chat_template_lexer.hpp>
#include <llava/text/chat_template_tree.hpp>

LLAVA_BEGIN

namespace detail {

class template_reader {
 public:
  static constexpr int deepest = 64;  ///< levels of nesting

 protected:
  using id = std::uint32_t;
  using kind = template_syntax;
  using token = template_token;

  explicit template_reader(template_tree& tree) : tree_(tree) {}

  // --- tokens ------------------------------------------------------------------------------------------------------

  const token& peek(std::size_t ahead = 0) const { return tokens_[(std::min)(at_ + ahead, tokens_.size() - 1)]; }
  void next() { at_ = (std::min)(at_ + 1, tokens_.size() - 1); }
  bool take(std::string_view sign) { return peek().is(sign) && (next(), true); }
  bool take_name(std::string_view name) { return peek().is_name(name) && (next(), true); }
  void expect(std::string_view sign) {
    if (!take(sign)) fail_at("expected '", sign, "'");
  }
  std::string_view expect_name() {
    if (peek().kind != token::name) return fail_at("expected a name"), std::string_view();
    const std::string_view word = peek().word;
    next();
    return word;
  }
  bool failed() const { return !problem_.empty(); }
  template <class... Parts>
  id fail(const Parts&... parts) {
    const template_problem_part list[] = {parts...};
    add_problem(list, sizeof...(parts));
    return 0;
  }
  /// Fails with the expectation and the token found instead.
  [[gnu::cold]] id fail_at(std::string_view expected, std::string_view what = {}, std::string_view behind = {}) {
    const token& t = peek();
    const bool ends = t.kind == token::block_end || t.kind == token::output_end;
    if (t.kind == token::end) return fail(expected, what, behind, ", found the end of the template");
    if (ends) return fail(expected, what, behind, ", found the end of the tag");
    if (t.kind == token::text) return fail(expected, what, behind, ", found a string");
    return fail(expected, what, behind, ", found '", t.word, "'");
  }

  // --- nodes -------------------------------------------------------------------------------------------------------

  template_node& node(id i) { return tree_.nodes[i]; }
  id make(kind k, std::string_view text = {}) {
    template_node n;
    n.kind = k, n.line = peek().line, n.text = text;
    tree_.nodes.push_back(n);
    return static_cast<id>(tree_.nodes.size() - 1);
  }
  id make(kind k, std::initializer_list<id> children, std::string_view text = {}) {
    const id n = make(k, text);
    id last = 0;
    for (const id c : children) add(n, c, last);
    return n;
  }
  id make(const template_value& v) {
    const id n = make(kind::literal);
    node(n).value = v;
    return n;
  }
  /// Appends a child after `last`, which it updates; 0: no child yet.
  void add(id parent, id child, id& last) {
    (last ? node(last).next : node(parent).child) = child;
    last = child;
  }
  /// Counts one level of nesting during its lifetime.
  struct level {
    explicit level(template_reader& p) : parser(p) {
      if (++parser.depth_ > deepest) parser.fail("nested deeper than ", deepest, " levels");
    }
    ~level() { --parser.depth_; }
    level(const level&) = delete;
    template_reader& parser;
  };

  template_tree& tree_;
  std::vector<token> tokens_;
  std::string problem_;

 private:
  [[gnu::cold, gnu::noinline]] void add_problem(const template_problem_part* parts, std::size_t count) {
    if (!failed()) problem_ = template_error(peek().line, parts, count);
  }

  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace detail

LLAVA_END
