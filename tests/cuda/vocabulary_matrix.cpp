// SPDX-License-Identifier: Apache-2.0
/// Fragments against plain products of matrices. The layouts below are computed from the formulas of the PTX ISA,
/// element by element and without the library's helpers.
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "small_kernel.hpp"

namespace cuda_test {
namespace {

using llava::bf16;
using llava::f16;

/// The lane and the number of the element of its fragment that hold an element of a matrix.
struct holder {
  int lane, element;
};
/// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", A: row = groupID for a0 a1 a4 a5, groupID + 8
/// otherwise; column = 2 · threadID_in_group + i % 2, and 8 more for a4 to a7.
holder of_a(int row, int column) { return {row % 8 * 4 + column % 8 / 2, column % 2 + row / 8 * 2 + column / 8 * 4}; }
/// B: row = 2 · threadID_in_group + i % 2, and 8 more for b2 b3; column = groupID.
holder of_b(int row, int column) { return {column * 4 + row % 8 / 2, row % 2 + row / 8 * 2}; }
/// C and D: row = groupID for c0 c1, groupID + 8 for c2 c3; column = 2 · threadID_in_group + i % 2.
holder of_c(int row, int column) { return {row % 8 * 4 + column / 2, column % 2 + row / 8 * 2}; }

struct fragments_of_lane {
  std::uint32_t a[4], b[2];
  float c[4];
};
struct fragments {
  const fragments_of_lane* x;
  float* y;  // (32, 4)
};
template <class T>
struct multiply_fragments : small_kernel<fragments> {
  LLAVA_DEVICE static void run(const fragments& p, no_shared_memory&) {
    const fragments_of_lane& x = p.x[lane_index()];
    const fragment_a<T> a{{x.a[0], x.a[1], x.a[2], x.a[3]}};
    const fragment_b<T> b{{x.b[0], x.b[1]}};
    fragment_c c{{x.c[0], x.c[1], x.c[2], x.c[3]}};
    mma_m16n8k16(c, a, b);
    for (int i = 0; i < 4; ++i) p.y[4 * lane_index() + i] = c.value[i];
  }
};

/// Matrices of small integers, whose products and sums are exact.
template <std::size_t Rows, std::size_t Columns>
using matrix = std::array<std::array<float, Columns>, Rows>;
template <std::size_t Rows, std::size_t Columns>
matrix<Rows, Columns> random_matrix(unsigned seed) {
  std::minstd_rand random(seed);
  matrix<Rows, Columns> m;
  for (auto& row : m)
    for (float& x : row) x = static_cast<float>(static_cast<int>(random() % 17) - 8);
  return m;
}
constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }

template <class T>
void check_mma() {
  const auto a = random_matrix<16, 16>(1);
  const auto b = random_matrix<16, 8>(2);
  const auto c = random_matrix<16, 8>(3);
  std::vector<fragments_of_lane> x(32, fragments_of_lane{});
  const auto put = [](std::uint32_t* words, int element, float value) {
    words[element / 2] |= static_cast<std::uint32_t>(llava::from_float<T>(value).bits) << 16 * (element % 2);
  };
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 16; ++k) put(x[index(of_a(m, k).lane)].a, of_a(m, k).element, a[index(m)][index(k)]);
  for (int k = 0; k < 16; ++k)
    for (int n = 0; n < 8; ++n) put(x[index(of_b(k, n).lane)].b, of_b(k, n).element, b[index(k)][index(n)]);
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) x[index(of_c(m, n).lane)].c[of_c(m, n).element] = c[index(m)][index(n)];

  const device_array<fragments_of_lane> x_on_device(x);
  const device_array<float> y_on_device(128);
  launch<multiply_fragments<T>>(test_stream(), {x_on_device.data(), y_on_device.data()}).value();
  const auto y = y_on_device.read();
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) {
      float expected = c[index(m)][index(n)];
      for (int k = 0; k < 16; ++k) expected += a[index(m)][index(k)] * b[index(k)][index(n)];
      CHECK(y[index(4 * of_c(m, n).lane + of_c(m, n).element)] == expected);
    }
}

struct words_of_matrices {
  const std::uint16_t* x;             // (32, 8): the rows
  std::uint32_t *plain, *transposed;  // (32, 4)
};
struct rows_of_matrices {
  alignas(16) std::uint16_t x[32][8];
};
struct read_matrices : small_kernel<words_of_matrices, rows_of_matrices> {
  LLAVA_DEVICE static void run(const words_of_matrices& p, rows_of_matrices& s) {
    const int lane = lane_index();
    for (int i = 0; i < 8; ++i) s.x[lane][i] = p.x[8 * lane + i];
    sync_warp();
    const matrices plain = ldmatrix_x4(s.x[lane]), transposed = ldmatrix_x4_transposed(s.x[lane]);
    for (int i = 0; i < 4; ++i) {
      p.plain[4 * lane + i] = plain.word[i];
      p.transposed[4 * lane + i] = transposed.word[i];
    }
  }
};

