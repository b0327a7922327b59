// SPDX-License-Identifier: Apache-2.0
/// Renders the tree of a chat template: executes its statements and writes their text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/text/chat_template_evaluation.hpp>

LLAVA_BEGIN

namespace detail {

class template_renderer final : public template_evaluation {
 public:
  /// `variables`: a dictionary.
  template_renderer(const template_tree& tree, const value& variables, template_memory& memory)
      : template_evaluation(tree, variables, memory), root_(tree.root) {}

  std::string render() {
    std::string out;
    scope here(names, true);
    statements(root_, out);
    return out;
  }

 private:
  enum class flow : std::uint8_t { next, again, leave };
  using scope = template_names::scope;
  /// The state of a running loop, which the variable `loop` reports.
  struct loop_state {
    value list, previous, current, following;
    std::size_t at = 0;
    std::int64_t index = -1, total = -1;  // total −1: not counted yet
    const template_node* of = nullptr;
    bool has_following = false;
  };

  // --- statements --------------------------------------------------------------------------------------------------

  flow statements(id body, std::string& out) {
    for (id i = node(body).child; i && run.work(); i = node(i).next)
      if (const flow how = statement(i, out); how != flow::next) return how;
    return flow::next;
  }

  flow statement(id i, std::string& out) {
    const template_node& n = node(i);
    run.line = n.line;
    switch (n.kind) {
      case kind::data:
        run.append(out, n.text);
        break;
      case kind::output:
        run.append(out, run.as_text(eval(n.child)));
        break;
      case kind::branch:
        return branch(n, out);
      case kind::loop:
        loop(n, out);
        break;
      case kind::leave:
      case kind::again:
        if (loops_.empty()) run.fail("'break' or 'continue' outside of a loop");
        return n.kind == kind::leave ? flow::leave : flow::again;
      case kind::generation: {
        scope here(names);
        return statements(n.child, out);
      }
      case kind::macro:
        if (!names.at_top()) run.fail("a macro in a loop or in another macro is not supported");
        names.set(n.text, {type::macro, i, n.text, nullptr});
        break;
      case kind::assign:
        assign(n.child, eval(node(n.child).next));
        break;
      default: {  // capture
        std::string text;
        {
          scope here(names);
          statements(node(n.child).next, text);
        }
        assign(n.child, run.text(std::move(text)));
      }
    }
    return flow::next;
  }

  flow branch(const template_node& n, std::string& out) {
    for (id i = n.child; i;) {
      const id body = node(i).next;
      if (!body) return statements(i, out);  // else
      if (run.truth(eval(i))) return statements(body, out);
      i = node(body).next;
    }
    return flow::next;
  }

  void assign(id target, const value& v) {
    const template_node& t = node(target);
    if (t.kind == kind::name_path) {
      const value space = eval(t.child);
      if (!space.is(type::name_space)) run.fail("'", t.text, "' can be set only on a namespace, not on ", space);
      if (!run.failed() && run.work(8)) space.object->set(t.text, v);
      return;
    }
    if (!node(t.child).next) return names.set(node(t.child).text, v);
    const std::vector<value> parts = run.items(v);
    std::size_t at = 0;
    for (id i = t.child; i && !run.failed(); i = node(i).next, ++at) {
      if (at >= parts.size() || (!node(i).next && at + 1 != parts.size()))
        run.fail("the number of values differs from the number of names");
      if (at < parts.size()) names.set(node(i).text, parts[at]);
    }
  }

  // --- loops -------------------------------------------------------------------------------------------------------

