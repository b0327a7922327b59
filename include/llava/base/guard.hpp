// SPDX-License-Identifier: Apache-2.0
/// What stands around the body of a public `try_` function.
///
/// guarded(body): where exceptions exist, memory that the standard library was refused becomes errc::out_of_memory,
/// with a sentence that needs no memory. Without exceptions a refused allocation ends the program; sizes that files and
/// options state are checked before anything is allocated for them.
///
/// call_back(f): calls a function of the caller's inside such a body. What it throws passes guarded() unchanged,
/// whatever it is. A guarded function that calls back is not called by another one.
///
/// reentry_guard: an object that is at work, and a callback that asks it again.
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
/// What a callback threw, on its way through guarded().
struct thrown_by_callback {
  std::exception_ptr what;
};
}  // namespace detail
#endif

/// body(), a result; see the head of this file.
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

/// f(), a function of the caller's; see the head of this file.
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

/// Marks an object as busy for a scope. False when it is busy already.
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
