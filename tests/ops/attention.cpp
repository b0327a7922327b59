// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "attention_reference.hpp"
#include "backend/backends.hpp"

using namespace llava;

namespace {

float scale_of(int dim) { return 1.f / std::sqrt(static_cast<float>(dim)); }

/// Runs one sequence through the cache: keys are written in chunks, into shuffled blocks.
template <class B, class T>
std::vector<float> through_cache(int tokens, int heads, int kv_heads, int dim, int window, int chunk,
                                 const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                                 const std::vector<float>& slopes = {}) {
  device<B> d;
  const auto dslopes = d.put(slopes.empty() ? std::vector<float>(1) : slopes, 1);
  const int blocks = (tokens + kv_block - 1) / kv_block, pool = blocks + 3;
  // Stale memory of other sequences: none of its values may reach a result.
  const std::size_t half = static_cast<std::size_t>(pool * kv_block * kv_heads * dim);
  const auto stale = d.put(std::vector<T>(2 * half, from_float<T>(std::numeric_limits<float>::quiet_NaN())), 1);
  T* memory = reinterpret_cast<T*>(stale.memory.data());
  const kv_view<T> cache{memory, memory + half, kv_heads, dim};
  std::vector<std::int32_t> table;
  for (int b = 0; b < blocks; ++b) table.push_back((b * 7 + 2) % pool);
  const auto dt = d.put(table, 1);
  const auto dq = d.put(q, tokens), dk = d.put(k, tokens), dv = d.put(v, tokens),
             y = d.put(std::vector<float>(q.size()), tokens);
  for (int at = 0; at < tokens; at += chunk) {
    const int n = std::min(chunk, tokens - at);
    std::vector<std::int32_t> positions, sequences(static_cast<std::size_t>(n), 0), slots;
    for (int i = at; i < at + n; ++i) {
      positions.push_back(i);
      slots.push_back(table[static_cast<std::size_t>(i / kv_block)] * kv_block + i % kv_block);
    }
    const auto dp = d.put(positions, 1), ds = d.put(sequences, 1), dl = d.put(slots, 1);
    const step_rows rows{dp.vector(), ds.vector(), dl.vector(), dt.matrix()};
    store_kv(d.queue, rows_of(matrix_view<const float>(dk.matrix()), at, n),
             rows_of(matrix_view<const float>(dv.matrix()), at, n), rows, cache);
    paged_attention(d.queue, rows_of(y.matrix(), at, n), rows_of(matrix_view<const float>(dq.matrix()), at, n), cache,
                    rows,
                    attention_parameters{heads, scale_of(dim), window,
                                         slopes.empty() ? vector_view<const float>() : dslopes.vector()});
    REQUIRE(d.queue.finish());
  }
  return d.get(y);
}

}  // namespace

TEST_CASE("R15: attention of all tokens to all tokens matches double", "[ops]") {
  for (const auto& [tokens, heads, dim] : {std::array{1, 1, 4}, {5, 2, 20}, {16, 3, 16}, {50, 2, 64}, {131, 1, 80}}) {
    const auto n = static_cast<std::size_t>(tokens * heads * dim);
    const auto q = random_values(n, 1), k = random_values(n, 2), v = random_values(n, 3);
    const int last = tokens - 1;
    const auto expected = attention_reference(
        q, k, v, tokens, heads, heads, dim, [](int) { return 0; }, [&](int) { return last; });
    INFO(tokens << " tokens, " << heads << " heads of " << dim);
    const int head_count = heads, head_dim = dim, rows = tokens;
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto dq = d.put(q, rows), dk = d.put(k, rows), dv = d.put(v, rows), y = d.put(std::vector<float>(n), rows);
      attention(d.queue, y.matrix(), matrix_view<const float>(dq.matrix()), matrix_view<const float>(dk.matrix()),
                matrix_view<const float>(dv.matrix()), attention_parameters{head_count, scale_of(head_dim)});
      CHECK(nmse(d.get(y), expected) < 1e-11);
    });
  }
}

