// SPDX-License-Identifier: Apache-2.0
/// Planted mistakes: accesses to shared and global memory that nothing orders.
#include "planted.hpp"

namespace cuda_test {
namespace {

struct floats {
  float x[64];
};
constexpr auto checked = finder::checked_program;

/// Each thread reads what a thread of the other warp wrote.
template <bool Wrong>
struct missing_barrier : small_kernel<output, floats, 64> {
  static void run(const output& p, floats& s) {
    const int t = thread_index();
    s.x[t] = 0;
    sync_block();
    s.x[t] = static_cast<float>(t);
    if constexpr (!Wrong) sync_block();
    p.y[t] = s.x[63 - t];
  }
};

/// sync_warp() does not order what other warps do.
template <bool Wrong>
struct barrier_of_a_warp : small_kernel<output, floats, 64> {
  static void run(const output& p, floats& s) {
    const int t = thread_index();
    s.x[t] = 0;
    sync_block();
    s.x[t] = static_cast<float>(t);
    if constexpr (Wrong)
      sync_warp();
    else
      sync_block();
    p.y[t] = s.x[t ^ 32];
  }
};

/// Lanes of a warp do not run in step.
template <bool Wrong>
struct missing_sync_warp : small_kernel<output, floats> {
  static void run(const output& p, floats& s) {
    const int t = thread_index();
    s.x[t] = 0;
    sync_block();
    s.x[t] = static_cast<float>(t);
    if constexpr (!Wrong) sync_warp();
    const float x = s.x[t ^ 1];
    sync_warp();
    s.x[t] = x;
    p.y[t] = x;
  }
};

/// A shuffle makes lanes meet, but orders no memory.
template <bool Wrong>
struct shuffle_as_barrier : small_kernel<output, floats> {
  static void run(const output& p, floats& s) {
    const int t = thread_index();
    s.x[t] = 0;
    sync_block();
    s.x[t] = static_cast<float>(t);
    const float x = shuffle_xor(static_cast<float>(t), 1);
    if constexpr (!Wrong) sync_warp();
    p.y[t] = s.x[t ^ 1] + x;
  }
};

struct two_buffers {
  float x[2][64];
};
/// Two buffers and one barrier in a round: a thread that fills the buffer of this round, not of the next, overwrites
/// what slower threads still read. No order in which threads run to the next barrier gives a wrong result.
template <bool Wrong>
struct double_buffer : small_kernel<output, two_buffers, 64> {
  static void run(const output& p, two_buffers& s) {
    const int t = thread_index();
    float sum = 0;
    s.x[0][t] = s.x[1][t] = 1;
    for (int i = 0; i < 4; ++i) {
      sync_block();
      sum += s.x[i % 2][63 - t];
      s.x[(Wrong ? i : i + 1) % 2][t] = 1;
    }
    p.y[t] = sum;
  }
};

/// A buffer that is filled again while others still read it.
template <bool Wrong>
struct write_after_read : small_kernel<output, floats, 64> {
  static void run(const output& p, floats& s) {
    const int t = thread_index();
    float sum = 0;
    for (int i = 0; i < 3; ++i) {
      s.x[t] = static_cast<float>(t + i);
      sync_block();
      sum += s.x[(t + 1) % 64];
      if constexpr (!Wrong) sync_block();
    }
    p.y[t] = sum;
  }
};

/// The same value from two threads is still a race.
template <bool Wrong>
struct two_writers : small_kernel<output, floats, 64> {
  static void run(const output& p, floats& s) {
    if (Wrong || thread_index() == 0) s.x[0] = 1;
    sync_block();
    p.y[thread_index()] = s.x[0];
  }
};

/// The scratch of a sum in use twice.
template <bool Wrong>
struct scratch_reused : small_kernel<output, floats, 64> {
  static void run(const output& p, floats& s) {
    float(&scratch)[2] = *reinterpret_cast<float(*)[2]>(s.x);
    float x = block_sum(1.f, scratch);
    if constexpr (Wrong) {
      if (lane_index() == 0) scratch[warp_index()] = x;
      x = scratch[0];
    } else {
      x = block_sum(x, scratch);
    }
    p.y[thread_index()] = x;
  }
};

/// Two blocks write one element.
template <bool Wrong>
struct blocks_write : small_kernel<output, no_shared_memory, 32, 2> {
  static void run(const output& p, no_shared_memory&) { p.y[(Wrong ? 0 : block_index().x * 32) + thread_index()] = 1; }
};

struct partials {
  float *y, *sums;
  std::uint32_t* counter;
};
struct last_flag {
  bool is_last;
};
/// Block 0 adds what the others wrote. Nobody knows that they have run, unless the last one does it.
template <bool Wrong>
struct blocks_read : small_kernel<partials, last_flag, 32, 4> {
  static void run(const partials& p, last_flag& s) {
    if (thread_index() == 0) p.sums[block_index().x] = static_cast<float>(block_index().x);
    const bool mine = Wrong ? block_index().x == 3 : arrives_last(p.counter, 4, s.is_last);
    if (!mine || thread_index() != 0) return;
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += p.sums[i];
    p.y[0] = sum;
  }
};

/// Input that is loaded as read-only, and output in the same place.
template <bool Wrong>
struct readonly_load : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) {
    vec16 x = {{1, 2, 3, 4}};
    store16(p.y + 4 * thread_index(), x);
    x = Wrong ? load16_readonly(p.y + 4 * thread_index()) : load16(p.y + 4 * thread_index());
    store16(p.y + 4 * thread_index(), x);
  }
};

}  // namespace

TEST_CASE("a missing barrier of the block is found") {
  check_planted<missing_barrier>(checked, "race: ", [] { return new_output(64); });
  check_planted<barrier_of_a_warp>(checked,
                                   "bytes of shared memory at planted_races.cpp:", [] { return new_output(64); });
}

TEST_CASE("a missing barrier of the warp is found") {
  check_planted<missing_sync_warp>(checked, "race: ", [] { return new_output(32); });
  check_planted<shuffle_as_barrier>(checked, "race: ", [] { return new_output(32); });
}

TEST_CASE("a write to a buffer that is still read is found") {
  check_planted<double_buffer>(checked, "race: ", [] { return new_output(64); });
  check_planted<write_after_read>(checked, "race: ", [] { return new_output(64); });
  check_planted<scratch_reused>(checked, "race: ", [] { return new_output(64); });
}

TEST_CASE("two writers of one value are found") {
  check_planted<two_writers>(checked, "race: write of 4 bytes of shared memory", [] { return new_output(64); });
}

TEST_CASE("blocks that access one element are found") {
  check_planted<blocks_write>(checked, "race between blocks: write of 4 bytes of global memory",
                              [] { return new_output(64); });
  check_planted<blocks_read>(checked, "race between blocks: ", [] {
    device_array<float> y(1), sums(std::vector<float>(4));
    device_array<std::uint32_t> counter(std::vector<std::uint32_t>{0});
    const partials p{y.data(), sums.data(), counter.data()};
    return std::pair(std::tuple(std::move(y), std::move(sums), std::move(counter)), p);
  });
}

TEST_CASE("a read-only load of what the kernel writes is found") {
  check_planted<readonly_load>(checked, "read-only load", [] { return new_output(128); });
}

}  // namespace cuda_test
