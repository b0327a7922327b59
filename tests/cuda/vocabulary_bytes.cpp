// SPDX-License-Identifier: Apache-2.0
/// Products of bytes: dot4(), and fragments against plain products of matrices. The layouts below are computed from the
/// formulas of the PTX ISA, element by element and without the library's helpers.
#include <cstdint>
#include <random>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

/// The lane and the number of the element of its fragment that hold an element of a matrix.
struct holder {
  int lane, element;
};
/// PTX ISA, "Matrix Fragments for mma.m16n8k32", integer types, A: row = groupID for a0 to a3 and a8 to a11, groupID +
/// 8 otherwise; column = 4 · threadID_in_group + i % 4, and 16 more for a8 to a15.
holder of_a(int row, int column) { return {row % 8 * 4 + column % 16 / 4, column % 4 + row / 8 * 4 + column / 16 * 8}; }
/// B: row = 4 · threadID_in_group + i % 4, and 16 more for b4 to b7; column = groupID.
holder of_b(int row, int column) { return {column * 4 + row % 16 / 4, row % 4 + row / 16 * 4}; }
/// C and D: row = groupID for c0 c1, groupID + 8 for c2 c3; column = 2 · threadID_in_group + i % 2.
holder of_c(int row, int column) { return {row % 8 * 4 + column / 2, column % 2 + row / 8 * 2}; }

struct fragments_of_lane {
  std::uint32_t a[4], b[2];
  int c[4];
};
struct fragments {
  const fragments_of_lane* x;
  int *whole, *low, *high;  // (32, 4): of all columns of A, of 0 to 15, of 16 to 31
};
struct multiply_bytes : small_kernel<fragments> {
  LLAVA_DEVICE static void run(const fragments& p, no_shared_memory&) {
    const fragments_of_lane& x = p.x[lane_index()];
    const byte_fragment_a a{{x.a[0], x.a[1], x.a[2], x.a[3]}};
    const byte_fragment_b b{{x.b[0], x.b[1]}};
    const integer_fragment_c c{{x.c[0], x.c[1], x.c[2], x.c[3]}};
    const integer_fragment_c whole = mma_m16n8k32(a, b, c), low = mma_m16n8k16<0>(a, b, c),
                             high = mma_m16n8k16<1>(a, b, c);
    for (int i = 0; i < 4; ++i) {
      p.whole[4 * lane_index() + i] = whole.value[i];
      p.low[4 * lane_index() + i] = low.value[i];
      p.high[4 * lane_index() + i] = high.value[i];
    }
  }
};

/// Bytes from −128 to 127.
std::vector<int> random_bytes(std::size_t count, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<int> values(count);
  for (int& x : values) x = static_cast<int>(random() % 256) - 128;
  return values;
}
constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
void put(std::uint32_t* words, int element, int value) {
  words[element / 4] |= (static_cast<std::uint32_t>(value) & 0xffu) << 8 * (element % 4);
}

TEST_CASE("mma of bytes multiplies the matrices whose elements lie as the PTX ISA says", "[cuda]") {
  const auto a = random_bytes(16 * 32, 1), b = random_bytes(32 * 8, 2), c = random_bytes(16 * 8, 3);
  std::vector<fragments_of_lane> x(32, fragments_of_lane{});
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 32; ++k) put(x[index(of_a(m, k).lane)].a, of_a(m, k).element, a[index(m * 32 + k)]);
  for (int k = 0; k < 32; ++k)
    for (int n = 0; n < 8; ++n) put(x[index(of_b(k, n).lane)].b, of_b(k, n).element, b[index(k * 8 + n)]);
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) x[index(of_c(m, n).lane)].c[of_c(m, n).element] = c[index(m * 8 + n)];

  const device_array<fragments_of_lane> x_on_device(x);
  const device_array<int> whole(128), low(128), high(128);
  launch<multiply_bytes>(test_stream(), {x_on_device.data(), whole.data(), low.data(), high.data()}).value();
  const auto check = [&](const std::vector<int>& y, int first, int last) {
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 8; ++n) {
        int expected = c[index(m * 8 + n)];
        for (int k = first; k < last; ++k) expected += a[index(m * 32 + k)] * b[index(k * 8 + n)];
        CHECK(y[index(4 * of_c(m, n).lane + of_c(m, n).element)] == expected);
      }
  };
  check(whole.read(), 0, 32);
  check(low.read(), 0, 16);
  check(high.read(), 16, 32);
}

struct words {
  const std::uint32_t *a, *b;
  int* y;  // (32)
};
struct dot_of_words : small_kernel<words> {
  LLAVA_DEVICE static void run(const words& p, no_shared_memory&) {
    const int i = lane_index();
    p.y[i] = dot4(p.a[i], p.b[i], i - 16);
  }
};

TEST_CASE("dot4 adds the products of four signed bytes", "[cuda]") {
  auto a = random_bytes(128, 4), b = random_bytes(128, 5);
  for (std::size_t i = 0; i < 4; ++i) a[i] = b[i] = -128;
  std::vector<std::uint32_t> of_a(32), of_b(32);
  for (int i = 0; i < 128; ++i)
    put(&of_a[index(i / 4)], i % 4, a[index(i)]), put(&of_b[index(i / 4)], i % 4, b[index(i)]);
  const device_array<std::uint32_t> a_on_device(of_a), b_on_device(of_b);
  const device_array<int> y(32);
  launch<dot_of_words>(test_stream(), {a_on_device.data(), b_on_device.data(), y.data()}).value();
  const auto found = y.read();
  for (int i = 0; i < 32; ++i) {
    int expected = i - 16;
    for (int j = 4 * i; j < 4 * i + 4; ++j) expected += a[index(j)] * b[index(j)];
    CHECK(found[index(i)] == expected);
  }
}

}  // namespace
}  // namespace cuda_test
