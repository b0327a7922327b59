// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/cuda/rope.cuh>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "device_matrices.hpp"

namespace cuda_test {
namespace {

namespace device = llava::cuda_backend;
using llava::bf16;
using llava::f16;
using llava::matrix_view;
using llava::vector_view;

/// Units in the last place of the float next to `expected`.
double error_in_units(float found, double expected) {
  const auto nearest = static_cast<float>(expected);
  const double unit = static_cast<double>(std::nextafter(std::fabs(nearest), 2.f) - std::fabs(nearest));
  return std::fabs(static_cast<double>(found) - expected) / unit;
}

}  // namespace

TEST_CASE("rope_angles: cosines and sines of any position up to a million are within 0.51 units in the last place",
          "[cuda]") {
  constexpr int half = 130;
  std::vector<std::int32_t> positions{0, 1, 2, 3, 100, 4095, 105615, 105616, 131071, 131072, 999999};
  std::vector<float> frequencies(half);
  for (int i = 0; i < half; ++i)
    frequencies[static_cast<std::size_t>(i)] = static_cast<float>(std::pow(10000., -i / double{half}));
  frequencies[1] = static_cast<float>(std::numbers::pi / 2);  // cosines near 0
  const auto tokens = static_cast<std::ptrdiff_t>(positions.size());
  device_queue d;
  const auto p = d.put(positions, 1);
  const auto f = d.put(frequencies, 1);
  const auto angles = d.put(std::vector<float>(positions.size() * 2 * half), tokens);
  rope_angles(d.queue, angles.matrix(), vector_view<const std::int32_t>(p.vector()),
              vector_view<const float>(f.vector()));
  const auto found = d.get(angles);
  double worst = 0;
  for (std::size_t t = 0; t < positions.size(); ++t)
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(static_cast<float>(positions[t]) * frequencies[i]);
      worst = std::max({worst, error_in_units(found[t * 2 * half + i], std::cos(angle)),
                        error_in_units(found[t * 2 * half + half + i], std::sin(angle))});
    }
  CHECK(worst <= 0.51);
}

TEST_CASE("rope on the device rotates pairs half a head apart, in rows of any stride", "[cuda]") {
  constexpr int tokens = 3, heads = 5, half = 40, dim = 2 * half, width = heads * dim, gap = 7;
  const auto x = random_values(tokens * (width + gap), 1), turns = random_values(tokens * dim, 2);
  device_queue d;
  const auto dx = d.put(x, tokens), angles = d.put(turns, tokens);
  rope(d.queue, columns_of(dx.matrix(), gap, width), matrix_view<const float>(angles.matrix()));
  const auto found = d.get(dx);
  double worst = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    const float* const in = x.data() + t * (width + gap);
    const float* const out = found.data() + t * (width + gap);
    for (std::size_t i = 0; i < gap; ++i) CHECK(out[i] == in[i]);
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t i = 0; i < half; ++i) {
        const std::size_t at = gap + h * dim + i;
        const double a = in[at], b = in[at + half], c = turns[t * dim + i], s = turns[t * dim + half + i];
        worst = std::max({worst, std::fabs(out[at] - (a * c - b * s)), std::fabs(out[at + half] - (b * c + a * s))});
      }
  }
  CHECK(worst < 1e-6);
}

TEMPLATE_TEST_CASE("store_kv on the device rounds to the type of the cache, and writes nothing but its slots", "[cuda]",
                   float, f16, bf16, llava::fp8_e4m3) {
  constexpr int heads = 3, dim = 20, blocks = 4, tokens = 5;
  using layout = device::kv_layout<TestType>;
  const auto k = random_values(tokens * heads * dim, 1, 100.f), v = random_values(tokens * heads * dim, 2, 0.01f);
  const std::vector<std::int32_t> slots{0, 37, -1, 63, 16};
  const std::size_t bytes = layout::layer_bytes(heads, dim, blocks);
  device_queue d;
  const auto layer = d.put(std::vector<std::uint8_t>(bytes, 0xa5), 1);
  const auto dk = d.put(k, tokens), dv = d.put(v, tokens);
  const auto ds = d.put(slots, 1);
  const auto cache = layout::make_view(layer.memory.data(), heads, dim, blocks);
  store_kv(d.queue, matrix_view<const float>(dk.matrix()), matrix_view<const float>(dv.matrix()),
           llava::step_rows{{}, {}, ds.vector(), {}}, cache);
  std::vector<TestType> found(bytes / sizeof(TestType));
  d.queue.read(found.data(), layer.memory.data(), bytes);
  REQUIRE(d.queue.finish());

  std::vector<TestType> expected(found.size());
  std::memset(static_cast<void*>(expected.data()), 0xa5, bytes);
  const auto row = static_cast<std::size_t>(cache.row());
  for (const std::size_t t : {0u, 1u, 3u, 4u})
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t i = 0; i < row; ++i) {
        const auto slot = static_cast<std::size_t>(slots[t]);
        const std::size_t at = ((slot / 16 * heads + h) * 16 + slot % 16) * row + i, from = (t * heads + h) * dim + i;
        expected[at] = device::from_f32<TestType>(i < dim ? k[from] : 0.f);
        expected[found.size() / 2 + at] = device::from_f32<TestType>(i < dim ? v[from] : 0.f);
      }
  CHECK(std::memcmp(found.data(), expected.data(), bytes) == 0);
  // The parts of a block are its keys and its values.
  const auto parts = layout::parts_of(cache, 2);
  CHECK(parts[0].data() == cache.keys + 2 * heads * 16 * cache.row());
  CHECK(parts[1].data() - parts[0].data() == static_cast<std::ptrdiff_t>(found.size() / 2));
  CHECK(parts[0].size() * blocks * 2 == static_cast<std::ptrdiff_t>(found.size()));
}

}  // namespace cuda_test