  void loop(const template_node& n, std::string& out) {
    loop_state state;
    state.of = &n;
    const id list = node(n.child).next, condition = node(list).next, body = node(condition).next;
    state.list = run.walk(eval(list));
    if (run.failed()) return;
    loops_.push_back(state);
    const std::size_t own = loops_.size() - 1;
    for (;;) {
      if (!peek(own)) break;
      loop_state& l = loops_[own];
      l.previous = l.current, l.current = l.following, l.has_following = false;
      ++l.index;
      scope here(names);
      names.set("loop", {type::loop, static_cast<std::int64_t>(own), "loop", nullptr});
      assign(n.child, l.current);
      if (statements(body, out) == flow::leave || run.failed()) break;
    }
    const bool was_empty = loops_[own].index < 0;
    loops_.pop_back();
    if (was_empty && !run.failed()) {
      scope here(names);
      statements(node(body).next, out);
    }
  }
  /// Whether loop `own` has another iteration. Evaluates its condition as late as possible, since it may depend on the
  /// previous iteration.
  bool peek(std::size_t own) {
    const id condition = node(node(loops_[own].of->child).next).next;
    while (!loops_[own].has_following && run.work()) {
      const auto [item, there] = run.next_of(loops_[own].list, loops_[own].at);
      if (!there) return false;
      if (node(condition).kind != kind::nothing && loops_[own].total < 0) {
        scope here(names);
        assign(loops_[own].of->child, item);
        if (!run.truth(eval(condition))) continue;
      }
      loops_[own].following = item, loops_[own].has_following = true;
    }
    return !run.failed();
  }
  /// Number of iterations of a loop. Evaluates its condition for all remaining items now, and not again.
  std::int64_t iterations(std::size_t own) {
    if (loops_[own].total >= 0) return loops_[own].total;
    std::vector<value> rest;
    for (; peek(own); loops_[own].has_following = false) rest.push_back(loops_[own].following);
    loop_state& l = loops_[own];
    l.total = l.index + 1 + static_cast<std::int64_t>(rest.size());
    l.list = run.memory.list(std::move(rest));
    l.at = 0;
    return l.total;
  }
  value loop_attribute(const value& v, std::string_view name, const template_arguments* given) override {
    const auto own = static_cast<std::size_t>(v.number);
    if (own >= loops_.size()) return run.fail("'loop' refers to a loop that has ended");
    const loop_state& l = loops_[own];
    if (name == "cycle" && given && !given->values.empty())
      return given->values[static_cast<std::size_t>(l.index) % given->values.size()];
    if (given) return run.fail("'loop.", name, "()' is not supported");
    if (name == "index0") return template_integer(l.index);
    if (name == "index") return template_integer(l.index + 1);
    if (name == "first") return template_boolean(l.index == 0);
    if (name == "depth" || name == "depth0") return template_integer(name == "depth" ? 1 : 0);
    if (name == "last") return template_boolean(!peek(own));
    if (name == "previtem") return l.index == 0 ? template_undefined("loop.previtem") : l.previous;
    if (name == "nextitem") return peek(own) ? loops_[own].following : template_undefined("loop.nextitem");
    if (name != "length" && name != "revindex" && name != "revindex0")
      return run.fail("'loop.", name, "' is not supported");
    const std::int64_t total = iterations(own), behind = total - loops_[own].index;
    return template_integer(name == "length" ? total : name == "revindex" ? behind : behind - 1);
  }

  // --- macros ------------------------------------------------------------------------------------------------------

  value call_macro(const template_node& macro, const template_arguments& given) override {
    scope here(names, true);
    std::size_t place = 0, used = 0;
    id i = macro.child;
    for (; node(i).kind == kind::parameter && !run.failed(); i = node(i).next, ++place) {
      const value* given_here = given.find(place, node(i).text);
      used += given_here ? 1 : 0;
      names.set(node(i).text, given_here                                  ? *given_here
                              : node(node(i).child).kind != kind::nothing ? eval(node(i).child)
                                                                          : template_undefined(node(i).text));
    }
    if (used != given.values.size()) run.fail("the macro '", macro.text, "' has an unexpected argument");
    std::string out;
    statements(i, out);
    return run.text(std::move(out));
  }

  std::vector<loop_state> loops_;
  id root_;
};

}  // namespace detail

LLAVA_END
