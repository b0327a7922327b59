// SPDX-License-Identifier: Apache-2.0
/// nibbles: the 4-bit formats store the 32 codes of a block in 16 bytes, as GGUF does. Byte i holds code i in its low
/// half and code i + 16 in its high half. A code c in 0 … 15 stands for c − 8.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/quant/blocks.hpp>

LLAVA_BEGIN

namespace nibbles {

/// Code i of a block's 16 bytes, in 0 … 15.
constexpr int code(const std::byte* bytes, int i) {
  const int both = std::to_integer<int>(bytes[i % 16]);
  return i < 16 ? both & 15 : both >> 4;
}
/// Stores 32 codes in 0 … 15 as 16 bytes.
constexpr void store(const int* codes, std::byte* bytes) {
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<std::byte>(codes[i] | codes[i + 16] << 4);
}

}  // namespace nibbles

LLAVA_END
