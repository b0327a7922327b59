// SPDX-License-Identifier: Apache-2.0
/// md5_hex: the hash function of RFC 1321. LLaVA's logs name images by it. It protects nothing: for the identity of
/// contents use sha256.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

namespace detail {

/// Adds a block of 64 bytes to the state.
inline void md5_block(std::array<std::uint32_t, 4>& state, const std::uint8_t* block) {
  static const std::array<std::uint32_t, 64> sines = [] {
    std::array<std::uint32_t, 64> all{};
    for (std::size_t i = 0; i < 64; ++i)
      all[i] = static_cast<std::uint32_t>(std::floor(std::fabs(std::sin(static_cast<double>(i + 1))) * 4294967296.));
    return all;
  }();
  constexpr int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  std::array<std::uint32_t, 16> words{};
  for (std::size_t i = 0; i < 64; ++i) words[i / 4] |= static_cast<std::uint32_t>(block[i]) << (8 * (i % 4));
  auto [a, b, c, d] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t round = i / 16;
    const std::uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                                : round == 1 ? (d & b) | (~d & c)
                                : round == 2 ? b ^ c ^ d
                                             : c ^ (b | ~d);
    const std::size_t word = (round == 0 ? i : round == 1 ? 5 * i + 1 : round == 2 ? 3 * i + 5 : 7 * i) % 16;
    const std::uint32_t sum = a + mixed + words[word] + sines[i];
    a = d, d = c, c = b;
    b += std::rotl(sum, turns[round][i % 4]);
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

}  // namespace detail

/// The digest of the bytes, as 32 hexadecimal digits.
inline std::string md5_hex(std::span<const std::uint8_t> bytes) {
  std::array<std::uint32_t, 4> state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const std::size_t whole = bytes.size() / 64 * 64, rest = bytes.size() - whole;
  for (std::size_t at = 0; at < whole; at += 64) detail::md5_block(state, bytes.data() + at);
  std::array<std::uint8_t, 128> last{};
  if (rest > 0) std::memcpy(last.data(), bytes.data() + whole, rest);
  last[rest] = 0x80;
  const std::size_t end = rest < 56 ? 64 : 128;
  for (std::size_t i = 0; i < 8; ++i)
    last[end - 8 + i] = static_cast<std::uint8_t>(std::uint64_t{bytes.size()} * 8 >> (8 * i));
  for (std::size_t at = 0; at < end; at += 64) detail::md5_block(state, last.data() + at);
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    const std::uint32_t byte = state[i / 4] >> (8 * (i % 4)) & 0xff;
    out += "0123456789abcdef"[byte >> 4], out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace serve
LLAVA_END
