// SPDX-License-Identifier: Apache-2.0
/// try_python_base64: base64 as Python's b64decode reads it. Characters outside the alphabet are skipped, and what
/// follows a complete padding is left out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>

LLAVA_BEGIN
namespace serve {

/// Returns the bytes. Errors: the last group is not complete.
inline result<std::vector<std::byte>> try_python_base64(std::string_view text) {
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0, pads = 0;
  for (const char c : text) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (c == '=') {
      ++pads;
      if (held >= 2 && held + pads >= 4) return out;
      continue;
    }
    const std::size_t value = letters.find(c);
    if (value == letters.npos) continue;
    pads = 0;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    // `held`: characters of a group of four; bytes are complete after the second, third and fourth
    if (held > 0) out.push_back(static_cast<std::byte>(bits >> (6 - 2 * held) & 0xff));
    held = (held + 1) % 4;
  }
  if (held != 0) return fail(errc::invalid_format, "llava: an image is not complete base64");
  return out;
}

}  // namespace serve
LLAVA_END
