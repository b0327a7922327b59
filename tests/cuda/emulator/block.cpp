// SPDX-License-Identifier: Apache-2.0
#include "block.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "report.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

thread_local block* running_block = nullptr;

/// The body of a thread's context.
void body() {
  block& b = *running();
  thread& t = self();
  entered(b.scheduler);
  try {
    {
      const kernel_code code;
      b.run(b.params);
    }
    check_copies_are_done();
    if (b.is_programmatic && !t.has_waited_for_kernels)
      throw mistake{"a thread returns without wait_for_previous_kernels()"};
  } catch (const mistake& found) {
    if (b.found.empty()) b.found = found.sentence + " (" + text_of(b, t) + ")";
  }
  t.state = thread_state::done;
  --b.alive;
  abandon();
}

bool is_ready(const block& b, const thread& t) {
  switch (t.state) {
    case thread_state::ready:
      return true;
    case thread_state::in_warp:
      return b.warps[t.index / warp_size].generation != t.awaited;
    case thread_state::at_barrier:
      return b.generation != t.awaited;
    case thread_state::done:
      return false;
  }
  return false;
}

/// Why no thread can continue: how many wait where.
std::string text_of_deadlock(const block& b) {
  std::map<std::string, int> groups;
  for (const thread& t : b.threads) {
    if (t.state == thread_state::done)
      ++groups["have returned"];
    else
      ++groups[(t.state == thread_state::at_barrier ? "wait for their block at " : "wait for their warp at ") +
               text_of_place(t.at)];
  }
  std::string text = "deadlock:";
  for (const auto& [what, count] : groups) text += " " + std::to_string(count) + " threads " + what + ",";
  text.back() = ' ';
  const auto [x, y, z] = b.index;
  return text + "(block (" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + "))";
}

}  // namespace

block*& running() { return running_block; }

std::string text_of(const block& b, const thread& t) {
  const auto [x, y, z] = b.index;
  return "block (" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + "), thread " +
         std::to_string(t.index);
}

void wait_for_others() {
  thread& t = self();
  block& b = *running();
  enter(t.registers, b.scheduler);
  t.state = thread_state::ready;
}

void abandon() {
  leave(self().registers, running()->scheduler);
  __builtin_unreachable();
}

void run_to_end(block& b, stacks& memory, unsigned schedule) {
  running() = &b;
  memory.reserve(b.threads.size());
  for (std::size_t i = 0; i < b.threads.size(); ++i)
    prepare(b.threads[i].registers, memory.bottom(i), stacks::usable(i), body);

  std::vector<unsigned> warps(b.warps.size()), lanes(warp_size);
  std::iota(warps.begin(), warps.end(), 0u);
  std::iota(lanes.begin(), lanes.end(), 0u);
  std::minstd_rand random(schedule * 7919u + static_cast<unsigned>(b.index[0] + 31 * b.index[1] + 961 * b.index[2]));
  if (schedule == 1) {
    std::reverse(warps.begin(), warps.end());
    std::reverse(lanes.begin(), lanes.end());
  }
  while (b.alive > 0 && b.found.empty()) {
    bool any = false;
    if (schedule > 1) {
      std::shuffle(warps.begin(), warps.end(), random);
      std::shuffle(lanes.begin(), lanes.end(), random);
    }
    for (const unsigned w : warps) {
      bool again = true;
      while (again && b.found.empty()) {  // a warp runs until all of its lanes wait for other warps
        again = false;
        for (const unsigned l : lanes) {
          thread& t = b.threads[w * warp_size + l];
          if (!is_ready(b, t)) continue;
          b.current = &t;
          enter(b.scheduler, t.registers);
          again = any = true;
          if (!b.found.empty()) break;
        }
      }
      if (!b.found.empty()) break;
    }
    if (!any && b.found.empty()) b.found = text_of_deadlock(b);
  }
  running() = nullptr;
}

}  // namespace llava::emulator