TEMPLATE_TEST_CASE("R15: attention through the KV cache matches double: causal, grouped heads, window, stale memory",
                   "[ops]", f32, f16, bf16) {
  struct setting {
    int tokens, heads, kv_heads, dim, window;
  };
  for (const setting& s :
       {setting{1, 1, 1, 4, 0}, {17, 4, 2, 20, 0}, {70, 6, 2, 32, 0}, {70, 2, 2, 16, 9}, {40, 8, 1, 64, 16}}) {
    const auto n = static_cast<std::size_t>(s.tokens * s.dim);
    auto q = random_values(n * static_cast<std::size_t>(s.heads), 1),
         k = random_values(n * static_cast<std::size_t>(s.kv_heads), 2),
         v = random_values(n * static_cast<std::size_t>(s.kv_heads), 3);
    for (auto* stored : {&k, &v})
      for (float& x : *stored) x = to_float(from_float<TestType>(x));
    const auto expected = attention_reference(
        q, k, v, s.tokens, s.heads, s.kv_heads, s.dim,
        [&](int t) { return s.window && t >= s.window ? t - s.window + 1 : 0; }, [](int t) { return t; });
    INFO(s.tokens << " tokens, " << s.heads << "/" << s.kv_heads << " heads of " << s.dim << ", window " << s.window);
    for_each_backend([&]<class B>() {
      const auto whole = through_cache<B, TestType>(s.tokens, s.heads, s.kv_heads, s.dim, s.window, s.tokens, q, k, v);
      CHECK(nmse(whole, expected) < 1e-11);
      for (int chunk : {1, 3, 16})
        CHECK(same_bytes(through_cache<B, TestType>(s.tokens, s.heads, s.kv_heads, s.dim, s.window, chunk, q, k, v),
                         whole));  // R14
    });
  }
}

TEMPLATE_TEST_CASE("R15: ALiBi through the KV cache matches double: heads of their own slopes, chunks, window", "[ops]",
                   f32, f16) {
  struct setting {
    int tokens, heads, kv_heads, dim, window;
  };
  for (const setting& s : {setting{1, 2, 2, 4, 0}, {70, 6, 6, 8, 0}, {150, 4, 2, 20, 0}, {70, 2, 1, 16, 9}}) {
    const auto n = static_cast<std::size_t>(s.tokens * s.dim);
    auto q = random_values(n * static_cast<std::size_t>(s.heads), 1),
         k = random_values(n * static_cast<std::size_t>(s.kv_heads), 2),
         v = random_values(n * static_cast<std::size_t>(s.kv_heads), 3);
    for (auto* stored : {&k, &v})
      for (float& x : *stored) x = to_float(from_float<TestType>(x));
    std::vector<float> slopes;
    for (int h = 0; h < s.heads; ++h) slopes.push_back(h == 1 ? 0.f : 1.f / static_cast<float>(1 + h * h));
    const auto expected = attention_reference(
        q, k, v, s.tokens, s.heads, s.kv_heads, s.dim,
        [&](int t) { return s.window && t >= s.window ? t - s.window + 1 : 0; }, [](int t) { return t; }, slopes);
    INFO(s.tokens << " tokens, " << s.heads << "/" << s.kv_heads << " heads of " << s.dim << ", window " << s.window);
    for_each_backend([&]<class B>() {
      const auto run = [&](int chunk) {
        return through_cache<B, TestType>(s.tokens, s.heads, s.kv_heads, s.dim, s.window, chunk, q, k, v, slopes);
      };
      const auto whole = run(s.tokens);
      CHECK(nmse(whole, expected) < 1e-11);
      for (int chunk : {1, 3, 16}) CHECK(same_bytes(run(chunk), whole));  // R14
    });
  }
}

TEST_CASE("a bf16 cache holds values beyond the range of f16: keys and values of 1e5", "[ops]") {
  constexpr int tokens = 20, dim = 16;
  const std::vector<float> q(tokens * dim, 1e-4f);
  std::vector<float> k(tokens * dim), v(tokens * dim);
  for (std::size_t i = 0; i < k.size(); ++i) {
    k[i] = to_float(from_float<bf16>(i % 2 ? 1e5f : -1e5f));
    v[i] = to_float(from_float<bf16>(1e5f + 1e4f * static_cast<float>(i % 7)));
  }
  const auto expected = attention_reference(
      q, k, v, tokens, 1, 1, dim, [](int) { return 0; }, [](int t) { return t; });
  for_each_backend(
      [&]<class B>() { CHECK(nmse(through_cache<B, bf16>(tokens, 1, 1, dim, 0, tokens, q, k, v), expected) < 1e-11); });
}

