// SPDX-License-Identifier: Apache-2.0
/// Memory of the device for the emulator itself.
#pragma once
#include <cstddef>

namespace llava::emulator {

/// Device memory, or null. llava::cuda_host::release() releases it.
std::byte* allocate_bytes(std::size_t bytes);

}  // namespace llava::emulator
