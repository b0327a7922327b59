// SPDX-License-Identifier: Apache-2.0
/// CRC-32 as zlib computes it, for values that a script of tests/oracle states by their checksum.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

inline std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1u ? 0xedb88320u : 0u);
  }
  return ~crc;
}
