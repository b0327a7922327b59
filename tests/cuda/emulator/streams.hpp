// SPDX-License-Identifier: Apache-2.0
/// Work in streams for the emulator itself.
#pragma once
#include <functional>
#include <string>

#include "llava_cuda_host.hpp"

namespace llava::emulator {

/// Tells a stream to do work, which returns an empty text or a mistake.
std::string tell(cuda_host::native_stream, std::function<std::string()> work);

}  // namespace llava::emulator
