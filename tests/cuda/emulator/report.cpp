// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <link.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace llava::emulator {
namespace {

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.find_last_of('/') == path.npos ? 0 : path.find_last_of('/') + 1));
}

/// How far the program was moved from the addresses in its file.
std::uintptr_t load_bias() {
  std::uintptr_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &bias);
  return bias;
}

bool is_vocabulary(std::string_view path) {
  for (const std::string_view part : {"/backend/cuda/device/", "/backend/cuda/kernel.cuh", "/cuda/emulator/"})
    if (path.find(part) != path.npos) return true;
  return false;
}

}  // namespace

std::string text_of_place(const std::source_location& at) {
  return base_name(at.file_name()) + ":" + std::to_string(at.line());
}

std::string text_of_place(const void* return_address) {
  char command[128];
  const auto address = reinterpret_cast<std::uintptr_t>(return_address) - load_bias() - 1;  // inside the call
  std::snprintf(command, sizeof command, "addr2line -i -e /proc/%d/exe 0x%llx 2>/dev/null", getpid(),
                static_cast<unsigned long long>(address));
  std::string first;
  if (FILE* pipe = popen(command, "r")) {
    std::array<char, 1024> line;
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
      std::string place = line.data();
      place.resize(place.find_first_of(" \n") == place.npos ? place.size() : place.find_first_of(" \n"));
      if (first.empty()) first = place;
      if (!is_vocabulary(place)) {
        first = place;
        break;
      }
    }
    pclose(pipe);
  }
  return first.empty() || first[0] == '?' ? "an unknown place (addr2line found none)" : base_name(first);
}

}  // namespace llava::emulator
