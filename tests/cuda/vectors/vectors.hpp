// SPDX-License-Identifier: Apache-2.0
/// Vectors of the device vocabulary: what its functions give for fixed inputs, as words. The same program is compiled
/// for the emulator and, by nvcc, for a device, and both must write the same file (main.cpp). Inputs are such that the
/// result is defined to the bit: sums of matrix products are exact in any order, and every NaN counts as one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cuda_vectors {

using words = std::vector<std::uint32_t>;

/// The outputs of each function by its name.
using all_vectors = std::map<std::string, words>;

void add_numbers(all_vectors& all);  // numbers.cpp: conversions and arithmetic
void add_warps(all_vectors& all);    // warps.cpp: fragments, copies, shuffles, reductions

/// Words that depend on the seed only, in all programs.
inline words random_words(std::size_t count, std::uint32_t seed) {
  words w(count);
  std::uint64_t state = seed;
  for (std::uint32_t& x : w) {
    state += 0x9e3779b97f4a7c15u;
    std::uint64_t z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    x = static_cast<std::uint32_t>((z ^ z >> 31) >> 32);
  }
  return w;
}

}  // namespace cuda_vectors
