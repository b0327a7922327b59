// SPDX-License-Identifier: Apache-2.0
/// Indices, shuffles, votes and reductions of the device vocabulary against plain loops.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

constexpr int threads_of_block = 96;

struct indices {
  std::array<int, 6>* of_threads;  // of each thread: thread, lane, warp, block
};
struct store_indices {
  static constexpr int threads = threads_of_block, min_blocks = 1;
  using Params = indices;
  using Smem = no_shared_memory;
  static grid_size grid(const Params&) { return {3, 2, 2}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const index3 b = block_index();
    const grid_size g = grid_extents();
    p.of_threads[((b.z * g.y + b.y) * g.x + b.x) * threads + thread_index()] = {
        thread_index(), lane_index(), warp_index(), b.x, b.y, b.z};
  }
};

/// What shuffles give to each thread of two warps.
template <class T>
struct shuffled {
  T any, by_xor, up, down, sum, sum_of_8, largest;
};
template <class T>
struct shuffles {
  struct values {
    const T* x;
    const int* from;
    shuffled<T>* y;
  };
  static constexpr int threads = 64, min_blocks = 1;
  using Params = values;
  using Smem = no_shared_memory;
  static grid_size grid(const Params&) { return {1}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int t = thread_index();
    const T x = p.x[t];
    shuffled<T> y;
    y.any = shuffle(x, p.from[t]);
    y.by_xor = shuffle_xor(x, 5);
    y.up = shuffle_up(x, 3);
    y.down = shuffle_down(x, 7);
    y.sum = warp_sum(x);
    y.sum_of_8 = warp_sum<8>(x);
    y.largest = x;
    if constexpr (sizeof(T) == 4) y.largest = warp_max(x);
    p.y[t] = y;
  }
};

template <class T>
void check_shuffles() {
  std::vector<T> x(64);
  std::vector<int> from(64);
  for (int i = 0; i < 64; ++i) {
    x[static_cast<std::size_t>(i)] = static_cast<T>(i * i % 97 - 40);
    from[static_cast<std::size_t>(i)] = i * 7 + 3;  // beyond 31: modulo 32
  }
  const device_array<T> x_on_device(x);
  const device_array<int> from_on_device(from);
  const device_array<shuffled<T>> y_on_device(64);
  launch<shuffles<T>>(test_stream(), {x_on_device.data(), from_on_device.data(), y_on_device.data()}).value();
  const auto y = y_on_device.read();
  for (std::size_t t = 0; t < 64; ++t) {
    const std::size_t warp = t / 32 * 32, lane = t % 32;
    CHECK(y[t].any == x[warp + static_cast<std::size_t>(from[t]) % 32]);
    CHECK(y[t].by_xor == x[warp + (lane ^ 5)]);
    CHECK(y[t].up == x[lane < 3 ? t : t - 3]);
    CHECK(y[t].down == x[lane + 7 > 31 ? t : t + 7]);
    T sum = 0, sum_of_8 = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      sum += x[warp + i];
      if (i / 8 == lane / 8) sum_of_8 += x[warp + i];
    }
    CHECK(y[t].sum == sum);  // small integers: exact
    CHECK(y[t].sum_of_8 == sum_of_8);
    if (sizeof(T) == 4) CHECK(y[t].largest == *std::max_element(x.data() + warp, x.data() + warp + 32));
  }
}

struct vote_results {
  std::uint32_t ballot, any, all, block;  // no padding, which nobody would write
  int bits;
};
struct votes {
  const bool* vote;
  vote_results* y;
};
struct count_votes : small_kernel<votes, no_shared_memory, threads_of_block> {
  LLAVA_DEVICE static void run(const votes& p, no_shared_memory&) {
    const bool vote = p.vote[thread_index()];
    const std::uint32_t ballot = warp_ballot(vote);
    p.y[thread_index()] = {ballot, any_lane(vote) ? 1u : 0u, all_lanes(vote) ? 1u : 0u, sync_block_or(vote) ? 1u : 0u,
                           count_bits(ballot)};
  }
};

struct sums_of_blocks {
  const float* x;
  float *sum, *largest;
};
struct warps {
  float scratch[threads_of_block / 32];
};
struct reduce_block : small_kernel<sums_of_blocks, warps, threads_of_block> {
  LLAVA_DEVICE static void run(const sums_of_blocks& p, warps& s) {
    const float x = p.x[thread_index()];
    p.sum[thread_index()] = block_sum(x, s.scratch);
    p.largest[thread_index()] = block_max(x, s.scratch);
  }
};

