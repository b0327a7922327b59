// SPDX-License-Identifier: Apache-2.0
/// paged_attention. Slots that no token of a sequence has hold NaN: none may reach a result.
#include <limits>
#include <llava/pipeline/packed_step.hpp>
#include <tuple>

#include "attention_reference.hpp"
#include "kv_cache.hpp"

using namespace llava;

namespace {

/// The nmse that rounding of results, and of what is multiplied, explains.
template <class Types>
inline constexpr double bound = std::max(rounding<typename Types::y>,
                                         std::is_same_v<typename Types::y, float> ? 0 : rounding<f16>);

struct setting {
  int heads, kv_heads, dim, window = 0;
  bool alibi = false;

  std::size_t elements(int tokens, bool of_keys) const {
    return static_cast<std::size_t>(tokens * (of_keys ? kv_heads : heads) * dim);
  }
  std::vector<float> slopes() const {
    std::vector<float> s;
    for (int h = 0; alibi && h < heads; ++h) s.push_back(h == 1 ? 0.f : 1.f / static_cast<float>(1 + h * h));
    return s;
  }
};

/// A sequence whose last `rows` tokens are rows of the step.
struct part {
  int tokens, rows;
};

/// What a step reads, and what double gives.
template <class T>
struct step_values {
  setting of;
  std::ptrdiff_t rows = 0, sequence_count;
  std::vector<std::int32_t> positions, sequences, slots, blocks;
  std::vector<float> q, k, v;
  std::vector<double> expected;
  int pool;  // blocks of the cache

  step_values(const setting& s, const std::vector<part>& all, int table_columns, unsigned seed = 1)
      : of(s),
        sequence_count(static_cast<std::ptrdiff_t>(all.size())),
        pool(table_columns > 256 ? 307
             : s.dim > 64        ? 5
                                 : 53) {
    int used = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const int tokens = all[i].tokens, start = tokens - all[i].rows;
      std::vector<std::int32_t> own(static_cast<std::size_t>(table_columns), 0);
      for (int b = 0; b * kv_block < tokens; ++b) own[static_cast<std::size_t>(b)] = (used++ * 7 + 2) % pool;
      blocks.insert(blocks.end(), own.begin(), own.end());
      const unsigned first = seed + 10 * static_cast<unsigned>(i);
      auto own_q = random_values(s.elements(all[i].rows, false), first), own_k = rounded(tokens, first + 1),
           own_v = rounded(tokens, first + 2);
      for (int t = 0; t < tokens; ++t) {
        slots.push_back(own[static_cast<std::size_t>(t / kv_block)] * kv_block + t % kv_block);
        if (t >= start) positions.push_back(t), sequences.push_back(static_cast<std::int32_t>(i));
      }
      const auto out = attention_reference(
          own_q, own_k, own_v, all[i].rows, s.heads, s.kv_heads, s.dim,
          [&](int t) { return s.window > 0 && start + t >= s.window ? start + t - s.window + 1 : 0; },
          [&](int t) { return start + t; }, s.slopes());
      q.insert(q.end(), own_q.begin(), own_q.end());
      k.insert(k.end(), own_k.begin(), own_k.end());
      v.insert(v.end(), own_v.begin(), own_v.end());
      expected.insert(expected.end(), out.begin(), out.end());
    }
    rows = static_cast<std::ptrdiff_t>(positions.size());
  }

 private:
  std::vector<float> rounded(int tokens, unsigned seed) const {
    auto x = random_values(of.elements(tokens, true), seed);
    for (float& value : x) value = to_float(from_float<T>(value));
    return x;
  }
};

/// One layer of a cache, and the queries of a step.
template <class B, class Types>
struct step {
  using Y = typename Types::y;
  using T = typename Types::t;
  using layout = kv_layout_of<B, T>;
  setting of;
  int pool;
  device<B> d;
  device_array<T> layer;
  device_array<float> q, slopes;
  device_array<std::int32_t> positions, sequences, blocks;
  device_array<Y> y;