template <class T>
struct tiles {
  const T *a, *w, *v;  // (16, 16): M×K, N×K, K×N
  float *by_w, *by_v;  // (16, 16): a · wᵀ, a · v
};
template <class T>
struct tiles_in_shared {
  alignas(16) T a[16][24], w[16][24], v[16][24];
};
template <class T>
struct multiply_tiles : small_kernel<tiles<T>, tiles_in_shared<T>> {
  LLAVA_DEVICE static void run(const tiles<T>& p, tiles_in_shared<T>& s) {
    const int lane = lane_index();
    for (int i = lane; i < 256; i += 32) {
      s.a[i / 16][i % 16] = p.a[i];
      s.w[i / 16][i % 16] = p.w[i];
      s.v[i / 16][i % 16] = p.v[i];
    }
    sync_warp();
    const tile_position of_a = position_of_a(lane), of_w = position_of_b_pair(lane),
                        of_v = position_of_b_pair_transposed(lane);
    const fragment_a<T> a = load_a(&s.a[of_a.row][of_a.column]);
    fragment_b<T> w[2], v[2];
    load_b_pair(w, &s.w[of_w.row][of_w.column]);
    load_b_pair_transposed(v, &s.v[of_v.row][of_v.column]);
    for (int j = 0; j < 2; ++j) {
      fragment_c by_w = {}, by_v = {};
      mma_m16n8k16(by_w, a, w[j]);
      mma_m16n8k16(by_v, a, v[j]);
      for (int i = 0; i < 4; ++i) {
        const int at = 16 * fragment_c::row(lane, i) + 8 * j + fragment_c::column(lane, i);
        p.by_w[at] = by_w.value[i];
        p.by_v[at] = by_v.value[i];
      }
    }
  }
};

template <class T>
void check_tiles() {
  const auto a = random_matrix<16, 16>(4), w = random_matrix<16, 16>(5), v = random_matrix<16, 16>(6);
  const auto on_device = [](const matrix<16, 16>& m) {
    std::vector<T> values;
    for (const auto& row : m)
      for (const float x : row) values.push_back(llava::from_float<T>(x));
    return device_array<T>(values);
  };
  const auto a_on_device = on_device(a), w_on_device = on_device(w), v_on_device = on_device(v);
  const device_array<float> by_w(256), by_v(256);
  launch<multiply_tiles<T>>(test_stream(),
                            {a_on_device.data(), w_on_device.data(), v_on_device.data(), by_w.data(), by_v.data()})
      .value();
  const auto found_w = by_w.read(), found_v = by_v.read();
  for (std::size_t m = 0; m < 16; ++m)
    for (std::size_t n = 0; n < 16; ++n) {
      float expected_w = 0, expected_v = 0;
      for (std::size_t k = 0; k < 16; ++k) {
        expected_w += a[m][k] * w[n][k];
        expected_v += a[m][k] * v[k][n];
      }
      CHECK(found_w[16 * m + n] == expected_w);
      CHECK(found_v[16 * m + n] == expected_v);
    }
}

}  // namespace

TEST_CASE("mma multiplies fragments in the layout of the PTX ISA") {
  check_mma<f16>();
  check_mma<bf16>();
}

TEST_CASE("a fragment of C knows its rows and columns") {
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) {
      const holder h = of_c(m, n);
      CHECK(fragment_c::row(h.lane, h.element) == m);
      CHECK(fragment_c::column(h.lane, h.element) == n);
    }
}

TEST_CASE("ldmatrix gives each lane its elements") {
  std::vector<std::uint16_t> x(256);
  for (std::size_t i = 0; i < 256; ++i) x[i] = static_cast<std::uint16_t>(i * 257 + 1);
  const device_array<std::uint16_t> x_on_device(x);
  const device_array<std::uint32_t> plain(128), transposed(128);
  launch<read_matrices>(test_stream(), {x_on_device.data(), plain.data(), transposed.data()}).value();
  const auto found = plain.read(), found_transposed = transposed.read();
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t lane = 0; lane < 32; ++lane) {
      const auto element = [&](std::size_t row, std::size_t column) {
        return std::uint32_t{x[64 * i + 8 * row + column]};
      };
      const std::size_t g = lane / 4, t = lane % 4;
      CHECK(found[4 * lane + i] == (element(g, 2 * t) | element(g, 2 * t + 1) << 16));
      CHECK(found_transposed[4 * lane + i] == (element(2 * t, g) | element(2 * t + 1, g) << 16));
    }
}

TEST_CASE("tiles in shared memory become fragments") {
  check_tiles<f16>();
  check_tiles<bf16>();
}

}  // namespace cuda_test
