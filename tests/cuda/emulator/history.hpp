// SPDX-License-Identifier: Apache-2.0
/// Who accessed a byte of device memory, and whether the next access is ordered after it.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "report.hpp"

namespace llava::emulator {

/// A place of the source: a call site of the vocabulary, or the return address of an instrumented access.
class place {
 public:
  place() = default;
  explicit place(const std::source_location& at) : bits_(std::bit_cast<std::uint64_t>(at) | site) {}
  explicit place(const void* return_address) : bits_(reinterpret_cast<std::uintptr_t>(return_address)) {}
  bool is_site() const { return (bits_ & site) != 0; }
  std::string text() const {
    return is_site() ? text_of_place(std::bit_cast<std::source_location>(bits_ & ~site))
                     : text_of_place(reinterpret_cast<const void*>(static_cast<std::uintptr_t>(bits_)));
  }

 private:
  static_assert(sizeof(std::source_location) == 8);
  static constexpr std::uint64_t site = std::uint64_t{1} << 63;  // no address of a program has it
  std::uint64_t bits_ = 0;
};

/// `readonly` is a read by an instruction that requires that no kernel writes the memory while this one runs.
enum class access_kind : std::uint8_t { read, readonly, write, atomic };

/// The blocks of a launch have consecutive serials.
struct launch_history {
  std::uint32_t next = 1;            // the serial of the next block
  std::uint32_t first = 1;           // of this launch
  std::uint32_t previous_first = 1;  // of the launch before it, if no copy came between
  bool programmatic = false;

  void begin(bool is_programmatic) {
    previous_first = std::max(previous_first, first);
    first = next;
    programmatic = is_programmatic;
    if (!is_programmatic) previous_first = first;
  }
};

/// A thread at a moment: accesses with different numbers of block barriers, or in one warp of sync_warp(), are ordered.
struct accessor {
  std::uint32_t block, barriers, warp_syncs;
  std::uint16_t thread;
  bool is_ordered_after(const accessor& other) const {
    if (thread == other.thread || barriers != other.barriers) return true;
    return thread / 32 == other.thread / 32 && warp_syncs != other.warp_syncs;
  }
};

/// A mistake, if `what` is not null.
struct conflict {
  const char* what = nullptr;
  std::string other;
};

/// The last write to a byte, and a summary of the reads since.
class history {
 public:
  /// Notes an access, unless it conflicts with an earlier one.
  conflict note(access_kind kind, const accessor& who, const place& where, const launch_history& launch, bool is_shared,
                const std::vector<std::uint32_t>& joined, bool has_waited);
  /// Notes a write that was checked before.
  void wrote(const accessor& who) {
    write_ = who;
    is_written_ = true;
  }

 private:
  static std::string text_of(const char* access, const accessor& by, const place& where) {
    return std::string(access) + " by thread " + std::to_string(by.thread) + " at " + where.text();
  }

  accessor write_ = {}, read_ = {};
  place write_place_, read_place_;
  bool is_written_ = false, is_read_ = false;
  // Reads since, at the numbers of read_: by other lanes of its warp, by other warps of its block, by other blocks.
  bool by_lanes_ = false, by_warps_ = false, by_blocks_ = false;
};

}  // namespace llava::emulator
