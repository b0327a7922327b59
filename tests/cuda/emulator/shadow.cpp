// SPDX-License-Identifier: Apache-2.0
#include "shadow.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "block.hpp"
#include "history.hpp"
#include "options.hpp"
#include "report.hpp"

extern "C" char __executable_start, _end;  // of the linker: the program with its constants

namespace llava::emulator {
namespace {

enum state : std::uint8_t { is_open = 1, is_initialised = 2, is_in_flight = 4, was_freed = 8 };

constexpr std::size_t range_bytes = std::size_t{256} << 20;

void* map(std::size_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return p;
}

/// All that is known of device memory, and of the launch that runs. A checked program runs one block at a time.
struct memory_state {
  std::byte* const memory = static_cast<std::byte*>(map(range_bytes));
  std::uint8_t* const states = static_cast<std::uint8_t*>(map(range_bytes));
  history* const histories = static_cast<history*>(map(range_bytes * sizeof(history)));
  launch_history launch;
  const std::byte* params = nullptr;
  std::size_t params_bytes = 0;
  std::size_t shared_first = 0, shared_last = 0;  // offsets of the arena of shared memory
  std::map<const void*, std::vector<std::uint32_t>> arrivals;
  std::map<const std::byte*, std::size_t> pinned;
  std::string by_host;
};
memory_state& all() {
  static memory_state& s = *new memory_state;  // instrumented code runs until the program has ended
  return s;
}

std::size_t offset_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(all().memory);
}

bool is_within(const void* p, const void* first, const void* last) { return p >= first && p < last; }

/// Reports a mistake: to the vocabulary by an exception, to instrumented code, which has no place for one, by leaving
/// it.
[[noreturn]] void report(std::string sentence, const place& where) {
  if (where.is_site()) throw mistake{std::move(sentence)};
  {
    block& b = *running();
    if (b.found.empty()) b.found = std::move(sentence) + " (" + text_of(b, self()) + ")";
    std::string().swap(sentence);
  }
  abandon();
}

std::string text_of_access(access_kind kind, std::size_t offset, std::size_t bytes, const place& where) {
  const bool is_shared = offset >= all().shared_first && offset < all().shared_last;
  const char* const name = kind == access_kind::write    ? "write of "
                           : kind == access_kind::atomic ? "update of "
                                                         : "read of ";
  return std::string(name) + std::to_string(bytes) + " bytes of " + (is_shared ? "shared" : "global") + " memory at " +
         where.text();
}

/// Whether instrumented code may use these bytes of the host: the stack of its thread, parameters, constants.
bool is_of_kernel(const void* p) {
  const auto* const stack = static_cast<const std::byte*>(self().registers.stack);
  if (is_within(p, stack, stack + stacks::bytes) || is_within(p, &__executable_start, &_end)) return true;
  return is_within(p, all().params, all().params + all().params_bytes);
}

void check(access_kind kind, const void* p, std::size_t bytes, const place& where) {
  memory_state& s = all();
  const std::size_t first = offset_of(p);
  if (first >= range_bytes) {
    if (const auto after = s.pinned.upper_bound(static_cast<const std::byte*>(p)); after != s.pinned.begin())
      if (const auto& [at, size] = *std::prev(after); is_within(p, at, at + size)) return;
    report("out of bounds: " + std::string(kind == access_kind::write ? "write" : "read") +
               " of memory that is not the device's at " + where.text(),
           where);
  }
  const block& b = *running();
  const thread& t = self();
  const accessor who{b.serial, b.generation, b.warps[t.index / warp_size].epoch, static_cast<std::uint16_t>(t.index)};
  const bool is_shared = first >= s.shared_first && first < s.shared_last;
  for (std::size_t i = first; i < std::min(first + bytes, range_bytes); ++i) {
    std::uint8_t& state = s.states[i];
    if ((state & is_open) == 0)
      report(
          (state & was_freed ? "use of freed memory: " : "out of bounds: ") + text_of_access(kind, first, bytes, where),
          where);
    if ((state & is_in_flight) != 0)
      report("unfinished copy: " + text_of_access(kind, first, bytes, where) +
                 ", the destination of a cp.async that was not waited for",
             where);
    if (kind != access_kind::write && (state & is_initialised) == 0)
      report("uninitialised: " + text_of_access(kind, first, bytes, where), where);
    if (kind == access_kind::write) state |= is_initialised;
    if (kind == access_kind::atomic) continue;
    if (const conflict c =
            s.histories[i].note(kind, who, where, s.launch, is_shared, b.joined, t.has_waited_for_kernels);
        c.what != nullptr)
      report(std::string(c.what) + ": " + text_of_access(kind, first, bytes, where) + ", and " + c.other, where);
  }
}

/// What access() does with the few accesses that need a check. It is not inlined, so that the others stay fast.
[[gnu::noinline]] void check_access(const void* p, std::size_t bytes, bool is_write, bool is_misaligned,
                                    const void* return_address) {
  const emulator_code code;
  const place where(return_address);
  if (is_misaligned)
    report("misaligned: " + std::string(is_write ? "write" : "read") + " of " + std::to_string(bytes) + " bytes at " +
               where.text(),
           where);
  check(is_write ? access_kind::write : access_kind::read, p, bytes, where);
}

}  // namespace

