// SPDX-License-Identifier: Apache-2.0
/// A checksum that detects damage and mistakes, not malice: four lanes of multiply and xor, at memory speed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {
inline std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  constexpr std::uint64_t prime = 0x9e3779b97f4a7c15u;
  std::uint64_t lanes[4] = {prime, 2 * prime, 3 * prime, bytes.size()};
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32)
    for (std::size_t i = 0; i < 4; ++i) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data() + at + 8 * i, 8);
      lanes[i] = (lanes[i] ^ word) * prime;
      lanes[i] ^= lanes[i] >> 29;
    }
  for (; at < bytes.size(); ++at) lanes[0] = (lanes[0] ^ std::to_integer<std::uint64_t>(bytes[at])) * prime;
  std::uint64_t all = 0;
  for (const std::uint64_t lane : lanes) all = (all ^ lane ^ (lane >> 31)) * prime;
  return all ^ (all >> 32);
}
}  // namespace detail

LLAVA_END