struct partials {
  const float* x;
  float *sums, *y;
  std::uint32_t* counter;
  int blocks;
};
struct last_flag {
  bool is_last;
};
/// Each block has a part; the last one to arrive adds them in order.
struct reduce_grid {
  static constexpr int threads = 64, min_blocks = 1;
  using Params = partials;
  using Smem = last_flag;
  static grid_size grid(const Params& p) { return {p.blocks}; }
  LLAVA_DEVICE static void run(const Params& p, Smem& s) {
    p.sums[block_index().x * threads + thread_index()] = 2 * p.x[block_index().x * threads + thread_index()];
    if (!arrives_last(p.counter, p.blocks, s.is_last)) return;
    float sum = 0;
    for (int b = 0; b < p.blocks; ++b) sum += p.sums[b * threads + 63 - thread_index()];
    p.y[thread_index()] = sum;
  }
};

}  // namespace

TEST_CASE("each thread knows its indices") {
  const device_array<std::array<int, 6>> y(12 * threads_of_block);
  launch<store_indices>(test_stream(), {y.data()}).value();
  std::size_t i = 0;
  const auto found = y.read();
  for (int z = 0; z < 2; ++z)
    for (int b = 0; b < 2; ++b)
      for (int x = 0; x < 3; ++x)
        for (int t = 0; t < threads_of_block; ++t, ++i)
          if (found[i] != std::array<int, 6>{t, t % 32, t / 32, x, b, z})
            FAIL("block " << x << b << z << " thread " << t);
}

TEST_CASE("shuffles and sums of a warp equal loops") {
  check_shuffles<float>();
  check_shuffles<int>();
  check_shuffles<std::uint32_t>();
  check_shuffles<double>();
  check_shuffles<long long>();
}

TEST_CASE("votes equal loops") {
  for (const int pattern : {0, 1, 2, 3}) {
    const device_array<bool> vote(threads_of_block);
    bool values[threads_of_block];
    for (int t = 0; t < threads_of_block; ++t)
      values[t] = pattern == 3 ? t >= 32 : pattern == 2 ? t % 3 == 0 : pattern == 1;
    copy(test_stream(), vote.data(), values, sizeof values, copy_kind::to_device).value();
    const device_array<vote_results> y(threads_of_block);
    launch<count_votes>(test_stream(), {vote.data(), y.data()}).value();
    const auto found = y.read();
    for (std::size_t t = 0; t < threads_of_block; ++t) {
      const bool* const of_warp = values + t / 32 * 32;
      std::uint32_t ballot = 0;
      for (unsigned i = 0; i < 32; ++i) ballot |= (of_warp[i] ? 1u : 0u) << i;
      CHECK(found[t].ballot == ballot);
      CHECK(found[t].any == (ballot != 0 ? 1 : 0));
      CHECK(found[t].all == (ballot == 0xffffffffu ? 1 : 0));
      CHECK(found[t].block == (pattern != 0 ? 1 : 0));
      CHECK(found[t].bits == std::count(of_warp, of_warp + 32, true));
    }
  }
}

TEST_CASE("the sum of a block has a fixed order") {
  std::vector<float> x(threads_of_block);
  for (std::size_t t = 0; t < x.size(); ++t) x[t] = 1.f / static_cast<float>(t + 3) * (t % 2 == 0 ? 1 : -1);
  // A butterfly in each warp, from distance 16 down, then the warps in order.
  float sum = 0;
  for (std::size_t w = 0; w < x.size(); w += 32) {
    std::vector<float> lanes(x.data() + w, x.data() + w + 32);
    for (std::size_t distance = 16; distance > 0; distance /= 2) {
      const auto before = lanes;
      for (std::size_t l = 0; l < 32; ++l) lanes[l] = before[l] + before[l ^ distance];
    }
    sum = w == 0 ? lanes[0] : sum + lanes[0];
  }
  const device_array<float> x_on_device(x), sums(x.size()), largest(x.size());
  for (const unsigned schedule : schedules) {
    with_schedule(schedule, [&] {
      launch<reduce_block>(test_stream(), {x_on_device.data(), sums.data(), largest.data()}).value();
      return 0;
    });
    CHECK(sums.read() == std::vector<float>(x.size(), sum));
    CHECK(largest.read() == std::vector<float>(x.size(), 1.f / 3));
  }
}

TEST_CASE("the last block adds the parts in order and resets the counter") {
  constexpr int blocks = 7;
  std::vector<float> x(blocks * 64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.f / static_cast<float>(i + 1);
  std::vector<float> expected(64);
  for (std::size_t t = 0; t < 64; ++t)
    for (std::size_t b = 0; b < blocks; ++b) expected[t] += 2 * x[b * 64 + 63 - t];
  const device_array<float> x_on_device(x), sums(x.size()), y(64);
  const device_array<std::uint32_t> counter(std::vector<std::uint32_t>{0});
  for (const unsigned schedule : schedules)
    for (const unsigned workers : {1u, 4u}) {
      with_schedule(
          schedule,
          [&] {
            launch<reduce_grid>(test_stream(), {x_on_device.data(), sums.data(), y.data(), counter.data(), blocks})
                .value();
            return 0;
          },
          workers);
      CHECK(y.read() == expected);
      CHECK(counter.read()[0] == 0);
    }
}

}  // namespace cuda_test
