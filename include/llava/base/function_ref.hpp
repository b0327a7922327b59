// SPDX-License-Identifier: Apache-2.0
/// function_ref<R(A...)>: a borrowed callable, two words, no allocation. It must not outlive the callable: take it as a
/// parameter and call it before returning. (<functional> costs half a second to parse.)
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

template <class Signature>
class function_ref;

/// A non-owning reference to a callable, valid as long as the callable.
template <class R, class... A>
class function_ref<R(A...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> && std::is_invocable_r_v<R, F&, A...>)
      function_ref(F&& f)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_([](void* object, A... a) -> R {
          return static_cast<R>((*static_cast<std::remove_reference_t<F>*>(object))(std::forward<A>(a)...));
        }) {}

  R operator()(A... a) const { return call_(object_, std::forward<A>(a)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// For a parameter go_on of type function_ref<bool()>: never stops.
inline constexpr auto never_stop = [] { return true; };

LLAVA_END
