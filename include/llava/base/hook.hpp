// SPDX-License-Identifier: Apache-2.0
/// hook: a stored callback. stop_signal: a stored stop token. std::function and std::stop_token do the same, but their
/// headers take longer to parse than the rest of chat_model.hpp.
#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

template <class Signature>
class hook;

/// A callback, or none. Copies are deep, like those of std::function.
template <class R, class... A>
class hook<R(A...)> {
 public:
  hook() = default;
  hook(std::nullptr_t) {}
  /// A null function pointer or an empty std::function makes an empty hook.
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, hook> && std::is_invocable_r_v<R, std::remove_cvref_t<F>&, A...>)
      hook(F&& f) {
    using function = std::remove_cvref_t<F>;
    if constexpr (std::is_pointer_v<function>) {
      if (!f) return;
    } else if constexpr (requires { f.operator bool(); }) {
      if (!f) return;
    }
    held_ = std::make_unique<of<function>>(std::forward<F>(f));
  }
  hook(const hook& other) : held_(other.held_ ? other.held_->copy() : nullptr) {}
  hook(hook&&) noexcept = default;
  hook& operator=(hook other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }

  explicit operator bool() const { return held_ != nullptr; }
  R operator()(A... a) const { return held_->call(std::forward<A>(a)...); }

 private:
  struct any {
    virtual ~any() = default;
    virtual std::unique_ptr<any> copy() const = 0;
    virtual R call(A... a) = 0;
  };
  template <class F>
  struct of final : any {
    F f;
    template <class G>
    explicit of(G&& g) : f(std::forward<G>(g)) {}
    std::unique_ptr<any> copy() const override { return std::make_unique<of>(f); }
    R call(A... a) override { return static_cast<R>(f(std::forward<A>(a)...)); }
  };
  std::unique_ptr<any> held_;
};

/// Holds a std::stop_token, or any type with stop_requested(). Any thread may call stop_requested(). It is always false
/// without a token. Copies share the token.
class stop_signal {
 public:
  stop_signal() = default;
  template <class T>
  requires(!std::is_same_v<T, stop_signal> &&
           requires(const T& t) {
             { t.stop_requested() }
             noexcept;
           }) stop_signal(T token)
      : held_(std::make_shared<T>(std::move(token))),
        ask_([](const void* t) { return static_cast<bool>(static_cast<const T*>(t)->stop_requested()); }) {}

  bool stop_requested() const { return ask_ && ask_(held_.get()); }

 private:
  std::shared_ptr<const void> held_;
  bool (*ask_)(const void*) = nullptr;
};

LLAVA_END
