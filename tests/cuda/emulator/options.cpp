// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

extern "C" __attribute__((weak)) bool llava_emulator_is_checked;  // of instrumented.cpp, if it is linked

namespace llava::emulator {

options& settings() {
  static options o;
  return o;
}

bool is_checked() { return &llava_emulator_is_checked != nullptr; }

}  // namespace llava::emulator
