// SPDX-License-Identifier: Apache-2.0
/// cp.async. A copy is made as late as the program allows: when its thread waits for it. From its start until then its
/// destination holds NaN, and a checked program may not touch it.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "block.hpp"
#include "report.hpp"
#include "shadow.hpp"

namespace llava::emulator {

void check_copies_are_done() {
  const thread& t = self();
  if (t.copies.empty()) return;
  const bool is_committed = !t.groups.empty() && t.groups.back() == t.copies.size();
  throw mistake{std::string("a thread returns before it has ") + (is_committed ? "waited for" : "committed") +
                " the copy that it started at " + text_of_place(t.copies.back().at)};
}

}  // namespace llava::emulator

namespace llava::cuda_host {

using namespace emulator;

void copy_async(void* shared, const void* global, std::size_t bytes, bool valid, const call_site& at) {
  const emulator_code code;
  const block& b = *running();
  for (const auto address : {reinterpret_cast<std::uintptr_t>(shared), reinterpret_cast<std::uintptr_t>(global)})
    if (address % bytes != 0)
      throw mistake{"misaligned cp.async of " + std::to_string(bytes) + " bytes at " + text_of_place(at)};
  const auto* const to = static_cast<const std::byte*>(shared);
  if (to < b.shared || to + bytes > b.shared + b.shared_bytes)
    throw mistake{"out of bounds: the destination of the cp.async at " + text_of_place(at) + " is not shared memory"};
  if (valid) shadow::check_read(global, bytes, at);
  shadow::begin_copy(shared, bytes, at);
  std::memset(shared, 0xff, bytes);
  self().copies.push_back({shared, global, bytes, valid, at});
}

void commit_copies() {
  const emulator_code code;
  self().groups.push_back(self().copies.size());
}

void wait_for_copies(int pending) {
  const emulator_code code;
  thread& t = self();
  const auto keep = static_cast<std::size_t>(pending);
  if (t.groups.size() <= keep) return;
  const std::size_t done = t.groups.size() - keep;
  const std::size_t count = t.groups[done - 1];
  for (std::size_t i = 0; i < count; ++i) {
    const async_copy& c = t.copies[i];
    shadow::end_copy(c.to, c.bytes);
    if (c.valid)
      std::memcpy(c.to, c.from, c.bytes);
    else
      std::memset(c.to, 0, c.bytes);
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + static_cast<std::ptrdiff_t>(count));
  t.groups.erase(t.groups.begin(), t.groups.begin() + static_cast<std::ptrdiff_t>(done));
  for (std::size_t& end : t.groups) end -= count;
}

}  // namespace llava::cuda_host
