// SPDX-License-Identifier: Apache-2.0
/// Reads an answer's JSON into a described struct. Errors name the field, what it must be and what was found.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/grammar/described.hpp>

LLAVA_BEGIN

namespace detail {

/// Where a value stands in the answer: a field or an element of the one above.
struct answer_place {
  const answer_place* above = nullptr;
  std::string_view name{};
  std::size_t index = 0;

  std::string text() const {
    if (!above) return {};
    const std::string before = above->text();
    if (name.data()) return before.empty() ? std::string(name) : before + '.' + std::string(name);
    return text_of(before, '[', index, ']');
  }
};

[[gnu::cold]] inline error wrong_answer(const answer_place& at, std::string_view expected, const json_value& found) {
  std::string shown_value;
  if (found.is_array() || found.is_object())
    shown_value = found.is_array() ? "an array" : "an object";
  else
    append_compact_json(shown_value, found);
  const std::string where = at.text();
  return fail(errc::mismatch, text_of("llava: the answer", where.empty() ? "" : "'s field ", shown(where), " must be ",
                                      expected, ", found ", shown(shown_value)));
}

template <class T>
result<void> read_described(const json_value& v, const answer_place& at, T& to) {
  if constexpr (std::same_as<T, bool>) {
    if (!v.boolean()) return wrong_answer(at, "true or false", v);
    to = *v.boolean();
  } else if constexpr (json_integer<T>) {
    const auto i = v.integer();
    if (!i || !std::in_range<T>(*i))
      return wrong_answer(
          at, text_of("an integer from ", (std::numeric_limits<T>::min)(), " to ", (std::numeric_limits<T>::max)()), v);
    to = static_cast<T>(*i);
  } else if constexpr (std::floating_point<T>) {
    constexpr double most = static_cast<double>((std::numeric_limits<T>::max)());
    if (!v.number() || !(*v.number() >= -most && *v.number() <= most)) return wrong_answer(at, "a number", v);
    to = static_cast<T>(*v.number());
  } else if constexpr (std::same_as<T, std::string>) {
    if (!v.text()) return wrong_answer(at, "a string", v);
    to = *v.text();
  } else if constexpr (named_enum<T>) {
    std::string names;
    for (const enum_name<T>& n : enum_names<T>) {
      if (v.text() && *v.text() == n.name) return to = n.value, result<void>();
      names += (names.empty() ? "" : ", ") + std::string(n.name);
    }
    return wrong_answer(at, "one of " + names, v);
  } else if constexpr (optional_of<T>::value) {
    if (v.is_null()) return to.reset(), result<void>();
    return read_described(v, at, to.emplace());
  } else if constexpr (vector_of<T>::value) {
    if (!v.is_array()) return wrong_answer(at, "an array", v);
    to.clear();
    for (const json_value& item : v.items()) {
      typename T::value_type one{};
      LLAVA_CHECK(read_described(item, {&at, {}, to.size()}, one));
      to.push_back(std::move(one));
    }
  } else {
    static_assert(described<T>, "llava: this type has no fields; described.hpp lists the types of fields");
    if (!v.is_object()) return wrong_answer(at, "an object", v);
    result<void> done;
    const auto is_field = [&](const std::string& name) {
      return std::apply([&](const auto&... f) { return ((f.name == name) || ...); }, T::fields);
    };
    for (const auto& m : v.members())
      if (!is_field(m.first)) return wrong_answer({&at, m.first}, "absent, because there is no such field", m.second);
    const auto read = [&](const auto& f) {
      using member = std::remove_cvref_t<decltype(to.*f.member)>;
      const answer_place here{&at, f.name};
      if (const json_value* value = v.find(f.name))
        done = read_described(*value, here, to.*f.member);
      else if constexpr (optional_of<member>::value)
        (to.*f.member).reset();
      else
        done = fail(errc::mismatch, text_of("llava: the answer's field ", shown(here.text()), " is absent"));
      return done.has_value();
    };
    std::apply([&](const auto&... f) { return (read(f) && ...); }, T::fields);
    return done;
  }
  return {};
}

}  // namespace detail

/// Reads JSON text into a T. Errors: not JSON, a field absent, of another type, out of range, or unknown.
template <described T>
result<T> try_read_described(std::string_view answer) {
  return guarded([&]() -> result<T> {
    LLAVA_TRY(value, try_parse_json("the answer", answer, repeated_keys::refused));
    T to{};
    LLAVA_CHECK(detail::read_described(value, {}, to));
    return result<T>(std::move(to));
  });
}
#if LLAVA_EXCEPTIONS
template <described T>
T read_described(std::string_view answer) {
  return value_or_throw(try_read_described<T>(answer));
}
#endif

LLAVA_END
