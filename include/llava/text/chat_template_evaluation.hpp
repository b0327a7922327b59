// SPDX-License-Identifier: Apache-2.0
/// Evaluates the expressions of a chat template. The renderer adds macros and `loop`, which need statements.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/text/chat_template_names.hpp>
#include <llava/text/chat_template_operators.hpp>
#include <llava/text/chat_template_tree.hpp>

LLAVA_BEGIN

namespace detail {

class template_evaluation {
 public:
  using value = template_value;
  using type = template_type;
  using kind = template_syntax;
  using id = std::uint32_t;

  template_run run;

 protected:
  template_evaluation(const template_tree& tree, const value& variables, template_memory& memory)
      : run(memory), names(run, variables), functions(run), operators(run), tree_(tree) {}
  ~template_evaluation() = default;

  /// The text that a macro outputs.
  virtual value call_macro(const template_node& macro, const template_arguments& given) = 0;
  /// `loop.name`, or `loop.name(…)` if `given` is not null.
  virtual value loop_attribute(const value& loop, std::string_view name, const template_arguments* given) = 0;

  template_names names;
  template_functions functions;
  template_operators operators;

  const template_node& node(id i) const { return tree_.nodes[i]; }

  value eval(id i) {
    if (++depth_ > template_run::deepest_call) run.fail("macro calls are nested too deeply");
    const value v = run.work() ? eval(node(i)) : value();
    --depth_;
    return v;
  }

  value eval(const template_node& n) {
    const id first = n.child;
    switch (n.kind) {
      case kind::literal:
        return n.value;
      case kind::name:
        return names.find(n.text);
      case kind::list: {
        std::vector<value> items;
        for (id i = first; i && !run.failed(); i = node(i).next) items.push_back(eval(i));
        return run.memory.list(std::move(items));
      }
      case kind::pairs: {
        const value dict = run.memory.make(type::dict);
        for (id i = first; i && run.work(dict.object->keys.size() / 8); i = node(node(i).next).next) {
          const value key = eval(i);
          if (!key.is(type::text)) return run.fail("the key of a dictionary is ", key, ", expected a string");
          dict.object->set(key.text, eval(node(i).next));
          run.memory.count_items(1);
        }
        return dict;
      }
      case kind::any:
      case kind::all: {
        value v = eval(first);
        for (id i = node(first).next; i && run.truth(v) == (n.kind == kind::all) && !run.failed(); i = node(i).next)
          v = eval(i);
        return v;
      }
      case kind::negate:
        return template_boolean(!run.truth(eval(first)));
      case kind::compare:
      case kind::sum:
      case kind::product:
        return chain(n);
      case kind::joined: {
        std::string text;
        for (id i = first; i && !run.failed(); i = node(i).next) run.append(text, run.as_text(eval(i)));
        return run.text(std::move(text));
      }
      case kind::minus: {
        const value v = eval(first);
        if (!v.is_number() || v.number == INT64_MIN) return run.fail("cannot apply a sign to ", v);
        return template_integer(n.text == "-" ? -v.number : v.number);
      }
      case kind::choose: {
        const id yes = node(first).next;
        return eval(run.truth(eval(first)) ? yes : node(yes).next);
      }
      case kind::path:
        return path(n);
      default:
        return template_undefined("an omitted value");
    }
  }

 private:
  /// a < b < c compares each pair. a + b - c is computed from left to right.
  value chain(const template_node& n) {
    const bool compares = n.kind == kind::compare;
    value left = eval(n.child);
    for (id i = node(n.child).next; i && !run.failed(); i = node(i).next) {
      const value right = eval(node(i).child);
      run.line = node(i).line;
      if (compares && !operators.holds(left, node(i).text, right)) return template_boolean(false);
      left = compares ? right : operators.calculate(left, node(i).text, right);
    }
    return compares ? template_boolean(true) : left;
  }

  value path(const template_node& n) {
    value v = eval(n.child);
    for (id i = node(n.child).next; i && !run.failed(); i = node(i).next) {
      const template_node& step = node(i);
      run.line = step.line;
      const id after = step.next;
      switch (step.kind) {
        case kind::attribute:
          if (after && node(after).kind == kind::call && has_method(v, step.text)) {
            v = method(v, step.text, arguments(node(after)));
            i = after;
          } else {
            v = attribute(v, step.text);
          }
          break;
        case kind::item: {
          const value key = eval(step.child);
          v = v.is(type::loop) && key.is(type::text) ? loop_attribute(v, key.text, nullptr)
                                                     : functions.items().item(v, key);
          break;
        }
        case kind::slice: {
          const id from = step.child, to = node(from).next, by = node(to).next;
          const value parts[] = {bound(from), bound(to), bound(by)};
          v = functions.texts().slice(v, &parts[0], &parts[1], &parts[2]);
          break;
        }
        case kind::call:
          v = called(v, arguments(step));
          break;
        case kind::filter:
          v = functions.filter(step.text, v, arguments(step));
          break;
        default:
          v = template_boolean(functions.test(step.text, v, arguments(step)) != (step.value.number != 0));
      }
    }
    return v;
  }
  value bound(id i) { return node(i).kind == kind::nothing ? template_none() : eval(i); }

  static bool has_method(const value& v, std::string_view name) {
    return v.is(type::text)   ? template_texts::is_method(name)
           : v.is(type::dict) ? template_items::is_method(name)
                              : v.is(type::loop) || v.is_list();
  }
  value method(const value& v, std::string_view name, const template_arguments& given) {
    if (v.is(type::text)) return functions.texts().call(v.text, name, given);
    if (v.is(type::dict)) return functions.items().method(v, name, given);
    if (v.is(type::loop)) return loop_attribute(v, name, &given);
    return run.fail("the method '", name, "' of ", v, " is not supported");
  }
  value attribute(const value& v, std::string_view name) {
    if (v.is(type::loop)) return loop_attribute(v, name, nullptr);
    if (!v.is_list() && has_method(v, name)) return {type::function, 0, name, nullptr};
    return functions.items().item(v, template_text(name));
  }

  template_arguments arguments(const template_node& step) {
    template_arguments given;
    for (id i = step.child; i && !run.failed(); i = node(i).next) {
      const bool named = node(i).kind == kind::argument;
      if (!named && !given.names.empty()) run.fail("a positional argument follows a named one");
      given.values.push_back(eval(named ? node(i).child : i));
      if (named) given.names.push_back(node(i).text);
    }
    return given;
  }
  value called(const value& v, const template_arguments& given) {
    if (v.is(type::function) && template_functions::is_function(v.text)) return functions.call(v.text, given);
    return v.is(type::macro) ? call_macro(node(static_cast<id>(v.number)), given) : run.fail("cannot call ", v);
  }

  const template_tree& tree_;
  int depth_ = 0;
};

}  // namespace detail

LLAVA_END
