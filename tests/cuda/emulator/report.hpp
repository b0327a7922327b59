// SPDX-License-Identifier: Apache-2.0
/// Mistakes of kernels, as sentences that name a place.
#pragma once
#include <source_location>
#include <string>

namespace llava::emulator {

/// Ends a thread of a kernel, and with it the launch. It is caught where the thread began.
struct mistake {
  std::string sentence;
};

/// "FILE:LINE", without folders.
std::string text_of_place(const std::source_location&);
/// The same for a return address, from the program's debugging information, by addr2line. Of functions that were
/// inlined into each other it names the innermost that is outside the device vocabulary.
std::string text_of_place(const void* return_address);

}  // namespace llava::emulator
