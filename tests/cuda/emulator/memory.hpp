// SPDX-License-Identifier: Apache-2.0
/// Memory of the device for the emulator itself.
#pragma once
#include <cstddef>
#include <string>

namespace llava::emulator {

/// Device memory, or null. llava::cuda_host::release() releases it.
std::byte* allocate_bytes(std::size_t bytes);

/// What is wrong with an access to bytes of one allocation, which are initialised if it reads them, or nothing.
std::string check_device(const void*, std::size_t bytes, bool is_read);

}  // namespace llava::emulator
