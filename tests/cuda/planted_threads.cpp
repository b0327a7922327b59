// SPDX-License-Identifier: Apache-2.0
/// Planted mistakes: threads that do not do together what they must, and unfinished copies.
#include "planted.hpp"

namespace cuda_test {
namespace {

constexpr auto any = finder::any_program;
constexpr auto checked = finder::checked_program;

template <bool Wrong>
struct divergent_barrier : small_kernel<output, no_shared_memory, 64> {
  static void run(const output& p, no_shared_memory&) {
    if (Wrong && warp_index() == 0) {
      sync_block();
      p.y[thread_index()] = 1;
    } else {
      p.y[thread_index()] = 2;
      sync_block();
    }
  }
};

template <bool Wrong>
struct barrier_of_one_warp : small_kernel<output, no_shared_memory, 64> {
  static void run(const output& p, no_shared_memory&) {
    if (!Wrong || warp_index() == 0) sync_block();
    p.y[thread_index()] = 1;
  }
};

template <bool Wrong>
struct divergent_shuffle : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) {
    float x = 1;
    if (Wrong && lane_index() < 16)
      x = warp_sum(x);
    else
      x = warp_max(x);
    p.y[thread_index()] = x;
  }
};

template <bool Wrong>
struct shuffle_of_a_half : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) {
    float x = 1;
    if (!Wrong || lane_index() < 16) x = warp_sum(x);
    p.y[thread_index()] = x;
  }
};

template <bool Wrong>
struct early_return : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) {
    if (Wrong && thread_index() >= 20) return;
    const float x = shuffle(1.f, 0);
    if (thread_index() < 20) p.y[thread_index()] = x;
  }
};

template <bool Wrong>
struct barrier_and_shuffle : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) {
    float x = 1;
    if (Wrong && lane_index() == 0)
      sync_block();
    else
      x = shuffle(x, 1);
    p.y[thread_index()] = x;
  }
};

struct copied {
  const float* x;
  float* y;
};
auto new_copied() {
  device_array<float> x(std::vector<float>(128, 1.f)), y(128);
  const copied p{x.data(), y.data()};
  return std::pair(std::pair(std::move(x), std::move(y)), p);
}
struct two_stages {
  alignas(16) float x[2][128];
};
/// Starts to copy the elements of this thread to a stage.
void start_copy(const copied& p, float (&stage)[128], call_site at = call_site::current()) {
  cp_async16(stage + 4 * thread_index(), p.x + 4 * thread_index(), true, at);
}

template <bool Wrong>
struct no_wait : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    start_copy(p, s.x[0]);
    cp_async_commit();
    if constexpr (!Wrong) cp_async_wait<0>();
    p.y[thread_index()] = s.x[0][4 * thread_index()];
    if constexpr (Wrong) cp_async_wait<0>();
  }
};

template <bool Wrong>
struct no_commit : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    start_copy(p, s.x[0]);
    if constexpr (!Wrong) cp_async_commit();
    cp_async_wait<0>();
    p.y[thread_index()] = s.x[0][4 * thread_index()];
  }
};

template <bool Wrong>
struct never_waited : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    start_copy(p, s.x[0]);
    cp_async_commit();
    if constexpr (!Wrong) cp_async_wait<0>();
  }
};

/// The second group is needed, but one group may still be unfinished.
template <bool Wrong>
struct wrong_count : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    start_copy(p, s.x[0]);
    cp_async_commit();
    start_copy(p, s.x[1]);
    cp_async_commit();
    cp_async_wait<Wrong ? 1 : 0>();
    p.y[thread_index()] = s.x[1][4 * thread_index()];
    cp_async_wait<0>();
  }
};

/// A thread has waited for its own copies only.
template <bool Wrong>
struct no_barrier_after_wait : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    for (int i = thread_index(); i < 128; i += 32) s.x[0][i] = 0;
    sync_block();
    start_copy(p, s.x[0]);
    cp_async_commit();
    cp_async_wait<0>();
    if constexpr (!Wrong) sync_block();
    p.y[thread_index()] = s.x[0][127 - 4 * thread_index()];
  }
};

