// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/cuda/paged_attention.cuh>
#include <llava/backend/cuda/rope.cuh>

#include <array>
#include <closeness.hpp>
#include <limits>

#include "../ops/attention_reference.hpp"
#include "device_matrices.hpp"
#include "schedules.hpp"

namespace cuda_test {
namespace {

namespace device = llava::cuda_backend;
using llava::bf16;
using llava::f16;
using llava::fp8_e4m3;
using llava::kv_block;
using llava::matrix_view;

/// Errors that rounding explains; R15 allows 1e-7 and 5e-4. T: what tensor cores multiply.
template <class Y, class T>
inline constexpr double bound = std::is_same_v<Y, float>                             ? 1e-11
                                : std::is_same_v<Y, bf16> || std::is_same_v<T, bf16> ? 5e-5
                                                                                     : 1e-6;

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

/// One layer of a cache and the queries of a step. Slots that no token of a sequence has hold NaN.
template <class Y, class T, class B = device_queue::backend>
struct step {
  setting of;
  std::vector<part> parts;
  int columns;  // of the block table
  int pool;     // blocks of the cache
  device_queue d{std::size_t{16} << 20, B()};
  std::vector<float> q;
  std::vector<double> expected;
  llava::buffer layer;
  device_matrix<float> queries, slopes;
  device_matrix<std::int32_t> positions, sequences, slots, blocks;
  device_matrix<Y> y;

  step(const setting& s, const std::vector<part>& all, int table_columns, unsigned seed = 1)
      : of(s), parts(all), columns(table_columns), pool(table_columns > 256 ? 307 : 53) {
    std::vector<std::int32_t> at, of_sequence, slot, table, step_slots;
    std::vector<float> k, v;
    int used = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const int tokens = all[i].tokens, rows = all[i].rows;
      std::vector<std::int32_t> own(static_cast<std::size_t>(columns), 0);
      for (int b = 0; b * kv_block < tokens; ++b) own[static_cast<std::size_t>(b)] = pool_block(used++);
      table.insert(table.end(), own.begin(), own.end());
      const unsigned first = seed + 10 * static_cast<unsigned>(i);
      auto own_q = random_values(s.elements(rows, false), first), own_k = rounded(s.elements(tokens, true), first + 1),
           own_v = rounded(s.elements(tokens, true), first + 2);
      for (int t = 0; t < tokens; ++t) {
        slot.push_back(own[static_cast<std::size_t>(t / kv_block)] * kv_block + t % kv_block);
        if (t >= tokens - rows) at.push_back(t), of_sequence.push_back(static_cast<std::int32_t>(i));
      }
      const int start = tokens - rows;
      const auto out = attention_reference(
          own_q, own_k, own_v, rows, s.heads, s.kv_heads, s.dim,
          [&](int t) { return s.window > 0 && start + t >= s.window ? start + t - s.window + 1 : 0; },
          [&](int t) { return start + t; }, s.slopes());
      q.insert(q.end(), own_q.begin(), own_q.end());
      k.insert(k.end(), own_k.begin(), own_k.end());
      v.insert(v.end(), own_v.begin(), own_v.end());
      expected.insert(expected.end(), out.begin(), out.end());
    }
    const std::size_t bytes = device::kv_layout<T>::layer_bytes(s.kv_heads, s.dim, pool);
    layer = device_queue::allocate(bytes);
    const std::vector<T> stale(bytes / sizeof(T), device::from_f32<T>(std::numeric_limits<float>::quiet_NaN()));
    d.queue.write(layer.data(), stale.data(), bytes);
    const auto rows = static_cast<std::ptrdiff_t>(at.size());
    queries = d.put(q, rows);
    y = d.put(std::vector<Y>(q.size()), rows);
    positions = d.put(at, 1), sequences = d.put(of_sequence, 1);
    blocks = d.put(table, static_cast<std::ptrdiff_t>(all.size()));
    slopes = d.put(s.alibi ? s.slopes() : std::vector<float>(1), 1);
    slots = d.put(slot, 1);
    const auto keys = d.put(k, slots.columns), values = d.put(v, slots.columns);
    store_kv(d.queue, matrix_view<const float>(keys.matrix()), matrix_view<const float>(values.matrix()),
             llava::step_rows{{}, {}, slots.vector(), {}}, cache());
    REQUIRE(d.queue.finish());
  }
  auto cache() const { return device::kv_layout<T>::make_view(layer.data(), of.kv_heads, of.dim, pool); }

