// SPDX-License-Identifier: Apache-2.0
/// The filters, tests and functions of chat templates, by Jinja's names.
#pragma once
#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_items.hpp>
#include <llava/text/chat_template_json.hpp>
#include <llava/text/chat_template_texts.hpp>

LLAVA_BEGIN

namespace detail {

class template_functions {
 public:
  using value = template_value;
  using type = template_type;
  explicit template_functions(template_run& run) : run_(run), texts_(run), items_(run) {}

  // --- filters -----------------------------------------------------------------------------------------------------

  value filter(std::string_view name, const value& v, const template_arguments& given) {
    const value* first = given.find(0, "");
    if (name == "trim") return texts_.strip(run_.as_text(v), given.find(0, "chars"), true, true);
    if (name == "upper" || name == "lower" || name == "capitalize") return texts_.change_case(run_.as_text(v), name);
    if (name == "title") return texts_.change_case(run_.as_text(v), "words");
    if (name == "string") return template_text(run_.as_text(v));
    if (name == "tojson") return json(v, given);
    if (name == "length" || name == "count") {
      const std::int64_t n = run_.length(v);
      return n < 0 ? run_.fail("cannot take the length of ", v) : template_integer(n);
    }
    if (name == "list") return run_.memory.list(run_.items(v));
    if (name == "first") {
      std::size_t at = 0;
      return run_.next_of(run_.walk(v), at).first;
    }
    if (name == "last") {
      if (v.is(type::stream)) return run_.fail("'last' is not supported for a list that can be read only once");
      const std::vector<value> all = run_.items(v);
      return all.empty() ? value() : all.back();
    }
    if (name == "reverse") return reversed(v);
    if (name == "items") return items_.pairs(v, true);
    if (name == "default" || name == "d") {
      const value* loose = given.find(1, "boolean");
      const bool keeps = !v.is(type::undefined) && (!loose || !run_.truth(*loose) || run_.truth(v));
      const value* otherwise = given.find(0, "default_value");
      return keeps ? v : otherwise ? *otherwise : template_text("");
    }
    if (name == "int") return to_integer(v, given.find(0, "default"));
    if (name == "replace")
      return texts_.replace(run_.as_text(v), given.find(0, "old"), given.find(1, "new"), given.find(2, "count"));
    if (name == "join") {
      const value* between = given.find(0, "d");
      const value* path = given.find(1, "attribute");
      return texts_.join(between ? run_.as_text(*between) : std::string_view(), path ? mapped(v, *path, nullptr) : v,
                         false);
    }
    if (name == "map") {
      if (const value* path = given.find(given.values.size(), "attribute"))
        return mapped(v, *path, given.find(given.values.size(), "default"));
      if (!first || !first->is(type::text)) return run_.fail("'map' needs an attribute or the name of a filter");
      const template_arguments left = rest(given, 1);
      return stream_of(v, [&](const value& i, std::vector<value>& to) { to.push_back(filter(first->text, i, left)); });
    }
    const bool rejects = name == "reject" || name == "rejectattr",
               by_attribute = name == "selectattr" || name == "rejectattr";
    if (by_attribute || rejects || name == "select") return selected(v, given, by_attribute, rejects);
    return run_.fail("the filter '", name, "' is not supported");
  }

  // --- tests -------------------------------------------------------------------------------------------------------

