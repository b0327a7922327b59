// SPDX-License-Identifier: Apache-2.0
/// The state shared by all parts of rendering a chat template: the memory, the first error and the limits; and the
/// conversions and comparisons of values. After an error no result is valid.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/chat_template_value.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {

class template_run {
 public:
  /// @name Limits
  /// @{
  static constexpr std::size_t most_bytes = std::size_t{32} << 20;   ///< all strings and lists together
  static constexpr std::size_t longest_text = std::size_t{8} << 20;  ///< one string, including the prompt
  static constexpr std::size_t most_steps = 5'000'000;               ///< about half a second
  static constexpr int deepest_value = 64, deepest_call = 400;
  /// @}
  using type = template_type;
  using value = template_value;

  explicit template_run(template_memory& m) : memory(m) {}

  template_memory& memory;
  std::string problem;  ///< empty: no error
  std::string refusal;  ///< message of raise_exception()
  std::uint32_t line = 0;

  bool failed() const { return !problem.empty(); }
  /// Records the error sentence of these parts; only the first error counts.
  template <class... Parts>
  value fail(const Parts&... parts) {
    const template_problem_part list[] = {parts...};
    add_problem(list, sizeof...(parts));
    return {};
  }
  /// Counts steps. Returns false beyond a limit or after an error.
  bool work(std::size_t steps = 1) {
    steps_ += steps;
    if (steps_ > most_steps || memory.bytes() > most_bytes)
      fail("the template takes more time or memory than any prompt needs");
    return !failed();
  }
  bool append(std::string& to, std::string_view text) {
    if (text.size() > longest_text || to.size() > longest_text - text.size())
      fail("a string becomes longer than any prompt");
    else if (work(1 + text.size() / 64))
      to.append(text);
    return !failed();
  }
  value text(std::string s) {
    work(1 + s.size() / 64);
    return memory.text(std::move(s));
  }

  // --- properties of values ----------------------------------------------------------------------------------------

  bool truth(const value& v) const {
    switch (v.type) {
      case type::undefined:
      case type::none:
        return false;
      case type::boolean:
      case type::integer:
        return v.number != 0;
      case type::text:
        return !v.text.empty();
      case type::list:
      case type::content:
      case type::dict:
        return !v.object->items.empty();
      default:
        return true;
    }
  }
  /// str(v). Fails for lists and dictionaries, which no prompt contains.
  std::string_view as_text(const value& v) {
    switch (v.type) {
      case type::undefined:
        return {};
      case type::none:
        return "None";
      case type::boolean:
        return v.number ? "True" : "False";
      case type::integer:
        return memory.keep(text_of(v.number));
      case type::text:
        return v.text;
      default:
        fail("converting ", v, " to a string is not supported");
        return {};
    }
  }

  bool equal(const value& a, const value& b, int depth = 0) {
    if (!work() || depth > deepest_value) return fail("lists are nested too deeply"), false;
    if (a.is_number() && b.is_number()) return a.number == b.number;
    if (a.is_list() && b.is_list()) {
      if (a.object->items.size() != b.object->items.size()) return false;
      for (std::size_t i = 0; i < a.object->items.size(); ++i)
        if (!equal(a.object->items[i], b.object->items[i], depth + 1)) return false;
      return true;
    }
    if (a.type != b.type) return false;
    if (a.is(type::text)) return work(a.text.size() / 64) && a.text == b.text;
    if (!a.is(type::dict)) return a.is(type::undefined) || a.is(type::none) || (a.object && a.object == b.object);
    if (a.object->items.size() != b.object->items.size()) return false;
    for (std::size_t i = 0; i < a.object->keys.size(); ++i) {
      const value* other = find(b, a.object->keys[i]);
      if (!other || !equal(a.object->items[i], *other, depth + 1)) return false;
    }
    return true;
  }
  /// Negative, 0 or positive. Only numbers and strings have an order.
  int order(const value& a, const value& b) {
    if (a.is_number() && b.is_number()) return a.number < b.number ? -1 : a.number > b.number;
    if (a.is(type::text) && b.is(type::text)) return work(a.text.size() / 64), a.text.compare(b.text);
    return fail("cannot order ", a, " and ", b), 0;
  }
  bool contains(const value& where, const value& what) {
    if (where.is(type::text)) {
      if (!what.is(type::text)) return fail("'in' cannot look for ", what, " in a string"), false;
      return find(where.text, what.text) != std::string_view::npos;
    }
    if (where.is(type::dict)) {
      if (what.object) return fail("'in' cannot look for ", what, " in a dictionary"), false;
      return what.is(type::text) && find(where, what.text);
    }
    bool found = false;
    each(where, [&](const value& v) { return !(found = equal(v, what)); });
    return found;
  }

  /// The item of a dictionary, or null.
  const value* find(const value& dict, std::string_view key) {
    work(dict.object->keys.size() / 8);
    return dict.object->find(key);
  }
  /// Position of a string in another, or npos. The product of their sizes counts as work.
  std::size_t find(std::string_view where, std::string_view what, std::size_t from = 0) {
    const std::size_t size = where.size() - from;
    return work(1 + size / 64 + size / 64 * (what.size() / 64)) ? where.find(what, from) : std::string_view::npos;
  }

  /// Calls f(item) for each item of an iterable until f returns false. Fails if v is not iterable.
  template <class F>
  void each(const value& v, F&& f) {
    const auto all = walk(v);
    for (std::size_t i = 0; work();) {
      const auto item = next_of(all, i);
      if (!item.second || !f(item.first)) return;
    }
  }
  /// The iterable of a loop: the value itself, or the keys of a dictionary.
  value walk(const value& v) {
    if (v.is(type::dict)) {
      std::vector<value> keys;
      for (const std::string_view k : v.object->keys) keys.push_back(template_text(k));
      work(1 + keys.size() / 8);
      return memory.list(std::move(keys));
    }
    if (v.is(type::text) || v.is_list() || v.is(type::stream) || v.is(type::undefined)) return v;
    return fail("cannot iterate over ", v);
  }
  /// The item at `at`, which advances, and whether there is one.
  std::pair<value, bool> next_of(const value& v, std::size_t& at) {
    if (failed()) return {};
    if (v.is(type::text)) {
      if (at >= v.text.size()) return {};
      const std::size_t n = utf8_at(v.text, at).bytes;
      at += n;
      return {template_text(v.text.substr(at - n, n)), true};
    }
    if (!v.object) return {};
    std::size_t& taken = v.is(type::stream) ? v.object->taken : at;
    if (taken >= v.object->items.size()) return {};
    return {v.object->items[taken++], true};
  }
  /// A copy of all items.
  std::vector<value> items(const value& v) {
    std::vector<value> all;
    each(v, [&](const value& i) { return all.push_back(i), memory.count_items(1), true; });
    return all;
  }
  /// Number of items or characters; −1 if Python defines no length.
  std::int64_t length(const value& v) {
    if (v.is(type::undefined)) return 0;
    if (v.is_list() || v.is(type::dict)) return static_cast<std::int64_t>(v.object->items.size());
    if (!v.is(type::text)) return -1;
    work(v.text.size() / 16);
    std::int64_t n = 0;
    for (std::size_t at = 0; at < v.text.size(); at += utf8_at(v.text, at).bytes) ++n;
    return n;
  }

 private:
  [[gnu::cold, gnu::noinline]] void add_problem(const template_problem_part* parts, std::size_t count) {
    if (!failed()) problem = template_error(line, parts, count);
  }

  std::size_t steps_ = 0;
};

}  // namespace detail

LLAVA_END
