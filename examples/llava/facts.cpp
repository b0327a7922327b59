// SPDX-License-Identifier: Apache-2.0
#include "facts.hpp"

#include <algorithm>

std::string facts::text() const {
  std::string all;
  for (const auto& [key, value] : lines_) {
    std::string line = key + ":";
    line.resize(std::max<std::size_t>(line.size(), 13), ' ');
    all += line + " " + value + "\n";
  }
  return all;
}
