// SPDX-License-Identifier: Apache-2.0
/// A choice is a type. Where a file makes the choice, one_of<A, B, C> holds one of a list of types, and visit_choice
/// calls a function with the type chosen; a plain type is its own choice, so that the same stage code serves both.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// One of Choices, types with a `name` and nothing else, chosen when a program runs; at first the first.
template <class... Choices>
class one_of {
  static_assert((std::is_empty_v<Choices> && ...), "llava: a choice is its type; it can have no members");

 public:
  one_of() = default;
  template <class C>
  requires(std::is_same_v<C, Choices> || ...) one_of(C) { choose(C::name); }

  /// Chooses the type whose `name` is given; false, and no change, when there is none.
  bool choose(std::string_view name) {
    int at = 0;
    return ((Choices::name == name ? (chosen_ = at, true) : (++at, false)) || ...);
  }

  /// All names, for errors.
  static std::string names() {
    std::string all;
    for (const std::string_view name : {std::string_view(Choices::name)...}) (all += all.empty() ? "" : ", ") += name;
    return all;
  }

  /// f(choice), with the type that was chosen.
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

/// Calls f with the type that was chosen, or with the type itself where there was no choice.
template <class C, class F>
decltype(auto) visit_choice(C& choice, F&& f) {
  if constexpr (requires { choice.visit(f); })
    return choice.visit(f);
  else
    return f(choice);
}

LLAVA_END