  /// Runs the rows first to first + count − 1.
  void attend(std::ptrdiff_t first, std::ptrdiff_t count) {
    const auto some = [&](const device_matrix<std::int32_t>& m) {
      return llava::vector_view<const std::int32_t>(m.vector().data() + first, llava::dynamic_shape<1>(count));
    };
    const llava::step_rows rows{some(positions), some(sequences), {}, blocks.matrix()};
    llava::attention_parameters p{of.heads, 1.f / std::sqrt(static_cast<float>(of.dim)), of.window};
    if (of.alibi) p.slopes = slopes.vector();
    paged_attention(d.queue, rows_of(y.matrix(), first, count),
                    rows_of(matrix_view<const float>(queries.matrix()), first, count), cache(), rows, p);
  }
  std::vector<float> run(std::ptrdiff_t chunk) {
    for (std::ptrdiff_t first = 0; first < queries.rows; first += chunk)
      attend(first, std::min(chunk, queries.rows - first));
    return d.get(y);
  }

 private:
  int pool_block(int i) const { return (i * 7 + 2) % pool; }
  static std::vector<float> rounded(std::size_t n, unsigned seed) {
    auto x = random_values(n, seed);
    for (float& value : x) value = device::to_f32(device::from_f32<T>(value));
    return x;
  }
};

template <class Result, class Element>
struct types {
  using y = Result;
  using t = Element;
};
using f32_f32 = types<float, float>;
using bf16_f16 = types<bf16, f16>;
using bf16_bf16 = types<bf16, bf16>;
using bf16_f32 = types<bf16, float>;
using f16_fp8 = types<f16, fp8_e4m3>;

}  // namespace

TEMPLATE_TEST_CASE("R15: paged attention on the device matches double, in chunks of any size", "[cuda]", f32_f32,
                   bf16_f16, bf16_bf16, bf16_f32, f16_fp8) {
  using Y = typename TestType::y;
  using T = typename TestType::t;
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
                       {{4, 4, 8, 0, true}, 70},
                       {{2, 1, 20, 9, true}, 50}}) {
    INFO(s.tokens << " tokens, " << s.of.heads << "/" << s.of.kv_heads << " heads of " << s.of.dim << ", window "
                  << s.of.window << ", ALiBi " << s.of.alibi);
    step<Y, T> all(s.of, {{s.tokens, s.tokens}}, (s.tokens + 15) / 16 + 1);
    for (const int chunk : {s.tokens, 7, 20}) {
      INFO("chunks of " << chunk);
      CHECK(nmse(all.run(chunk), all.expected) < bound<Y, T>);
    }
  }
}

TEMPLATE_TEST_CASE("paged attention: heads of up to 512 elements", "[cuda]", f32_f32, bf16_bf16, f16_fp8) {
  for (const int dim : {80, 130, 264, 512}) {
    INFO(dim << " elements");
    step<typename TestType::y, typename TestType::t> all({2, 1, dim}, {{19, 19}}, 2);
    CHECK(nmse(all.run(19), all.expected) < bound<typename TestType::y, typename TestType::t>);
    CHECK(nmse(all.run(2), all.expected) < bound<typename TestType::y, typename TestType::t>);
  }
}

TEMPLATE_TEST_CASE("paged attention: the keys of a decode row are split, whatever the width of the table", "[cuda]",
                   f32_f32, bf16_f16) {
  for (const int tokens : {64, 65, 300, 640})
    for (const int columns : {(tokens + 15) / 16, 256})
      for (const int window : {0, 200}) {
        INFO(tokens << " tokens, " << columns << " columns, window " << window);
        step<typename TestType::y, typename TestType::t> all({4, 2, 8, window}, {{tokens, 2}}, columns);
        CHECK(nmse(all.run(2), all.expected) < bound<typename TestType::y, typename TestType::t>);
      }
}

