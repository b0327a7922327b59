// SPDX-License-Identifier: Apache-2.0
/// A running block: its threads, each on a stack of its own, its warps and its barrier. One OS thread runs a block from
/// start to end, and switches between its threads only where they wait for each other.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "context.hpp"
#include "llava_cuda_host.hpp"

namespace llava::emulator {

using cuda_host::call_site;
using cuda_host::warp_op;

inline constexpr unsigned warp_size = 32;

/// A copy that cp_async started.
struct async_copy {
  void* to;
  const void* from;
  std::size_t bytes;
  bool valid;
  call_site at;
};

enum class thread_state : std::uint8_t { running, in_warp, at_barrier, done };

struct thread {
  context registers;
  thread_state state = thread_state::running;
  unsigned index = 0;
  call_site at;                     // where it waits
  std::vector<async_copy> copies;   // unfinished ones, in order
  std::vector<std::size_t> groups;  // ends of the committed groups, as counts of copies
  bool has_waited_for_kernels = false;
};

/// What a lane gives to an operation of its warp, or gets from it.
struct lane_data {
  alignas(16) std::array<std::byte, 64> bytes;
};
using warp_data = std::array<lane_data, warp_size>;

/// One operation at a time: lanes arrive, and the last one computes it for all. The data of an operation stays until
/// the one after the next, because a lane may still have to fetch it while others are at the next.
struct warp {
  std::uint32_t ready = 0;       // bits of lanes that can run, but not of the one that does
  std::uint32_t arrived = 0;     // bits of lanes
  std::uint64_t generation = 0;  // operations that are done
  std::uint32_t epoch = 0;       // sync_warp() that are done: what orders accesses to memory
  warp_op op = warp_op::none;
  call_site at;
  warp_data given[2], got[2];
};

struct block {
  std::array<int, 3> index{}, grid{};
  std::vector<thread> threads;
  std::vector<warp> warps;
  std::byte* shared = nullptr;
  std::size_t shared_bytes = 0;
  unsigned alive = 0, arrived = 0;    // threads that have not ended; that are at the barrier
  std::uint32_t generation = 0;       // barriers that are done
  bool any = false, was_any = false;  // sync_block_or: of the barrier that threads arrive at, and of the last one
  std::uint32_t serial = 0;           // unique among the blocks of all launches
  std::vector<std::uint32_t> joined;  // serials of blocks of this launch whose writes are visible here, by arrive()
  bool is_programmatic = false;
  void (*run)(const void*) = nullptr;
  const void* params = nullptr;
  std::string found;  // the first mistake
  context scheduler;
  thread* current = nullptr;  // the one that runs
};

/// The block that this OS thread runs, or null.
extern constinit thread_local block* running_block;
inline block* running() { return running_block; }
/// The thread that runs. Only for code that threads call.
inline thread& self() { return *running()->current; }
inline warp& own_warp() { return running()->warps[self().index / warp_size]; }

/// Runs all threads of `b` to their end, or until a mistake is found, which is then in b.found. `b` has its threads,
/// warps, shared memory and function; the threads get stacks here.
void run_to_end(block& b, stacks& memory, unsigned schedule);
/// Suspends the running thread until its bit in warp::ready is set.
void wait_for_others(thread_state why, const call_site& at);
/// Ends the running thread for good, without destroying what is on its stack.
[[noreturn]] void abandon();
/// "block (0, 0, 0), thread 3".
std::string text_of(const block& b, const thread& t);

/// An operation of the whole warp: gives `bytes` of this lane, and returns what all lanes get, `combine` of what all
/// gave, or without one what they gave. It throws a mistake if lanes do different things.
using combine_function = void (*)(const warp_data& given, warp_data& got);
const warp_data& exchange(warp_op op, const void* value, std::size_t bytes, combine_function combine,
                          const call_site& at);
/// The number of the lane that runs.
inline unsigned lane() { return self().index % warp_size; }

/// Throws a mistake unless the running thread has finished its copies.
void check_copies_are_done();

}  // namespace llava::emulator
