// SPDX-License-Identifier: Apache-2.0
/// automaton: the pushdown automaton of a grammar, over bytes. A rule is a state; it is complete in a final state, and
/// the caller's frame goes on. A frame has one counter, for the elements of an array or the code points of a string.
/// automaton_builder makes one. A text that the automaton accepts never nests deeper than `deepest` containers: height
/// of a state is the least number of containers that its frame must still open inside each other before it ends, and no
/// state is entered that would need more than are left. So every prefix that is accepted can be completed.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/grammar/string_states.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr std::uint32_t no_state = 0xffffffff;
inline constexpr std::uint32_t no_limit = 0xffffffff;

/// A way out of a state.
struct grammar_arc {
  enum kind_of : std::uint8_t {
    byte,         ///< consumes a byte, low … high
    jump,         ///< consumes nothing
    add_one,      ///< a jump; the counter grows by one, up to `other`
    at_least,     ///< a jump if the counter is at least `other`
    below,        ///< a jump if the counter is below `other`
    call,         ///< runs the rule `other` in a new frame, then goes on at `to`
    nested_call,  ///< the same; the frame is inside one more container
  };
  kind_of kind = jump;
  unsigned char low = 0, high = 0;
  std::uint32_t to = 0, other = 0;
  std::uint32_t next = no_state;  ///< the state's next arc
};

/// A state. In a state of a string, bytes without an arc follow next_in_string().
struct grammar_state {
  std::uint32_t first_arc = no_state;
  std::uint32_t string = no_state;  ///< its string_rule
  std::int8_t inside = 0;           ///< string_state
  std::uint8_t floor = 0;           ///< the height is at least this
  std::uint8_t height = 255;        ///< 255: it can never end
  bool is_final = false;
  bool may_close = true;  ///< the string may end here
};

/// The body of a string: states base … base + string_states − 1.
struct string_rule {
  std::uint32_t base = 0, end = 0;
  std::uint32_t least = 0, most = no_limit;  ///< code points
  bool escapes = true;

  bool is_bounded() const { return least > 0 || most != no_limit; }
};

struct automaton {
  static constexpr int deepest = 64;

  std::vector<grammar_state> states;
  std::vector<grammar_arc> arcs;
  std::vector<string_rule> strings;
  std::uint32_t start = 0;

  template <class F>
  void each_arc(std::uint32_t state, F&& f) const {
    for (std::uint32_t a = states[state].first_arc; a != no_state; a = arcs[a].next) f(arcs[a]);
  }
};

/// Builds an automaton. Past the largest number of states it makes no more, and try_finish() fails.
class automaton_builder {
 public:
  static constexpr std::size_t most_states = std::size_t{1} << 19;

  std::uint32_t state() {
    if (is_full()) return 0;
    all_.states.emplace_back();
    return static_cast<std::uint32_t>(all_.states.size() - 1);
  }
  std::uint32_t final_state() {
    const std::uint32_t s = state();
    if (!is_full()) all_.states[s].is_final = true;
    return s;
  }
  bool is_full() const { return all_.states.size() >= most_states || all_.arcs.size() >= 2 * most_states; }
  grammar_state& operator[](std::uint32_t s) { return all_.states[s]; }

  void arc(std::uint32_t from, grammar_arc a) {
    if (is_full()) return;
    a.next = no_state;
    const auto made = static_cast<std::uint32_t>(all_.arcs.size());
    all_.arcs.push_back(a);
    last_.resize(all_.states.size(), no_state);
    (last_[from] == no_state ? all_.states[from].first_arc : all_.arcs[last_[from]].next) = made;
    last_[from] = made;
  }
  void byte(std::uint32_t from, char b, std::uint32_t to) { range(from, b, b, to); }
  void range(std::uint32_t from, char low, char high, std::uint32_t to) {
    arc(from, {grammar_arc::byte, static_cast<unsigned char>(low), static_cast<unsigned char>(high), to});
  }
  void jump(std::uint32_t from, std::uint32_t to) { arc(from, {grammar_arc::jump, 0, 0, to}); }
  void guard(std::uint32_t from, grammar_arc::kind_of kind, std::uint32_t number, std::uint32_t to) {
    arc(from, {kind, 0, 0, to, number});
  }
  void call(std::uint32_t from, std::uint32_t rule, std::uint32_t to) {
    arc(from, {grammar_arc::call, 0, 0, to, rule});
  }
  void nested_call(std::uint32_t from, std::uint32_t rule, std::uint32_t to) {
    arc(from, {grammar_arc::nested_call, 0, 0, to, rule});
  }
  /// Consumes `text` from `from` to `to`.
  void literal(std::uint32_t from, std::string_view text, std::uint32_t to) {
    for (std::size_t i = 0; i + 1 < text.size() && !is_full(); ++i) {
      const std::uint32_t next = state();
      byte(from, text[i], next);
      from = next;
    }
    if (text.empty())
      jump(from, to);
    else
      byte(from, text.back(), to);
  }
  /// Makes `start` a rule that is one of the texts. Equal beginnings share their states.
  void one_of(std::uint32_t start, std::vector<std::string> texts) {
    std::sort(texts.begin(), texts.end());
    std::vector<std::uint32_t> path{start};
    std::string_view before;
    for (const std::string& text : texts) {
      if (is_full()) return;
      const auto same = static_cast<std::size_t>(
          std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first - before.begin());
      path.resize(same + 1);
      for (std::size_t i = same; i < text.size() && !is_full(); ++i) {
        path.push_back(state());
        byte(path[i], text[i], path[i + 1]);
      }
      if (!is_full()) all_.states[path.back()].is_final = true;
      before = text;
    }
  }
  /// Makes `start` a rule for a string with its quotation marks.
  void string(std::uint32_t start, string_rule rule) { byte(start, '"', string_body(rule)); }
  /// Makes `start` a rule for a string without escapes that is none of `names`, which hold no escapes either.
  void string_except(std::uint32_t start, std::vector<std::string> names) {
    const std::uint32_t body = string_body({.escapes = false});
    if (is_full()) return;
    if (names.empty()) return byte(start, '"', body);
    std::sort(names.begin(), names.end());
    std::vector<std::uint32_t> path{copy_of(body)};
    byte(start, '"', path[0]);
    std::string_view before;
    for (const std::string& name : names) {
      const auto same = static_cast<std::size_t>(
          std::mismatch(before.begin(), before.end(), name.begin(), name.end()).first - before.begin());
      path.resize(same + 1);
      for (std::size_t i = same; i < name.size() && !is_full(); ++i) {
        const string_state next = next_in_string(all_.states[path[i]].inside, static_cast<unsigned char>(name[i]));
        path.push_back(copy_of(body + static_cast<std::uint32_t>(next)));
        byte(path[i], name[i], path[i + 1]);
      }
      if (is_full()) return;
      all_.states[path.back()].may_close = false;
      before = name;
    }
  }

