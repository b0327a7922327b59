// SPDX-License-Identifier: Apache-2.0
/// A choice is a type. Where a file makes the choice, one_of<A, B, C> holds one of a list of types, and visit_choice
/// calls a function with the chosen type. A plain type is its own choice, so the same stage code handles both.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// One of Choices, chosen at run time; initially the first. Choices are empty types with a `name`.
template <class... Choices>
class one_of {
  static_assert((std::is_empty_v<Choices> && ...),
                "llava: the types of one_of must be empty: a choice has no data members");

 public:
  one_of() = default;
  template <class C>
  requires(std::is_same_v<C, Choices> || ...) one_of(C) { choose(C::name); }

  /// Chooses the type with this `name`. Returns false and changes nothing if there is none.
  bool choose(std::string_view name) {
    int at = 0;
    return ((Choices::name == name ? (chosen_ = at, true) : (++at, false)) || ...);
  }

  /// All names, comma-separated, for errors.
  static std::string names() {
    std::string all;
    for (const std::string_view name : {std::string_view(Choices::name)...}) (all += all.empty() ? "" : ", ") += name;
    return all;
  }

  /// Returns f(choice), with an object of the chosen type.
  template <class F>
  decltype(auto) visit(F&& f) const {
    return visit_from<F, Choices...>(f, chosen_);
  }

 private:
  template <class F, class First, class... Rest>
  static decltype(auto) visit_from(F& f, int chosen) {
    if constexpr (sizeof...(Rest) > 0)
      if (chosen > 0) return visit_from<F, Rest...>(f, chosen - 1);
    const First choice{};
    return f(choice);
  }

  int chosen_ = 0;
};

/// Calls f with the chosen type of a one_of, and with `choice` itself otherwise.
template <class C, class F>
decltype(auto) visit_choice(C& choice, F&& f) {
  if constexpr (requires { choice.visit(f); })
    return choice.visit(f);
  else
    return f(choice);
}

LLAVA_END