TEST_CASE("R15: a cache of fp8_e4m3 on scalar, the reference: attention of rounded keys and values", "[ops]") {
  constexpr int tokens = 70, heads = 4, kv_heads = 2, dim = 20;
  const auto q = random_values(tokens * heads * dim, 1);
  auto k = random_values(tokens * kv_heads * dim, 2), v = random_values(tokens * kv_heads * dim, 3);
  const auto run = [&](int chunk) {
    return through_cache<scalar, fp8_e4m3>(tokens, heads, kv_heads, dim, 0, chunk, q, k, v);
  };
  const auto reference = [&] {
    return attention_reference(
        q, k, v, tokens, heads, kv_heads, dim, [](int) { return 0; }, [](int t) { return t; });
  };
  const auto found = run(tokens);
  CHECK(same_bytes(run(7), found));
  CHECK(nmse(found, reference()) < 3e-3);  // an element is off by at most 1/16
  for (auto* x : {&k, &v})
    for (float& e : *x) e = to_float(from_float<fp8_e4m3>(e));
  CHECK(nmse(found, reference()) < 1e-11);
  for (float& e : v) e = 1000.f;
  for (const float e : run(tokens)) CHECK(std::abs(e - 448.f) < 1e-3f);
}

TEST_CASE("rope: rotates pairs half a head apart by position · frequency", "[ops]") {
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto frequencies = d.put(std::vector<float>{1.f, 0.25f}, 1);
    const auto positions = d.put(std::vector<std::int32_t>{3}, 1), zero = d.put(std::vector<std::int32_t>{0}, 1);
    const auto angles = d.put(std::vector<float>(4), 1);
    const auto q = d.put(std::vector<float>{1, 2, 3, 4}, 1), k = d.put(std::vector<float>{1, 0, 0, 1}, 1),
               v = d.put(std::vector<float>{5, 6, 7, 8}, 1);
    const auto pool = d.put(std::vector<float>(2 * 16 * 4), 1);
    auto* memory = reinterpret_cast<float*>(pool.memory.data());
    rope_angles(d.queue, angles.matrix(), vector_view<const std::int32_t>(positions.vector()),
                vector_view<const float>(frequencies.vector()));
    const step_rows rows{positions.vector(), zero.vector(), positions.vector(), zero.matrix()};  // slot 3
    rope(d.queue, q.matrix(), matrix_view<const float>(angles.matrix()));
    rope(d.queue, k.matrix(), matrix_view<const float>(angles.matrix()));
    store_kv(d.queue, matrix_view<const float>(k.matrix()), matrix_view<const float>(v.matrix()), rows,
             kv_view<float>{memory, memory + 64, 1, 4});
    const auto turned = d.get(q), stored = d.get(pool);
    const double a = 3.0, b = 0.75;
    const double expected[] = {std::cos(a) - 3 * std::sin(a), 2 * std::cos(b) - 4 * std::sin(b),
                               3 * std::cos(a) + std::sin(a), 4 * std::cos(b) + 2 * std::sin(b)};
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::fabs(static_cast<double>(turned[i]) - expected[i]) < 1e-6);
    CHECK(std::fabs(static_cast<double>(stored[3]) - std::cos(a)) < 1e-6);       // key 0 of slot 3: (d, 16)
    CHECK(std::fabs(static_cast<double>(stored[16 + 3]) + std::sin(b)) < 1e-6);  // key 1: −sin b · 1
    CHECK(std::vector<float>(stored.begin() + 64 + 12, stored.begin() + 64 + 16) == std::vector<float>{5, 6, 7, 8});
  });
}

TEST_CASE("store_kv writes no row whose slot is negative", "[ops]") {
  for_each_backend([]<class B>() {
    device<B> d;
    const auto k = d.put(std::vector<float>{1, 2, 3, 4}, 2), v = d.put(std::vector<float>{5, 6, 7, 8}, 2);
    const auto pool = d.put(std::vector<float>(2 * 2 * kv_block, 9.f), 2);
    const auto zero = d.put(std::vector<std::int32_t>{0, 0}, 2), slots = d.put(std::vector<std::int32_t>{-1, 1}, 2);
    float* const memory = pool.matrix().data();
    store_kv(d.queue, matrix_view<const float>(k.matrix()), matrix_view<const float>(v.matrix()),
             step_rows{zero.vector(), zero.vector(), slots.vector(), zero.matrix()},
             kv_view<float>{memory, memory + 2 * kv_block, 1, 2});
    std::vector<float> expected(4 * kv_block, 9.f);
    expected[1] = 3, expected[kv_block + 1] = 4;                     // (d, 16)
    expected[2 * kv_block + 2] = 7, expected[2 * kv_block + 3] = 8;  // (16, d)
    CHECK(d.get(pool) == expected);
  });
}
