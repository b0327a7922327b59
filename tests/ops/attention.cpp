// SPDX-License-Identifier: Apache-2.0
/// attention, rope and store_kv.
#include <numbers>

#include "attention_reference.hpp"
#include "kv_cache.hpp"

using namespace llava;

namespace {

float scale_of(int dim) { return 1.f / std::sqrt(static_cast<float>(dim)); }

struct setting {
  int queries, tokens, heads, dim;
};
struct inputs {
  std::vector<float> q, k, v;
  std::vector<double> expected;
  explicit inputs(const setting& s)
      : q(random_values(static_cast<std::size_t>(s.queries * s.heads * s.dim), 1)),
        k(random_values(static_cast<std::size_t>(s.tokens * s.heads * s.dim), 2)),
        v(random_values(static_cast<std::size_t>(s.tokens * s.heads * s.dim), 3)),
        expected(attention_reference(
            q, k, v, s.queries, s.heads, s.heads, s.dim, [](int) { return 0; }, [&](int) { return s.tokens - 1; })) {}
};

}  // namespace

TEST_CASE("R15: attention of all queries to all keys matches double", "[ops]") {
  for (const setting& s : {setting{1, 1, 1, 4},
                           {5, 5, 2, 20},
                           {9, 9, 3, 6},
                           {16, 16, 3, 16},
                           {3, 40, 1, 16},
                           {50, 50, 2, 64},
                           {70, 33, 2, 64},
                           {20, 65, 1, 72},
                           {131, 131, 1, 80},
                           {18, 20, 1, 130},
                           {17, 20, 1, 260},
                           {3, 18, 1, 512}}) {
    const inputs in(s);
    INFO(s.queries << " queries, " << s.tokens << " keys, " << s.heads << " heads of " << s.dim);
    for_each_backend([&]<class B>() {
      for_each_operand([&]<class Y>() {
        device<B> d;
        const auto q = d.put(in.q, s.queries), k = d.put(in.k, s.tokens), v = d.put(in.v, s.tokens);
        const auto y = d.put(std::vector<Y>(in.q.size()), s.queries);
        attention(d.queue, y.matrix(), matrix_view<const float>(q), matrix_view<const float>(k),
                  matrix_view<const float>(v), attention_parameters{s.heads, scale_of(s.dim)});
        CHECK(nmse(d.get(y), in.expected) < rounding<Y>);
      });
    });
  }
}

TEST_CASE("attention reads and writes columns of wider matrices, at any address", "[ops]") {
  constexpr int tokens = 19, heads = 2, dim = 8, width = heads * dim;
  const inputs in({tokens, tokens, heads, dim});
  for (const int gap : {0, 4, 5}) {
    const int row = 3 * width + gap;
    std::vector<float> qkv(static_cast<std::size_t>(tokens * row), 1e30f);
    for (int t = 0; t < tokens; ++t) {
      const auto to = qkv.begin() + t * row + gap;
      std::copy_n(in.q.begin() + t * width, width, to);
      std::copy_n(in.k.begin() + t * width, width, to + width);
      std::copy_n(in.v.begin() + t * width, width, to + 2 * width);
    }
    const auto test = [&]<class B>() {
      for_each_operand([&]<class Y>() {
        device<B> d;
        const auto packed = d.put(qkv, tokens);
        const auto y = d.put(std::vector<Y>(static_cast<std::size_t>(tokens * (width + gap))), tokens);
        const matrix_view<const float> all = packed;
        attention(d.queue, columns_of(y.matrix(), gap, width), columns_of(all, gap, width),
                  columns_of(all, gap + width, width), columns_of(all, gap + 2 * width, width),
                  attention_parameters{heads, scale_of(dim)});
        std::vector<Y> found, outside;
        const auto got = d.get(y);
        for (std::size_t i = 0; i < got.size(); ++i)
          (static_cast<int>(i) % (width + gap) < gap ? outside : found).push_back(got[i]);
        CHECK(nmse(found, in.expected) < rounding<Y>);
        CHECK(same_bytes(outside, std::vector<Y>(outside.size())));
      });
    };
    for_each_schedule([&] { for_each_backend(test); });
  }
}

TEST_CASE("attention without queries does nothing, and with scores beyond f32 gives no NaN", "[ops]") {
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto none = d.put(std::vector<float>(4), 1);
    const auto rows = rows_of(none.matrix(), 0, 0);
    attention(d.queue, rows, matrix_view<const float>(rows), matrix_view<const float>(none),
              matrix_view<const float>(none), attention_parameters{1, 1.f});
    CHECK(d.error().empty());
    // Scores of −1e36 and of −∞: the first has all of the weight.
    const auto q = d.put(std::vector<float>{1e18f, 0, 0, 0}, 1);
    const auto k = d.put(std::vector<float>{-1e18f, 0, 0, 0, -3e38f, 0, 0, 0}, 2);
    const auto v = d.put(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, 2);
    const auto y = d.put(std::vector<float>(4), 1);
    attention(d.queue, y.matrix(), matrix_view<const float>(q), matrix_view<const float>(k),
              matrix_view<const float>(v), attention_parameters{1, 1.f});
    CHECK(d.get(y) == std::vector<float>{1, 2, 3, 4});
  });
}

