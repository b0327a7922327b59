// SPDX-License-Identifier: Apache-2.0
/// Progress of long operations: loading, converting, evaluating. The library never prints; it calls a callback.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The progress of one operation.
struct progress {
  std::string_view what;    ///< the operation, for display: "loading weights"
  std::uint64_t done = 0;   ///< units finished, never above total
  std::uint64_t total = 0;  ///< units in total; 0 while unknown
};

/// Called on the working thread, often enough for a progress bar. Returning false stops the work, which then ends with
/// errc::cancelled and leaves no partial result.
using progress_callback = function_ref<bool(const progress&)>;

LLAVA_END
