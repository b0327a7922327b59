// SPDX-License-Identifier: Apache-2.0
/// What threads do with each other: barriers, shuffles, votes, arrivals.
#include <atomic>
#include <cstring>

#include "block.hpp"
#include "report.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

bool is_same(const call_site& a, const call_site& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

/// All threads wait, and the last one to arrive lets them go.
void pass_barrier(bool any, const call_site& at) {
  block& b = *running();
  thread& t = self();
  b.any = b.any || any;
  if (++b.arrived < b.threads.size()) {
    wait_for_others(thread_state::at_barrier, at);
    return;
  }
  t.at = at;
  for (const thread& other : b.threads)
    if (!is_same(other.at, at))
      throw mistake{"divergent barriers: a thread is at " + text_of_place(at) + ", thread " +
                    std::to_string(other.index) + " at " + text_of_place(other.at)};
  b.arrived = 0;
  b.was_any = b.any;
  b.any = false;
  ++b.generation;
  for (warp& w : b.warps) w.ready = 0xffffffffu;
  own_warp().ready &= ~(1u << lane());
}

}  // namespace

const warp_data& exchange(warp_op op, const void* value, std::size_t bytes, combine_function combine,
                          const call_site& at) {
  warp& w = own_warp();
  if (w.arrived == 0) {
    w.op = op;
    w.at = at;
  } else if (w.op != op || !is_same(w.at, at)) {
    throw mistake{"divergent warp: a lane is at " + text_of_place(at) + ", others at " + text_of_place(w.at)};
  }
  const std::size_t parity = w.generation % 2;
  if (bytes > 0) std::memcpy(w.given[parity][lane()].bytes.data(), value, bytes);
  w.arrived |= 1u << lane();
  if (w.arrived == 0xffffffffu) {
    if (combine != nullptr) combine(w.given[parity], w.got[parity]);
    if (op == warp_op::sync) ++w.epoch;
    w.arrived = 0;
    ++w.generation;
    w.ready = ~(1u << lane());
  } else {
    wait_for_others(thread_state::in_warp, at);
  }
  return combine != nullptr ? w.got[parity] : w.given[parity];
}

}  // namespace llava::emulator

namespace llava::cuda_host {

using namespace emulator;

int thread_index() { return static_cast<int>(self().index); }
std::array<int, 3> block_index() { return running()->index; }
std::array<int, 3> grid_extents() { return running()->grid; }
void* shared_memory() { return running()->shared; }

void sync_block(const call_site& at) {
  const emulator_code code;
  pass_barrier(false, at);
}

bool sync_block_or(bool any, const call_site& at) {
  const emulator_code code;
  pass_barrier(any, at);
  return running()->was_any;
}

void sync_warp(const call_site& at) {
  const emulator_code code;
  exchange(warp_op::sync, nullptr, 0, nullptr, at);
}

std::uint32_t ballot(bool vote, const call_site& at) {
  const emulator_code code;
  const warp_data& votes = exchange(warp_op::ballot, &vote, sizeof vote, nullptr, at);
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < warp_size; ++i) bits |= (votes[i].bytes[0] != std::byte{0} ? 1u : 0u) << i;
  return bits;
}

std::uint64_t shuffle_bits(std::uint64_t bits, int from, warp_op op, const call_site& at) {
  const emulator_code code;
  const warp_data& all = exchange(op, &bits, sizeof bits, nullptr, at);
  std::memcpy(&bits, all[static_cast<unsigned>(from) % warp_size].bytes.data(), sizeof bits);
  return bits;
}

void gather_bits(std::uint64_t bits, std::uint64_t (&all)[warp_size], const call_site& at) {
  const emulator_code code;
  const warp_data& given = exchange(warp_op::shuffle_xor, &bits, sizeof bits, nullptr, at);
  for (unsigned i = 0; i < warp_size; ++i) std::memcpy(&all[i], given[i].bytes.data(), sizeof bits);
}

void wait_for_previous_kernels(const call_site&) { self().has_waited_for_kernels = true; }

bool arrive(std::uint32_t* counter, int blocks, const call_site& at) {
  const emulator_code code;
  shadow::check_atomic(counter, sizeof *counter, at);
  const auto last = static_cast<std::uint32_t>(blocks - 1);
  std::atomic_ref<std::uint32_t> count(*counter);
  std::uint32_t before = count.load(std::memory_order_acquire);
  while (!count.compare_exchange_weak(before, before >= last ? 0 : before + 1, std::memory_order_acq_rel)) {
  }
  if (before > last)
    throw mistake{"arrives_last() at " + text_of_place(at) + ": the counter is " + std::to_string(before) + " of " +
                  std::to_string(blocks) + " blocks; it must be 0 before the launch"};
  shadow::arrive(counter, before == last);
  return before == last;
}

}  // namespace llava::cuda_host
