// SPDX-License-Identifier: Apache-2.0
/// A choice is a type. Where a file makes the choice, one_of<A, B, C> holds one of a list of types, and visit_choice calls
/// a function with the type chosen; a plain type is its own choice, so that the same stage code serves both.
#pragma once
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// One of Choices, types with a `name`, chosen when a program runs.
template <class... Choices>
class one_of {
 public:
  one_of() = default;
  template <class C>
  requires(std::is_same_v<C, Choices> || ...) one_of(C choice) : chosen_(std::move(choice)) {}

  /// Chooses the type whose `name` is given; false, and no change, when there is none.
  bool choose(std::string_view name) { return ((Choices::name == name ? (chosen_ = Choices{}, true) : false) || ...); }

  template <class F>
  decltype(auto) visit(F&& f) const {
    return std::visit(f, chosen_);
  }
  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit(f, chosen_);
  }

 private:
  std::variant<Choices...> chosen_;
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
