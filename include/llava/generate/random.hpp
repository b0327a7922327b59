// SPDX-License-Identifier: Apache-2.0
/// Random numbers by position: the number for token i and a seed does not depend on earlier draws, so a sampled answer
/// is the same alone and in a batch. Mixing function: splitmix64 (Steele, Lea, Flood 2014).
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// One step of Steele, Lea and Flood's generator. Each bit of x changes about half of the bits of the result.
constexpr std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Returns a number in [0, 1) with 24 random bits.
constexpr float uniform(std::uint64_t seed, std::uint64_t index) {
  return static_cast<float>(splitmix64(splitmix64(seed) ^ index) >> 40) * 0x1p-24f;
}

LLAVA_END