  /// Computes the heights. Errors: too many states; `start` can never end.
  result<automaton> try_finish(std::uint32_t start, std::string_view what) {
    if (is_full())
      return fail(errc::unsupported, text_of("llava: ", what, " needs more than ", most_states,
                                             " states; use shorter lists and names, or fewer of them"));
    all_.start = start;
    compute_heights();
    if (all_.states[start].height > automaton::deepest)
      return fail(errc::invalid_argument,
                  text_of("llava: no value of at most ", automaton::deepest, " levels satisfies ", what));
    return std::move(all_);
  }

 private:
  std::uint32_t string_body(string_rule rule) {
    rule.end = final_state();
    rule.base = static_cast<std::uint32_t>(all_.states.size());
    for (int s = 0; s < string_states; ++s) {
      const std::uint32_t made = state();
      if (is_full()) return 0;
      all_.states[made].inside = static_cast<std::int8_t>(s);
      all_.states[made].string = static_cast<std::uint32_t>(all_.strings.size());
    }
    all_.strings.push_back(rule);
    return rule.base;
  }
  std::uint32_t copy_of(std::uint32_t s) {
    const std::uint32_t made = state();
    if (is_full()) return 0;
    all_.states[made].inside = all_.states[s].inside;
    all_.states[made].string = all_.states[s].string;
    return made;
  }

  /// A height only falls, at most 65 times for a state; a state is looked at again when one that it needs has fallen.
  void compute_heights() {
    const auto count = static_cast<std::uint32_t>(all_.states.size());
    std::vector<std::uint32_t> first(count + 1, 0),
        users;  // users of state s: users[first[s]] … users[first[s + 1] − 1]
    const auto each_use = [&](auto&& f) {
      for (std::uint32_t s = 0; s < count; ++s)
        all_.each_arc(s, [&](const grammar_arc& a) {
          f(s, a.to);
          if (a.kind == grammar_arc::call || a.kind == grammar_arc::nested_call) f(s, a.other);
        });
    };
    each_use([&](std::uint32_t, std::uint32_t used) { ++first[used + 1]; });
    for (std::uint32_t s = 0; s < count; ++s) first[s + 1] += first[s];
    users.resize(first[count]);
    std::vector<std::uint32_t> at(first.begin(), first.end() - 1);
    each_use([&](std::uint32_t user, std::uint32_t used) { users[at[used]++] = user; });

    std::vector<std::uint32_t> todo(count);
    std::vector<bool> waits(count, true);
    for (std::uint32_t s = 0; s < count; ++s) todo[s] = s;
    while (!todo.empty()) {
      const std::uint32_t s = todo.back();
      todo.pop_back();
      waits[s] = false;
      const std::uint8_t height = height_of(s);
      if (height >= all_.states[s].height) continue;
      all_.states[s].height = height;
      for (std::uint32_t u = first[s]; u < first[s + 1]; ++u)
        if (!waits[users[u]]) waits[users[u]] = true, todo.push_back(users[u]);
    }
  }
  std::uint8_t height_of(std::uint32_t s) const {
    const grammar_state& state = all_.states[s];
    int height = state.is_final || state.string != no_state ? 0 : 255;
    all_.each_arc(s, [&](const grammar_arc& a) {
      int through = all_.states[a.to].height;
      if (a.kind == grammar_arc::call) through = (std::max)(through, int{all_.states[a.other].height});
      if (a.kind == grammar_arc::nested_call) through = (std::max)(through, all_.states[a.other].height + 1);
      height = (std::min)(height, through);
    });
    height = (std::max)(height, int{state.floor});
    return static_cast<std::uint8_t>(height > automaton::deepest ? 255 : height);
  }

  automaton all_;
  std::vector<std::uint32_t> last_;  // the last arc of each state
};

}  // namespace detail

LLAVA_END
