// SPDX-License-Identifier: Apache-2.0
/// Writes the vectors of the device vocabulary, or compares them with those of a file (vectors.hpp):
///
///   llava_cuda_vectors FILE            writes them
///   llava_cuda_vectors --check FILE    exits with 1 and names each function and place that differs
///
/// A line is the name of a function and a hexadecimal hash (64-bit FNV-1a) of each 1024 words that it writes, or the
/// words themselves if there are at most 1024.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>

#include <llava/base/error.hpp>

#include "vectors.hpp"

namespace {

using cuda_vectors::words;

constexpr std::size_t most_words = 1024, hashed = 1024;

std::string text_of(const words& w) {
  std::string line;
  char number[24];
  if (w.size() <= most_words) {
    for (const std::uint32_t x : w) std::snprintf(number, sizeof number, " %08x", x), line += number;
    return line;
  }
  for (std::size_t first = 0; first < w.size(); first += hashed) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (std::size_t i = first; i < w.size() && i < first + hashed; ++i)
      for (unsigned shift = 0; shift < 32; shift += 8) hash = (hash ^ (w[i] >> shift & 0xffu)) * 0x100000001b3u;
    std::snprintf(number, sizeof number, " %016llx", static_cast<unsigned long long>(hash));
    line += number;
  }
  return line;
}

/// Prints the first places where two lines differ.
void print_differences(const std::string& name, const std::string& found, const std::string& expected) {
  std::istringstream f(found), e(expected);
  std::string a, b;
  int differing = 0, place = 0;
  for (bool more = true; more; ++place) {
    a.clear(), b.clear();
    const bool has_a = static_cast<bool>(f >> a), has_b = static_cast<bool>(e >> b);
    more = has_a || has_b;
    if (a == b) continue;
    if (++differing <= 4)
      std::printf("%s: place %d: expected %s, found %s\n", name.c_str(), place, b.empty() ? "nothing" : b.c_str(),
                  a.empty() ? "nothing" : a.c_str());
  }
  if (differing > 4) std::printf("%s: and %d places more\n", name.c_str(), differing - 4);
}

int check(const std::string& path, const std::map<std::string, std::string>& lines) {
  std::ifstream in(path);
  std::map<std::string, std::string> expected;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') expected[line.substr(0, line.find(' '))] = line.substr(line.find(' '));
  if (expected.empty()) {
    std::printf("%s has no vectors\n", path.c_str());
    return 1;
  }
  int differing = 0;
  std::size_t equal = 0;
  for (const auto& [name, line] : lines)
    if (expected.contains(name) && expected[name] == line)
      ++equal;
    else
      print_differences(name, line, expected[name]), ++differing;
  for (const auto& [name, line] : expected)
    if (!lines.contains(name)) std::printf("%s: nobody computes it\n", name.c_str()), ++differing;
  std::printf("%zu of %zu functions equal %s\n", equal, lines.size(), path.c_str());
  return differing == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool checks = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !checks) {
    std::fprintf(stderr, "expected: FILE, or --check FILE\n");
    return 2;
  }
  std::map<std::string, std::string> lines;
  try {
    cuda_vectors::all_vectors all;
    cuda_vectors::add_numbers(all);
    cuda_vectors::add_warps(all);
    for (const auto& [name, w] : all) lines[name] = text_of(w);
  } catch (const llava::error& e) {
    std::printf("%s\n", e.sentence().c_str());
    return e.code() == llava::errc::unsupported ? 77 : 1;
  }
  if (checks) return check(argv[2], lines);
  std::ofstream out(argv[1]);
  out << "# Vectors of the device vocabulary, written by tests/cuda/vectors (main.cpp says what a line has).\n";
  for (const auto& [name, line] : lines) out << name << line << '\n';
  if (!out.flush()) {
    std::printf("cannot write %s\n", argv[1]);
    return 1;
  }
  return 0;
}