TEST_CASE("rope_angles: cosines and sines of any position up to a million are within a unit in the last place",
          "[ops]") {
  constexpr int half = 130;
  const std::vector<std::int32_t> positions{0, 1, 2, 3, 100, 4095, 105615, 105616, 131071, 131072, 999999};
  std::vector<float> frequencies(half);
  for (int i = 0; i < half; ++i)
    frequencies[static_cast<std::size_t>(i)] = static_cast<float>(std::pow(10000., -i / double{half}));
  frequencies[1] = static_cast<float>(std::numbers::pi / 2);  // cosines near 0
  const auto error_in_units = [](float found, double expected) {
    const auto nearest = static_cast<float>(expected);
    const double unit = static_cast<double>(std::nextafter(std::fabs(nearest), 2.f) - std::fabs(nearest));
    return std::fabs(static_cast<double>(found) - expected) / unit;
  };
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto p = d.put(positions, 1);
    const auto f = d.put(frequencies, 1);
    const auto angles =
        d.put(std::vector<float>(positions.size() * 2 * half), static_cast<std::ptrdiff_t>(positions.size()));
    rope_angles(d.queue, angles.matrix(), vector_view<const std::int32_t>(p), vector_view<const float>(f));
    const auto found = d.get(angles);
    double worst = 0;
    for (std::size_t t = 0; t < positions.size(); ++t)
      for (std::size_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(static_cast<float>(positions[t]) * frequencies[i]);
        worst = std::max({worst, error_in_units(found[t * 2 * half + i], std::cos(angle)),
                          error_in_units(found[t * 2 * half + half + i], std::sin(angle))});
      }
    CHECK(worst <= 1);
  });
}

TEST_CASE("rope: rotates pairs half a head apart, in rows of any stride", "[ops]") {
  constexpr int tokens = 3, heads = 5, half = 40, dim = 2 * half, width = heads * dim, gap = 7;
  const auto x = random_values(tokens * (width + gap), 1), turns = random_values(tokens * dim, 2);
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto dx = d.put(x, tokens), angles = d.put(turns, tokens);
    rope(d.queue, columns_of(dx.matrix(), gap, width), matrix_view<const float>(angles));
    const auto found = d.get(dx);
    double worst = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* const in = x.data() + t * (width + gap);
      const float* const out = found.data() + t * (width + gap);
      CHECK(std::equal(in, in + gap, out));
      for (std::size_t h = 0; h < heads; ++h)
        for (std::size_t i = 0; i < half; ++i) {
          const std::size_t at = gap + h * dim + i;
          const double a = in[at], b = in[at + half], c = turns[t * dim + i], s = turns[t * dim + half + i];
          worst = std::max({worst, std::fabs(out[at] - (a * c - b * s)), std::fabs(out[at + half] - (b * c + a * s))});
        }
    }
    CHECK(worst < 1e-6);
  });
}

TEMPLATE_LIST_TEST_CASE("store_kv rounds to the type of the cache, and writes nothing but its slots", "[ops]",
                        kv_elements) {
  using T = TestType;
  constexpr int heads = 3, dim = 20, blocks = 4, tokens = 5;
  const auto k = random_values(tokens * heads * dim, 1, 1e5f), v = random_values(tokens * heads * dim, 2, 0.01f);
  const std::vector<std::int32_t> slots{0, 37, -1, 63, 16};
  for_each_backend([&]<class B>() {
    using layout = kv_layout_of<B, T>;
    const std::size_t bytes = layout::layer_bytes(heads, dim, blocks), half = bytes / 2 / sizeof(T);
    std::vector<T> expected(2 * half);
    std::memset(static_cast<void*>(expected.data()), 0xa5, bytes);
    device<B> d;
    const auto layer = d.put(expected, 1);
    const auto dk = d.put(k, tokens), dv = d.put(v, tokens);
    const auto ds = d.put(slots, 1);
    const auto cache = layout::make_view(layer.memory.data(), heads, dim, blocks);
    store_kv(d.queue, matrix_view<const float>(dk), matrix_view<const float>(dv), step_rows{{}, {}, ds.vector(), {}},
             cache);
    for (std::size_t i = 0; i < k.size(); ++i) {
      const int slot = slots[i / (heads * dim)], head = static_cast<int>(i / dim % heads),
                at = static_cast<int>(i % dim);
      if (slot < 0) continue;
      expected[key_at(cache, slot, head, at)] = from_float<T>(k[i]);
      expected[half + value_at(cache, slot, head, at)] = from_float<T>(v[i]);
      for (int zero = dim; at == 0 && zero < cache.row(); ++zero)
        expected[key_at(cache, slot, head, zero)] = expected[half + value_at(cache, slot, head, zero)] =
            from_float<T>(0);
    }
    CHECK(same_bytes(d.get(layer), expected));
    const auto parts = layout::parts_of(cache, 2);  // the keys and the values of a block
    CHECK(parts[0].data() == cache.keys + key_at(cache, 2 * kv_block, 0, 0));
    CHECK(parts[1].data() - parts[0].data() == static_cast<std::ptrdiff_t>(half));
    CHECK(parts[0].extent(0) * blocks == static_cast<std::ptrdiff_t>(half));
  });
}
