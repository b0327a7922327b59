// SPDX-License-Identifier: Apache-2.0
// The kernels for AMX with its tile instructions emulated in C++ (Intel's Software Developer's Manual, volume 2), so
// that every machine with AVX-512 VNNI runs them. Its VNNI kernels must give the same bytes.
#include <llava_catch.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <llava/backend/simd/x86_intrinsics.hpp>
#include <random>
#include <vector>

namespace {

/// Eight tiles of sixteen rows of 64 bytes, and their configured shapes.
struct tile_unit {
  std::uint8_t shapes[64] = {};
  alignas(64) std::uint8_t bytes[8][16][64] = {};

  int rows(int tile) const { return shapes[48 + tile]; }
  int row_bytes(int tile) const { return shapes[16 + 2 * tile] | shapes[17 + 2 * tile] << 8; }
  void configure(const void* from) {
    std::memcpy(shapes, from, sizeof(shapes));
    REQUIRE(shapes[0] == 1);
  }
  void clear(int tile) { std::memset(bytes[tile], 0, sizeof(bytes[tile])); }
  void load(int tile, const void* from, std::ptrdiff_t stride) {
    clear(tile);
    for (int r = 0; r < rows(tile); ++r)
      std::memcpy(bytes[tile][r], static_cast<const char*>(from) + r * stride,
                  static_cast<std::size_t>(row_bytes(tile)));
  }
  void store(int tile, void* to, std::ptrdiff_t stride) const {
    for (int r = 0; r < rows(tile); ++r)
      std::memcpy(static_cast<char*>(to) + r * stride, bytes[tile][r], static_cast<std::size_t>(row_bytes(tile)));
  }
  /// sums (M, N) += a (M, 4 K) · b (K, 4 N). Elements of a are signed; those of b have type B.
  template <class B>
  void multiply(int sums, int a, int b) {
    REQUIRE((rows(sums) == rows(a) && row_bytes(sums) == row_bytes(b) && row_bytes(a) == 4 * rows(b)));
    for (int m = 0; m < rows(sums); ++m)
      for (int n = 0; n < row_bytes(sums) / 4; ++n) {
        std::int32_t sum;
        std::memcpy(&sum, bytes[sums][m] + 4 * n, 4);
        for (int k = 0; k < row_bytes(a); ++k)
          sum += static_cast<std::int8_t>(bytes[a][m][k]) * static_cast<B>(bytes[b][k / 4][4 * n + k % 4]);
        std::memcpy(bytes[sums][m] + 4 * n, &sum, 4);
      }
  }
};
tile_unit tiles;

}  // namespace

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbsud
#define _tile_loadconfig(from) tiles.configure(from)
#define _tile_release() tiles = tile_unit()
#define _tile_zero(tile) tiles.clear(tile)
#define _tile_loadd(tile, from, stride) tiles.load(tile, from, stride)
#define _tile_stored(tile, to, stride) tiles.store(tile, to, stride)
#define _tile_dpbssd(sums, a, b) tiles.multiply<std::int8_t>(sums, a, b)
#define _tile_dpbsud(sums, a, b) tiles.multiply<std::uint8_t>(sums, a, b)
#define amx amx_emulated  // a separate namespace: other files use the real one
#include <llava/backend/simd/amx.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q4_i8.hpp>
#include <llava/quant/q8_0.hpp>

using namespace llava;

namespace {

std::vector<float> random_values(std::ptrdiff_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = normal(engine);
  return v;
}

/// Computes y (T, N) with the kernels K.
template <class F, class K>
std::vector<float> product(std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns) {
  using layout = simd_backend::panels<F>;
  const std::vector<float> x = random_values(rows * inner, 1), w = random_values(columns * inner, 2);
  const std::ptrdiff_t row_bytes = block_view<F>::row_bytes(inner), count = (columns + layout::unit - 1) / layout::unit;
  std::vector<std::byte> stored(static_cast<std::size_t>(columns * row_bytes)),
      panels(static_cast<std::size_t>(count * layout::unit_bytes(inner)));
  for (std::ptrdiff_t n = 0; n < columns; ++n) F::encode(w.data() + n * inner, inner, stored.data() + n * row_bytes);
  for (std::ptrdiff_t p = 0; p < count; ++p)
    layout::pack(panels.data() + p * layout::unit_bytes(inner), stored.data() + p * layout::unit * row_bytes,
                 std::min(layout::unit, columns - p * layout::unit), inner);

  simd_backend::quantised_rows xs{};
  xs.together = std::min(rows, K::rows_together);
  xs.blocks = blocks_of(inner), xs.groups = (inner + F::activation_group - 1) / F::activation_group;
  const std::ptrdiff_t whole = (rows + xs.together - 1) / xs.together * xs.together;
  std::vector<std::byte> codes(static_cast<std::size_t>(whole * xs.blocks * simd_backend::activation_bytes<F>));
  std::vector<std::int32_t> starts(static_cast<std::size_t>(whole * xs.blocks));
  std::vector<float> scales(static_cast<std::size_t>(whole * xs.groups));
  xs.codes = codes.data(), xs.starts = starts.data(), xs.scales = scales.data();
  for (std::ptrdiff_t t = 0; t < rows; ++t) K::template quantise<F>(xs, t, x.data() + t * inner, inner);

  std::vector<float> y(static_cast<std::size_t>(rows * columns)),
      sums(static_cast<std::size_t>(std::max(2 * rows, simd_backend::row_panels) * layout::unit));
  const simd_backend::block_arguments<F> a{xs,   panels.data(), nullptr, y.data(),      columns,
                                           rows, inner,         columns, update::assign};
  K::template matmul<no_activation>(a, 0, count, sums.data());
  return y;
}

}  // namespace

TEMPLATE_TEST_CASE("R14: products in AMX tiles equal those of VNNI byte for byte", "[ops]", q16_0, q8_0_a16, q8_0, q4_0,
                   q4_i8) {
  if (!__builtin_cpu_supports("avx512vnni")) {
    WARN("not run: this machine has no AVX-512 VNNI");
    return;
  }
  for (const auto [rows, inner, columns] :
       {std::array<std::ptrdiff_t, 3>{1, 1100, 80}, {15, 100, 20}, {16, 1100, 33}, {41, 257, 64}}) {
    INFO(rows << " x " << inner << " x " << columns);
    const auto expected = product<TestType, simd_backend::avx512vnni::block_kernels>(rows, inner, columns);
    const auto found = product<TestType, simd_backend::amx_emulated::tile_kernels>(rows, inner, columns);
    CHECK(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(float)) == 0);
  }
}
