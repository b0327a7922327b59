// SPDX-License-Identifier: Apache-2.0
#include "block.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "report.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

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

constinit thread_local block* running_block = nullptr;

std::string text_of(const block& b, const thread& t) {
  const auto [x, y, z] = b.index;
  return "block (" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + "), thread " +
         std::to_string(t.index);
}

void wait_for_others(thread_state why, const call_site& at) {
  thread& t = self();
  block& b = *running();
  t.state = why;
  t.at = at;
  enter(t.registers, b.scheduler);
  t.state = thread_state::running;
}

void abandon() {
  leave(self().registers, running()->scheduler);
  __builtin_unreachable();
}

void run_to_end(block& b, stacks& memory, unsigned schedule) {
  running_block = &b;
  memory.reserve(b.threads.size());
  for (std::size_t i = 0; i < b.threads.size(); ++i)
    prepare(b.threads[i].registers, memory.bottom(i), stacks::usable(i), body);
  for (warp& w : b.warps) w.ready = 0xffffffffu;

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
    for (const unsigned i : warps) {
      warp& w = b.warps[i];
      while (w.ready != 0 && b.found.empty())  // a warp runs until all of its lanes wait for other warps
        for (const unsigned lane : lanes) {
          if ((w.ready >> lane & 1u) == 0) continue;
          w.ready &= ~(1u << lane);
          b.current = &b.threads[i * warp_size + lane];
          enter(b.scheduler, b.current->registers);
          any = true;
          if (!b.found.empty()) break;
        }
      if (!b.found.empty()) break;
    }
    if (!any && b.found.empty()) b.found = text_of_deadlock(b);
  }
  running_block = nullptr;
}

}  // namespace llava::emulator