  explicit step(const step_values<T>& s)
      : of(s.of),
        pool(s.pool),
        layer(d.put(std::vector<T>(layout::layer_bytes(of.kv_heads, of.dim, pool) / sizeof(T)), 1)),
        q(d.put(s.q, s.rows)),
        slopes(d.put(of.alibi ? of.slopes() : std::vector<float>(1), 1)),
        positions(d.put(s.positions, 1)),
        sequences(d.put(s.sequences, 1)),
        blocks(d.put(s.blocks, s.sequence_count)),
        y(d.put(std::vector<Y>(s.q.size()), s.rows)) {
    store(s);
  }
  auto cache() const { return layout::make_view(layer.memory.data(), of.kv_heads, of.dim, pool); }
  void store(const step_values<T>& s) {
    const std::vector<T> stale(static_cast<std::size_t>(layer.columns),
                               from_float<T>(std::numeric_limits<float>::quiet_NaN()));
    upload(d.queue, layer.vector(), std::span<const T>(stale));
    const auto tokens = static_cast<std::ptrdiff_t>(s.slots.size());
    const auto keys = d.put(s.k, tokens), values = d.put(s.v, tokens);
    const auto slots = d.put(s.slots, 1);
    store_kv(d.queue, matrix_view<const float>(keys), matrix_view<const float>(values),
             step_rows{{}, {}, slots.vector(), {}}, cache());
    REQUIRE(d.error().empty());
  }
  /// Takes another step of this size into the same memory.
  void assign(const step_values<T>& s) {
    store(s);
    upload(d.queue, q.vector(), std::span<const float>(s.q));
    upload(d.queue, positions.vector(), std::span<const std::int32_t>(s.positions));
    upload(d.queue, sequences.vector(), std::span<const std::int32_t>(s.sequences));
    upload(d.queue, blocks.vector(), std::span<const std::int32_t>(s.blocks));
  }

