// SPDX-License-Identifier: Apache-2.0
/// Wrappers for the body of a public `try_` function.
///
/// guarded(body): turns std::bad_alloc and std::length_error into errc::out_of_memory, with a sentence that needs no
/// memory. Without exceptions a refused allocation ends the program. Sizes from files and options are checked before
/// anything is allocated for them.
///
/// call_back(f): calls a function of the user's inside such a body. Any exception that it throws passes guarded()
/// unchanged. A guarded function that uses call_back must not be called by another guarded function.
///
/// reentry_guard: detects a callback that calls the object that is running it.
#pragma once
#include <new>
#if __has_include(<stdexcept>)
#include <stdexcept>
#endif

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

#if LLAVA_EXCEPTIONS
namespace detail {
/// Carries the exception of a callback through guarded().
struct thrown_by_callback {
  std::exception_ptr what;
};
}  // namespace detail
#endif

/// Returns body(), a result; see the top of this file.
template <class F>
auto guarded(F&& body) -> decltype(body()) {
#if LLAVA_EXCEPTIONS
  try {
    return body();
  } catch (const detail::thrown_by_callback& e) {
    std::rethrow_exception(e.what);
  } catch (const std::bad_alloc&) {
    return error::out_of_memory();
  } catch (const std::length_error&) {
    return error::out_of_memory();
  }
#else
  return body();
#endif
}

/// Returns f(), where f is the user's; see the top of this file.
template <class F>
decltype(auto) call_back(F&& f) {
#if LLAVA_EXCEPTIONS
  try {
    return f();
  } catch (...) {
    throw detail::thrown_by_callback{std::current_exception()};
  }
#else
  return f();
#endif
}

/// Marks an object as busy for a scope. Converts to false if it was busy already.
class reentry_guard {
 public:
  explicit reentry_guard(bool& busy) : busy_(busy ? nullptr : &busy) { busy = true; }
  reentry_guard(const reentry_guard&) = delete;
  reentry_guard& operator=(const reentry_guard&) = delete;
  ~reentry_guard() {
    if (busy_) *busy_ = false;
  }
  explicit operator bool() const { return busy_ != nullptr; }

 private:
  bool* busy_;
};

LLAVA_END