constinit thread_local bool is_kernel_code = false;

namespace shadow {

device_range range() { return {all().memory, range_bytes}; }

void open(const void* p, std::size_t bytes) {
  if (is_checked()) std::fill_n(all().states + offset_of(p), bytes, std::uint8_t{emulator::is_open});
}
void close(const void* p, std::size_t bytes) {
  if (is_checked()) std::fill_n(all().states + offset_of(p), bytes, std::uint8_t{was_freed});
}
void forget(const void* p, std::size_t bytes) {
  if (is_checked()) std::fill_n(all().states + offset_of(p), bytes, std::uint8_t{0});
}
void initialise(const void* p, std::size_t bytes) {
  if (is_checked()) std::fill_n(all().states + offset_of(p), bytes, std::uint8_t{emulator::is_open | is_initialised});
}
bool is_open(const void* p, std::size_t bytes, bool initialised) {
  if (!is_checked()) return true;
  const std::size_t first = offset_of(p);
  if (first >= range_bytes || bytes > range_bytes - first) return false;
  const unsigned needed = initialised ? emulator::is_open | is_initialised : emulator::is_open;
  return std::all_of(all().states + first, all().states + first + bytes,
                     [&](std::uint8_t state) { return (state & needed) == needed; });
}
void share(const void* p, std::size_t bytes) {
  if (is_checked()) all().pinned[static_cast<const std::byte*>(p)] = bytes;
}
void unshare(const void* p) {
  if (is_checked()) all().pinned.erase(static_cast<const std::byte*>(p));
}
void other_work() {
  if (is_checked()) all().launch.previous_first = all().launch.next;
}

void begin_launch(const void* params, std::size_t params_bytes, bool programmatic) {
  if (!is_checked()) return;
  memory_state& s = all();
  s.launch.begin(programmatic);
  s.params = static_cast<const std::byte*>(params);
  s.params_bytes = params_bytes;
  s.arrivals.clear();
}

void begin_block(block& b, std::byte* arena, std::size_t arena_bytes) {
  if (!is_checked()) return;
  memory_state& s = all();
  b.serial = s.launch.next++;
  s.shared_first = offset_of(arena);
  s.shared_last = s.shared_first + arena_bytes;
  std::fill_n(s.states + s.shared_first, arena_bytes, std::uint8_t{0});
  std::fill_n(s.states + offset_of(b.shared), b.shared_bytes, std::uint8_t{emulator::is_open});
}

void arrive(const void* counter, bool is_last) {
  if (!is_checked()) return;
  std::vector<std::uint32_t>& serials = all().arrivals[counter];
  block& b = *running();
  serials.push_back(b.serial);
  if (!is_last) return;
  b.joined.insert(b.joined.end(), serials.begin(), serials.end());
  serials.clear();
}

std::string host_access() { return std::exchange(all().by_host, {}); }

void check_read(const void* p, std::size_t bytes, const std::source_location& at) {
  if (is_checked()) check(access_kind::read, p, bytes, place(at));
}
void check_readonly(const void* p, std::size_t bytes, const std::source_location& at) {
  if (is_checked()) check(access_kind::readonly, p, bytes, place(at));
}
void check_write(const void* p, std::size_t bytes, const std::source_location& at) {
  if (is_checked()) check(access_kind::write, p, bytes, place(at));
}
void check_atomic(const void* p, std::size_t bytes, const std::source_location& at) {
  if (is_checked()) check(access_kind::atomic, p, bytes, place(at));
}
void begin_copy(const void* p, std::size_t bytes, const std::source_location& at) {
  if (!is_checked()) return;
  check(access_kind::write, p, bytes, place(at));
  for (std::size_t i = 0; i < bytes; ++i) all().states[offset_of(p) + i] |= is_in_flight;
}
void end_copy(const void* p, std::size_t bytes) {
  if (!is_checked()) return;
  const block& b = *running();
  const thread& t = self();
  const accessor who{b.serial, b.generation, b.warps[t.index / warp_size].epoch, static_cast<std::uint16_t>(t.index)};
  for (std::size_t i = 0; i < bytes; ++i) {
    all().states[offset_of(p) + i] = static_cast<std::uint8_t>(all().states[offset_of(p) + i] & ~is_in_flight);
    all().histories[offset_of(p) + i].wrote(who);
  }
}

void access(const void* p, std::size_t bytes, bool is_write, bool is_aligned, const void* return_address) {
  if (!is_kernel_code) {
    if (offset_of(p) < range_bytes && all().by_host.empty())
      all().by_host = "the host accesses device memory at " + text_of_place(return_address);
    return;
  }
  const bool is_misaligned = is_aligned && (reinterpret_cast<std::uintptr_t>(p) & (bytes - 1)) != 0;
  if (!is_misaligned && is_of_kernel(p)) return;  // most accesses
  check_access(p, bytes, is_write, is_misaligned, return_address);
}

}  // namespace shadow
}  // namespace llava::emulator
