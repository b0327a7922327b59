// SPDX-License-Identifier: Apache-2.0
/// What a caller leaves with the library: a function to be called later (hook), and somebody to be asked whether to
/// stop (stop_signal). Standard types do the same, and their headers take longer to parse than the rest of
/// chat_model.hpp.
#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

template <class Signature>
class hook;

/// A function of the caller's, or none. Copies are deep, as those of std::function.
template <class R, class... A>
class hook<R(A...)> {
 public:
  hook() = default;
  hook(std::nullptr_t) {}
  /// A function pointer that is null, or a std::function that is empty, is none.
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

/// Whether to stop, asked from any thread: made of a std::stop_token, or of whatever has stop_requested(). Without one
/// nobody ever asks to. Copies ask the same.
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