TEMPLATE_TEST_CASE("paged attention: prefill, short parts and decode rows of several sequences in one step", "[cuda]",
                   f32_f32, bf16_f16) {
  using kind = step<typename TestType::y, typename TestType::t>;
  const setting s{4, 2, 16, 0, true};
  for (const auto& parts :
       {std::vector<part>{{40, 40}, {33, 1}, {70, 5}, {1, 1}, {20, 20}},
        std::vector<part>{{90, 1}, {5, 1}, {80, 70}, {17, 1}},
        std::vector<part>{{17, 2}, {30, 2}, {16, 2}, {15, 2}, {40, 2}, {3, 2}, {20, 2}, {33, 2}, {9, 2}},
        std::vector<part>(18, part{20, 1})}) {
    kind all(s, parts, 8);
    INFO(parts.size() << " sequences, " << all.queries.rows << " rows");
    const auto first = all.run(all.queries.rows);
    CHECK(nmse(first, all.expected) < bound<typename TestType::y, typename TestType::t>);
    for (const unsigned schedule : {1u, 5u}) {  // the same bits in any order of threads and blocks
      set_schedule(schedule);
      CHECK(kind(s, parts, 8).run(all.queries.rows) == first);
    }
    set_schedule(0);
  }
}

TEMPLATE_TEST_CASE("paged attention: a recorded step runs with other positions, sequences and blocks", "[cuda]",
                   f32_f32, bf16_f16) {
  using kind = step<typename TestType::y, typename TestType::t>;
  const setting s{4, 1, 16};
  kind all(s, {{40, 17}, {80, 1}, {66, 4}}, 8, 1);
  for (const auto& parts :
       {std::vector<part>{{40, 17}, {80, 1}, {66, 4}}, {{2, 1}, {90, 1}, {100, 20}}, {{110, 8}, {16, 7}, {7, 7}}}) {
    kind now(s, parts, 8, 2);
    const auto send = [&](auto& to, const auto& from, std::size_t bytes) {
      std::vector<std::byte> host(bytes);
      now.d.queue.read(host.data(), from.data(), bytes);
      all.d.queue.write(to.data(), host.data(), bytes);
    };
    send(all.layer, now.layer, all.layer.size());
    send(all.queries.memory, now.queries.memory, all.queries.memory.size());
    send(all.positions.memory, now.positions.memory, all.positions.memory.size());
    send(all.sequences.memory, now.sequences.memory, all.sequences.memory.size());
    send(all.blocks.memory, now.blocks.memory, all.blocks.memory.size());
    for (int i = 0; i < 3; ++i) {
      all.d.queue.replay(1, [&] { all.attend(0, all.queries.rows); });
      CHECK(nmse(all.d.get(all.y), now.expected) < bound<typename TestType::y, typename TestType::t>);
    }
  }
}

TEMPLATE_TEST_CASE("R14: on a deterministic queue a row of paged attention does not depend on the others", "[cuda]",
                   f32_f32, bf16_f16, bf16_bf16, f16_fp8) {
  using kind = step<typename TestType::y, typename TestType::t, device_queue::deterministic_backend>;
  for (const setting& s : {setting{4, 2, 20}, {3, 3, 16, 40, true}, {9, 1, 64}}) {
    INFO(s.heads << "/" << s.kv_heads << " heads of " << s.dim << ", window " << s.window << ", ALiBi " << s.alibi);
    kind all(s, {{70, 70}}, 6);
    const auto whole = all.run(70);
    CHECK(nmse(whole, all.expected) < bound<typename TestType::y, typename TestType::t>);
    for (const int chunk : {1, 17}) CHECK(all.run(chunk) == whole);
    // Beside other sequences, with a wider table.
    kind beside(s, {{90, 20}, {33, 1}, {70, 5}}, 200);
    const auto row = static_cast<std::ptrdiff_t>(s.elements(1, false));
    const auto others = beside.run(26);
    kind last(s, {{90, 20}}, 6);
    const auto own = last.run(20);
    CHECK(std::equal(own.begin(), own.begin() + 20 * row, others.begin()));
  }
  // More keys than parts of 64.
  kind far({2, 1, 8}, {{4500, 3}}, 290);
  const auto whole = far.run(3);
  CHECK(nmse(whole, far.expected) < bound<typename TestType::y, typename TestType::t>);
  CHECK(far.run(1) == whole);
}

}  // namespace cuda_test
