// SPDX-License-Identifier: Apache-2.0
/// Loads and stores of the vocabulary.
#include <cstring>

#include "block.hpp"
#include "report.hpp"
#include "shadow.hpp"

namespace llava::cuda_host {

using namespace emulator;

namespace {
void check_alignment(const void* p, std::size_t bytes, const char* what, const call_site& at) {
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    throw mistake{"misaligned " + std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
                  text_of_place(at)};
}
}  // namespace

void load(void* to, const void* global, std::size_t bytes, cache how, const call_site& at) {
  const emulator_code code;
  check_alignment(global, bytes, "load", at);
  if (how == cache::readonly)
    shadow::check_readonly(global, bytes, at);
  else
    shadow::check_read(global, bytes, at);
  std::memcpy(to, global, bytes);
}

void store(void* global, const void* from, std::size_t bytes, const call_site& at) {
  const emulator_code code;
  check_alignment(global, bytes, "store", at);
  shadow::check_write(global, bytes, at);
  std::memcpy(global, from, bytes);
}

void prefetch(const void*, const call_site&) {}  // any address is allowed

}  // namespace llava::cuda_host
