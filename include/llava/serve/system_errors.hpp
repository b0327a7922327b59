// SPDX-License-Identifier: Apache-2.0
/// without_exceptions: the body of a public function that uses Asio. Asio throws where it has no error code: a system
/// without free descriptors, threads or memory.
#pragma once
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/system/system_error.hpp>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// Returns body(), a result, or the error of the system. Exceptions of the user's callbacks pass, if the body calls
/// them through call_back.
template <class F>
auto without_exceptions(std::string_view doing, F&& body) -> decltype(body()) {
  try {
    return guarded(std::forward<F>(body));
  } catch (const boost::system::system_error& e) {
    return fail_of_system(e.code().value(), "llava: cannot ", doing);
  } catch (const std::system_error& e) {
    return fail_of_system(e.code().value(), "llava: cannot ", doing);
  }
}

}  // namespace serve::detail
LLAVA_END