  bool test(std::string_view name, const value& v, const template_arguments& given) {
    const value* other = given.find(0, "");
    if (name == "defined") return !v.is(type::undefined);
    if (name == "undefined") return v.is(type::undefined);
    if (name == "none") return v.is(type::none);
    if (name == "string") return v.is(type::text);
    if (name == "mapping") return v.is(type::dict);
    if (name == "boolean") return v.is(type::boolean);
    if (name == "integer") return v.is(type::integer);
    if (name == "number") return v.is_number();
    if (name == "true" || name == "false") return v.is(type::boolean) && (v.number != 0) == (name == "true");
    if (name == "sequence") return run_.length(v) >= 0;
    if (name == "iterable") return run_.length(v) >= 0 || v.is(type::stream);
    if (name == "odd" || name == "even" || (name == "divisibleby" && other)) {
      const std::int64_t by = name == "divisibleby" ? other->number : 2;
      if (!v.is_number() || by == 0) return run_.fail("cannot apply the test '", name, "' to ", v), false;
      return by == -1 || (v.number % by == 0) == (name != "odd");
    }
    if (!other) return run_.fail("the test '", name, "' is not supported"), false;
    if (name == "equalto" || name == "eq" || name == "==") return run_.equal(v, *other);
    if (name == "ne" || name == "!=") return !run_.equal(v, *other);
    if (name == "in") return run_.contains(*other, v);
    if (name == "lt" || name == "<" || name == "lessthan") return run_.order(v, *other) < 0;
    if (name == "gt" || name == ">" || name == "greaterthan") return run_.order(v, *other) > 0;
    if (name == "le" || name == "<=") return run_.order(v, *other) <= 0;
    if (name == "ge" || name == ">=") return run_.order(v, *other) >= 0;
    return run_.fail("the test '", name, "' is not supported"), false;
  }

  // --- functions ---------------------------------------------------------------------------------------------------

  static bool is_function(std::string_view name) {
    return template_list_has(" raise_exception namespace range dict strftime_now ", name);
  }
  value call(std::string_view name, const template_arguments& given) {
    const value* first = given.find(0, "");
    if (name == "range") return range(given);
    if (name == "namespace" || name == "dict") {
      const value made = run_.memory.make(name == "dict" ? type::dict : type::name_space);
      if (first && !first->is(type::dict)) return run_.fail(name, "() does not accept ", *first);
      if (first) *made.object = *first->object;
      run_.memory.count_items(made.object->items.size() + given.names.size());
      for (std::size_t i = 0; i < given.names.size() && run_.work(1 + i / 8); ++i)
        made.object->set(given.names[i], given.values[given.unnamed() + i]);
      return made;
    }
    if (name == "strftime_now" && first && first->is(type::text)) return now(first->text);
    if (name == "raise_exception" && first) {
      run_.refusal = std::string(run_.as_text(*first));
      return run_.fail("raise_exception");
    }
    return run_.fail(name, "() has a missing or invalid argument");
  }

  template_texts& texts() { return texts_; }
  template_items& items() { return items_; }

 private:
  /// Arguments without the first `skip` positional ones.
  static template_arguments rest(const template_arguments& given, std::size_t skip) {
    template_arguments left = given;
    left.values.erase(left.values.begin(),
                      left.values.begin() + static_cast<std::ptrdiff_t>((std::min)(skip, given.unnamed())));
    return left;
  }

  /// A stream of the items that f(item, items) appends for each item of v. As in Jinja, a false value is an empty list.
  template <class F>
  value stream_of(const value& v, F&& f) {
    const value out = run_.memory.make(type::stream);
    if (run_.truth(v))
      run_.each(v, [&](const value& i) { return f(i, out.object->items), run_.memory.count_items(1), true; });
    return out;
  }

  value mapped(const value& v, const value& path, const value* otherwise) {
    return stream_of(v, [&](const value& i, std::vector<value>& to) {
      const value found = items_.by_path(i, path);
      to.push_back(otherwise && found.is(type::undefined) ? *otherwise : found);
    });
  }
  value selected(const value& v, const template_arguments& given, bool by_attribute, bool rejects) {
    const std::size_t skip = by_attribute ? 1 : 0;
    if (given.unnamed() < skip) return run_.fail("'selectattr' needs the name of an attribute");
    const value* name = given.find(skip, "");
    if (name && !name->is(type::text)) return run_.fail("the name of a test must be a string");
    const template_arguments left = rest(given, skip + 1);
    return stream_of(v, [&](const value& i, std::vector<value>& to) {
      const value looked_at = by_attribute ? items_.by_path(i, given.values[0]) : i;
      if ((name ? test(name->text, looked_at, left) : run_.truth(looked_at)) != rejects) to.push_back(i);
    });
  }

