// SPDX-License-Identifier: Apache-2.0
/// Launches, device memory and copies: limits, errors, and what the emulator says of the host's mistakes.
#include <array>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

struct grid_of {
  grid_size grid;
  int* blocks_of_axes;  // 3
};
/// Each block writes its index, so that the last ones leave the extents of the grid.
struct any_grid {
  static constexpr int threads = 32, min_blocks = 1;
  using Params = grid_of;
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return p.grid; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const index3 b = block_index();
    const grid_size g = grid_extents();
    if (thread_index() != 31 || b.x + 1 != g.x || b.y + 1 != g.y || b.z + 1 != g.z) return;
    p.blocks_of_axes[0] = b.x + 1;
    p.blocks_of_axes[1] = b.y + 1;
    p.blocks_of_axes[2] = b.z + 1;
  }
};

struct large {
  float x[227 * 1024 / 4];
};
template <bool Wrong>
struct large_shared : small_kernel<output, large> {
  static void run(const output& p, large& s) {
    constexpr int last = 227 * 1024 / 4 - 1;
    s.x[last - thread_index()] = 1;
    sync_block();
    p.y[thread_index()] = s.x[last - 31 + thread_index()];
  }
};

template <bool Wrong>
struct waits_for_kernels : small_kernel<output> {
  static constexpr bool programmatic_launch = true;
  static void run(const output& p, no_shared_memory&) {
    if constexpr (!Wrong) wait_for_previous_kernels();
    p.y[thread_index()] += 1;
    let_next_kernel_start();
    if constexpr (Wrong) wait_for_previous_kernels();
  }
};
template <bool Wrong>
struct never_waits : small_kernel<output> {
  static constexpr bool programmatic_launch = true;
  static void run(const output&, no_shared_memory&) {
    if constexpr (!Wrong) wait_for_previous_kernels();
  }
};

struct bad_threads : small_kernel<output, no_shared_memory, 48> {
  static void run(const output&, no_shared_memory&) {}
};
struct too_large : small_kernel<output, std::array<large, 2>> {
  static void run(const output&, std::array<large, 2>&) {}
};
struct owner : small_kernel<std::vector<int>> {
  static void run(const std::vector<int>&, no_shared_memory&) {}
};
struct no_run : small_kernel<output> {};

static_assert(kernel<any_grid> && kernel<large_shared<false>>);
static_assert(!kernel<bad_threads> && !kernel<too_large> && !kernel<owner> && !kernel<no_run>);
static_assert(shared_bytes<any_grid> == 0 && shared_bytes<large_shared<false>> == 227 * 1024);

stream overlapping() {
  stream s = test_stream();
  s.programmatic = true;
  return s;
}

}  // namespace

TEST_CASE("a grid has the extents that its kernel asks for") {
  const device_array<int> extents(3);
  for (const grid_size g : {grid_size{1}, grid_size{5, 3}, grid_size{2, 3, 4}}) {
    launch<any_grid>(test_stream(), {g, extents.data()}).value();
    CHECK(extents.read() == std::vector<int>{g.x, g.y, g.z});
  }
}

TEST_CASE("a grid without blocks is nothing to do, and one that is too large an error") {
  CHECK(launch<any_grid>(test_stream(), {{0, 1, 1}, nullptr}));
  CHECK(launch<any_grid>(test_stream(), {{1, 1, 0}, nullptr}));
  const auto large_grid = launch<any_grid>(test_stream(), {{1, 65536, 1}, nullptr});
  REQUIRE(!large_grid);
  CHECK(large_grid.error().code() == llava::errc::invalid_argument);
  CHECK(large_grid.error().sentence().find("any_grid, grid (1, 65536, 1), 32 threads") != std::string::npos);
  CHECK(!launch<any_grid>(test_stream(), {{-1, 1, 1}, nullptr}));
}

TEST_CASE("a block has up to 227 KiB of shared memory") {
  const device_array<float> y(32);
  launch<large_shared<false>>(test_stream(), {y.data()}).value();
  CHECK(y.read() == std::vector<float>(32, 1.f));
}

TEST_CASE("a kernel that does not wait for the one before is found") {
  const device_array<float> y(std::vector<float>(32));
  launch<waits_for_kernels<false>>(overlapping(), {y.data()}).value();
  launch<waits_for_kernels<false>>(overlapping(), {y.data()}).value();
  CHECK(y.read() == std::vector<float>(32, 2.f));

  launch<waits_for_kernels<true>>(overlapping(), {y.data()}).value();  // after a copy: nothing to wait for
  const auto early = launch<waits_for_kernels<true>>(overlapping(), {y.data()});
  CHECK(early.has_value() != is_checked);
  if (!early) CHECK(early.error().sentence().find("before wait_for_previous_kernels(): read") != std::string::npos);
  launch<waits_for_kernels<true>>(test_stream(), {y.data()}).value();  // without overlap

  const auto never = launch<never_waits<true>>(overlapping(), {nullptr});
  REQUIRE(!never);
  CHECK(never.error().sentence().find("returns without wait_for_previous_kernels()") != std::string::npos);
}

TEST_CASE("a copy stays within one allocation") {
  const device_array<float> x(4);
  float values[5] = {};
  CHECK(!copy(test_stream(), x.data(), values, 20, copy_kind::to_device));
  CHECK(!copy(test_stream(), x.data() + 1, values, 16, copy_kind::to_device));
  CHECK(!copy(test_stream(), values, values, 4, copy_kind::to_device));
  CHECK(!fill(test_stream(), x.data(), 0, 17));
  CHECK(copy(test_stream(), x.data(), values, 16, copy_kind::to_device));
  CHECK(copy(test_stream(), x.data(), values, 0, copy_kind::to_host));
  CHECK(fill(test_stream(), x.data() + 1, 0, 12));
}

TEST_CASE("device memory that nobody wrote holds NaN, and a checked program does not copy it") {
  const device_array<float> x(4);
  float values[4] = {};
  const auto copied = copy(test_stream(), values, x.data(), 16, copy_kind::to_host);
  CHECK(copied.has_value() != is_checked);
  if (copied) CHECK(values[3] != values[3]);
}

TEST_CASE("an access of the host to device memory is found") {
  if (!is_checked) return;
  const device_array<int> extents(3);
  *const_cast<volatile int*>(extents.data()) = 1;
  const auto launched = launch<any_grid>(test_stream(), {{1, 1, 1}, extents.data()});
  REQUIRE(!launched);
  CHECK(launched.error().sentence().find("the host accesses device memory at launch.cpp:") != std::string::npos);
  CHECK(launch<any_grid>(test_stream(), {{1, 1, 1}, extents.data()}));  // it is reported once
}

}  // namespace cuda_test