  /// Runs the rows first to first + count − 1.
  void attend(std::ptrdiff_t first, std::ptrdiff_t count) {
    const auto some = [&](const device_array<std::int32_t>& m) {
      return vector_view<const std::int32_t>(m.vector().data() + first, dynamic_shape<1>(count));
    };
    attention_parameters p{of.heads, 1.f / std::sqrt(static_cast<float>(of.dim)), of.window};
    if (of.alibi) p.slopes = slopes.vector();
    paged_attention(d.queue, rows_of(y.matrix(), first, count), rows_of(matrix_view<const float>(q), first, count),
                    cache(), step_rows{some(positions), some(sequences), {}, blocks.matrix()}, p);
  }
  std::vector<Y> run(std::ptrdiff_t chunk) {
    for (std::ptrdiff_t first = 0; first < q.rows; first += chunk) attend(first, std::min(chunk, q.rows - first));
    return d.get(y);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("R15: attention through the KV cache matches double: causal, grouped heads, window, ALiBi",
                        "[ops]", all_kv_types) {
  struct one {
    setting of;
    int tokens;
  };
  for (const one& s : {one{{1, 1, 4}, 1},
                       {{4, 2, 20}, 17},
                       {{6, 2, 32}, 70},
                       {{2, 2, 16, 9}, 70},
                       {{9, 1, 64, 16}, 40},
                       {{3, 1, 136}, 21},
                       {{2, 1, 264}, 19},
                       {{2, 1, 512}, 19},
                       {{4, 4, 8, 0, true}, 70},
                       {{2, 1, 20, 9, true}, 50}}) {
    INFO(s.tokens << " tokens, " << s.of.heads << "/" << s.of.kv_heads << " heads of " << s.of.dim << ", window "
                  << s.of.window << ", ALiBi " << s.of.alibi);
    const step_values<typename TestType::t> values(s.of, {{s.tokens, s.tokens}}, (s.tokens + 15) / 16 + 1);
    for_each_backend([&]<class B>() {
      step<B, TestType> all(values);
      const auto whole = all.run(values.rows);
      CHECK(nmse(whole, values.expected) < bound<TestType>);
      for (const int chunk : {1, 7, 20}) {
        if (chunk == 1 && !is_batch_deterministic<B>) continue;  // they are rows of their own in chunks of 7, too
        INFO("chunks of " << chunk);
        const auto found = all.run(chunk);
        if (is_batch_deterministic<B>) CHECK(same_bytes(found, whole));  // R14
        CHECK(nmse(found, values.expected) < bound<TestType>);
      }
    });
  }
}

TEMPLATE_LIST_TEST_CASE("paged_attention: one row after many tokens, whatever the width of the table", "[ops]",
                        two_kv_types) {
  for (const int tokens : {64, 65, 300, 640})
    for (const int columns : {(tokens + 15) / 16, 256})
      for (const int window : {0, 200}) {
        INFO(tokens << " tokens, " << columns << " columns, window " << window);
        const step_values<typename TestType::t> values({4, 2, 8, window}, {{tokens, 2}}, columns);
        for_each_backend(
            [&]<class B>() { CHECK(nmse(step<B, TestType>(values).run(2), values.expected) < bound<TestType>); });
      }
}

TEMPLATE_LIST_TEST_CASE("paged_attention: prefill, short parts and decode rows of several sequences in one step",
                        "[ops]", two_kv_types) {
  for (const auto& parts :
       {std::vector<part>{{40, 40}, {33, 1}, {70, 5}, {1, 1}, {20, 20}},
        std::vector<part>{{90, 1}, {5, 1}, {80, 70}, {17, 1}},
        std::vector<part>{{17, 2}, {30, 2}, {16, 2}, {15, 2}, {40, 2}, {3, 2}, {20, 2}, {33, 2}, {9, 2}},
        std::vector<part>(18, part{20, 1})}) {
    const step_values<typename TestType::t> values({4, 2, 16, 0, true}, parts, 8);
    INFO(parts.size() << " sequences, " << values.rows << " rows");
    for_each_backend([&]<class B>() {
      step<B, TestType> all(values);
      const auto first = all.run(values.rows);
      CHECK(nmse(first, values.expected) < bound<TestType>);
      for_each_schedule([&] { CHECK(same_bytes(all.run(values.rows), first)); });
    });
  }
}

TEMPLATE_LIST_TEST_CASE("paged_attention: a recorded step runs with other positions, sequences and blocks", "[ops]",
                        two_kv_types) {
  for_each_backend([]<class B>() {
    using values_of = step_values<typename TestType::t>;
    const setting s{4, 1, 16};
    step<B, TestType> all(values_of(s, {{40, 17}, {80, 1}, {66, 4}}, 8));
    const auto attend = [&] { all.attend(0, all.q.rows); };
    for (const auto& parts :
         {std::vector<part>{{40, 17}, {80, 1}, {66, 4}}, {{2, 1}, {90, 1}, {100, 20}}, {{110, 8}, {16, 7}, {7, 7}}}) {
      const values_of values(s, parts, 8, 2);
      all.assign(values);
      for (int i = 0; i < 3; ++i) {
        if constexpr (requires { all.d.queue.replay(step_shape(), attend); })
          all.d.queue.replay(step_shape(), attend);
        else
          attend();
        CHECK(nmse(all.d.get(all.y), values.expected) < bound<TestType>);
      }
    }
  });
}

TEMPLATE_LIST_TEST_CASE("R14: a row of paged_attention does not depend on the others of its step", "[ops]",
                        all_kv_types) {
  using values_of = step_values<typename TestType::t>;
  for_each_deterministic_backend([]<class B>() {
    for (const setting& s : {setting{4, 2, 20}, {3, 3, 16, 40, true}, {9, 1, 64}}) {
      INFO(s.heads << "/" << s.kv_heads << " heads of " << s.dim << ", window " << s.window << ", ALiBi " << s.alibi);
      const values_of values(s, {{70, 70}}, 6);
      step<B, TestType> all(values);
      const auto whole = all.run(70);
      CHECK(nmse(whole, values.expected) < bound<TestType>);
      for (const int chunk : {1, 17}) CHECK(same_bytes(all.run(chunk), whole));
      // Beside other sequences, with a wider table.
      const auto others = step<B, TestType>(values_of(s, {{90, 20}, {33, 1}, {70, 5}}, 200)).run(26);
      const auto own = step<B, TestType>(values_of(s, {{90, 20}}, 6)).run(20);
      CHECK(std::equal(own.begin(), own.end(), others.begin()));
    }
    const values_of values({2, 1, 8}, {{4500, 3}}, 290);
    step<B, TestType> far(values);
    const auto whole = far.run(3);
    CHECK(nmse(whole, values.expected) < bound<TestType>);
    CHECK(same_bytes(far.run(1), whole));
  });
}

#if !LLAVA_TEST_ON_CUDA
TEST_CASE("R15: a cache of fp8_e4m3 on scalar, the reference, has the attention of rounded keys and values", "[ops]") {
  const step_values<fp8_e4m3> values({4, 2, 20}, {{70, 70}}, 6);
  step<scalar, kv_types<float, fp8_e4m3>> all(values);
  const auto whole = all.run(70);
  CHECK(nmse(whole, values.expected) < 1e-11);
  CHECK(same_bytes(all.run(7), whole));
  CHECK(to_float(from_float<fp8_e4m3>(1000.f)) == 448.f);
  CHECK(std::abs(to_float(from_float<fp8_e4m3>(0.3f)) - 0.3f) <= 0.3f / 16);
}
#endif