  value reversed(const value& v) {
    if (v.is(type::text)) {
      const value back = template_integer(-1);
      return texts_.slice(v, nullptr, nullptr, &back);
    }
    const value out = run_.memory.make(type::stream);
    out.object->items = run_.items(v);
    std::reverse(out.object->items.begin(), out.object->items.end());
    return out;
  }
  value to_integer(const value& v, const value* otherwise) {
    if (v.is_number()) return template_integer(v.number);
    if (v.is(type::undefined)) return run_.fail("'int' does not accept ", v);
    const value none = otherwise ? *otherwise : template_integer(0);
    if (!v.is(type::text)) return none;
    std::string_view s = texts_.strip(v.text, nullptr, true, true).text;
    if (!s.empty() && s[0] == '+') s.remove_prefix(1);
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(s.data(), s.data() + s.size(), number);
    if (failure == std::errc() && end == s.data() + s.size()) return template_integer(number);
    if (s.find_first_not_of("0123456789+-._eE") == std::string_view::npos &&
        s.find_first_of("0123456789") != std::string_view::npos)
      return run_.fail("'int' supports only integers of at most 64 bits");
    return none;
  }
  value range(const template_arguments& given) {
    std::int64_t bounds[3] = {0, 0, 1};
    const std::size_t n = given.values.size();
    for (std::size_t i = 0; i < n; ++i) {
      if (n > 3 || !given.names.empty() || !given.values[i].is_number())
        return run_.fail("range() needs one to three integers");
      bounds[n == 1 ? 1 : i] = given.values[i].number;
    }
    constexpr int most = 100000;  // MAX_RANGE of Jinja's sandbox
    for (const std::int64_t b : bounds)
      if (n == 0 || b > (std::int64_t{1} << 60) || b < -(std::int64_t{1} << 60) || bounds[2] == 0)
        return run_.fail("range() needs one to three integers up to 2^60 in size, and a step other than 0");
    std::vector<value> all;
    for (std::int64_t i = bounds[0]; (bounds[2] > 0 ? i < bounds[1] : i > bounds[1]) && run_.work(); i += bounds[2]) {
      if (all.size() == std::size_t{most}) return run_.fail("range() has more than ", most, " integers");
      all.push_back(template_integer(i));
      run_.memory.count_items(1);
    }
    return run_.memory.list(std::move(all));
  }
  value json(const value& v, const template_arguments& given) {
    const value* indent = given.find(1, "indent");
    const value* parts = given.find(2, "separators");
    const value* sorted = given.find(3, "sort_keys");
    const value* ascii = given.find(0, "ensure_ascii");
    if (ascii && run_.truth(*ascii)) return run_.fail("'tojson' with ensure_ascii is not supported");
    std::int64_t by = -1;
    if (indent && indent->is_number()) by = std::clamp<std::int64_t>(indent->number, 0, 64);
    std::string_view comma = by < 0 ? ", " : ",", colon = ": ";
    if (parts && parts->is_list() && parts->object->items.size() == 2)
      comma = parts->object->items[0].text, colon = parts->object->items[1].text;
    template_json writer(run_, by, comma, colon, sorted && run_.truth(*sorted));
    writer.write(v);
    return run_.text(std::move(writer.out));
  }
  value now(std::string_view format) {
    const std::time_t seconds = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    char out[256];
    const std::size_t n = format.empty() ? 0 : std::strftime(out, sizeof out, std::string(format).c_str(), &local);
    return run_.text(std::string(out, n));
  }

  template_run& run_;
  template_texts texts_;
  template_items items_;
};

}  // namespace detail

LLAVA_END