/// The next copy starts while other threads read the last one.
template <bool Wrong>
struct copy_over_reads : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    float sum = 0;
    for (int i = 0; i < 3; ++i) {
      start_copy(p, s.x[0]);
      cp_async_commit();
      cp_async_wait<0>();
      sync_block();
      sum += s.x[0][127 - 4 * thread_index()];
      if constexpr (!Wrong) sync_block();
    }
    p.y[thread_index()] = sum;
  }
};

template <bool Wrong>
struct write_in_flight : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    start_copy(p, s.x[0]);
    cp_async_commit();
    if constexpr (Wrong) s.x[0][4 * thread_index()] = 0;
    cp_async_wait<0>();
    p.y[thread_index()] = s.x[0][4 * thread_index()];
  }
};

template <bool Wrong>
struct misaligned_copy : small_kernel<copied, two_stages> {
  static void run(const copied& p, two_stages& s) {
    cp_async16(s.x[0] + 4 * thread_index(), p.x + 4 * thread_index() + (Wrong ? 1 : 0), thread_index() < 31);
    cp_async_commit();
    cp_async_wait<0>();
    p.y[thread_index()] = s.x[0][4 * thread_index()];
  }
};

struct stale_counter {
  std::uint32_t *zero, *stale;
};
struct last_flag {
  bool is_last;
};
template <bool Wrong>
struct counter_not_reset : small_kernel<stale_counter, last_flag> {
  static void run(const stale_counter& p, last_flag& s) { arrives_last(Wrong ? p.stale : p.zero, 1, s.is_last); }
};

}  // namespace

TEST_CASE("divergent barriers are found") {
  check_planted<divergent_barrier>(any, "divergent barriers", [] { return new_output(64); });
  check_planted<barrier_of_one_warp>(any, "deadlock: 32 threads have returned, 32 threads wait for their block at ",
                                     [] { return new_output(64); });
}

TEST_CASE("divergent warps are found") {
  check_planted<divergent_shuffle>(any, "divergent warp", [] { return new_output(32); });
  check_planted<shuffle_of_a_half>(any, "16 threads wait for their warp at ", [] { return new_output(32); });
  check_planted<early_return>(any, "20 threads wait for their warp at ", [] { return new_output(32); });
  check_planted<barrier_and_shuffle>(any, "deadlock: ", [] { return new_output(32); });
}

TEST_CASE("an unfinished copy is found") {
  check_planted<no_wait>(checked, "unfinished copy: read of 4 bytes of shared memory", new_copied);
  check_planted<no_commit>(any, is_checked ? "unfinished copy" : "has committed the copy", new_copied);
  check_planted<never_waited>(any, "has waited for the copy", new_copied);
  check_planted<wrong_count>(checked, "unfinished copy: read of 4 bytes of shared memory", new_copied);
  check_planted<write_in_flight>(checked, "unfinished copy: write of 4 bytes of shared memory", new_copied);
}

TEST_CASE("copies that are not synchronised with other threads are found") {
  check_planted<no_barrier_after_wait>(checked, "shared memory", new_copied);
  check_planted<copy_over_reads>(checked, "race: ", new_copied);
}

TEST_CASE("a misaligned copy is found") {
  check_planted<misaligned_copy>(any, "misaligned cp.async of 16 bytes", new_copied);
}

TEST_CASE("a counter that was not reset is found") {
  check_planted<counter_not_reset>(any, "it must be 0 before the launch", [] {
    device_array<std::uint32_t> zero(std::vector<std::uint32_t>{0}), stale(std::vector<std::uint32_t>{3});
    const stale_counter p{zero.data(), stale.data()};
    return std::pair(std::pair(std::move(zero), std::move(stale)), p);
  });
}

}  // namespace cuda_test
