// SPDX-License-Identifier: Apache-2.0
/// Progress of what may take long: loading, converting, evaluating. The library never prints; it calls back.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// How far something is.
struct progress {
  std::string_view what;    ///< what is being done, for a person: "loading weights"
  std::uint64_t done = 0;   ///< units finished, never above total
  std::uint64_t total = 0;  ///< units in all; 0 while it is not known
};

/// Called from the thread that does the work, often enough for a bar. Returning false asks to stop: the work then ends
/// with errc::cancelled and leaves nothing half done.
using progress_callback = function_ref<bool(const progress&)>;

LLAVA_END
