// SPDX-License-Identifier: Apache-2.0
#include "history.hpp"

namespace llava::emulator {

conflict history::note(access_kind kind, const accessor& who, const place& where, const launch_history& launch,
                       bool is_shared, const std::vector<std::uint32_t>& joined, bool has_waited) {
  const bool is_write = kind == access_kind::write;
  // Shared memory begins anew with each block; global memory has been synchronised by the end of earlier launches.
  const auto counts = [&](const accessor& other) {
    return is_shared ? other.block == who.block : other.block >= launch.first;
  };
  const auto is_of_previous = [&](const accessor& other) {
    return !is_shared && launch.programmatic && !has_waited && other.block >= launch.previous_first &&
           other.block < launch.first;
  };
  const auto has_joined = [&](const accessor& other) {
    return std::find(joined.begin(), joined.end(), other.block) != joined.end();
  };

  if (is_written_ && is_of_previous(write_))
    return {"before wait_for_previous_kernels()",
            text_of("the kernel before may still have to make the write", write_, write_place_)};
  if (is_write && is_read_ && is_of_previous(read_))
    return {"before wait_for_previous_kernels()",
            text_of("the kernel before may still have to make the read", read_, read_place_)};

  if (is_written_ && counts(write_)) {
    if (kind == access_kind::readonly)
      return {"read-only load of memory that this kernel writes", text_of("a write", write_, write_place_)};
    if (write_.block != who.block) {
      if (!has_joined(write_)) return {"race between blocks", text_of("a write", write_, write_place_)};
    } else if (!who.is_ordered_after(write_)) {
      return {"race", text_of("an unsynchronised write", write_, write_place_)};
    }
  }

  const bool has_reads = is_read_ && counts(read_);
  if (is_write) {
    if (has_reads) {
      if (read_.block != who.block || by_blocks_) {
        if (by_blocks_ || !has_joined(read_)) return {"race between blocks", text_of("a read", read_, read_place_)};
      } else if (read_.barriers == who.barriers) {
        const bool by_my_warp = read_.thread / 32 == who.thread / 32 && !by_warps_;
        const bool by_me = by_my_warp && read_.thread == who.thread && !by_lanes_;
        if (!by_me && !(by_my_warp && read_.warp_syncs != who.warp_syncs))
          return {"race", text_of("an unsynchronised read", read_, read_place_)};
      }
    }
    write_ = who;
    write_place_ = where;
    is_written_ = true;
    return {};
  }

  if (!has_reads) {
    by_lanes_ = by_warps_ = by_blocks_ = false;
  } else if (read_.block != who.block) {
    by_blocks_ = true;
    by_lanes_ = by_warps_ = false;
  } else if (read_.barriers != who.barriers) {
    by_lanes_ = by_warps_ = false;
  } else if (read_.thread / 32 != who.thread / 32) {
    by_warps_ = true;
  } else if (read_.warp_syncs != who.warp_syncs) {
    by_lanes_ = false;  // ordered for a later write of this warp; a write of another warp conflicts with either
  } else if (read_.thread != who.thread) {
    by_lanes_ = true;
  }
  read_ = who;
  read_place_ = where;
  is_read_ = true;
  return {};
}

}  // namespace llava::emulator
