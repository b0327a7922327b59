// SPDX-License-Identifier: Apache-2.0
/// Ops of the CUDA backend that do the work of several have their bytes, and save their launches.
#include <array>
#include <llava/backend/adapted.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/nf4.hpp>
#include <llava/quant/q4_i8.hpp>
#include <string>

#include "made_weight.hpp"

using namespace llava;

namespace {

/// The number of kernels that ops launch.
template <class B, class F>
long launched_by(device<B>& d, F&& ops) {
  const long before = emulator::launches();
  ops();
  if (const auto ran = d.queue.finish(); !ran) FAIL(ran.error().what());
  return emulator::launches() - before;
}

/// Three weights (N, K), one without a bias, with x (T, K), results, and a queue of B.
template <class B, class F>
struct products_of {
  using operand = operand_of<B, F>;
  static constexpr std::ptrdiff_t inner = 256;
  std::array<std::size_t, 3> columns;
  device<B> d;
  std::array<weight<B, F>, 3> w;
  std::vector<device_array<float>> bias, y;
  device_array<operand> x;

  products_of(std::ptrdiff_t rows, const std::array<std::size_t, 3>& n) : columns(n) {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto seed = static_cast<unsigned>(10 + i);
      fill(w[i], static_cast<std::ptrdiff_t>(n[i]), inner, seed);
      bias.push_back(d.put(random_values(n[i], seed + 10), 1));
      y.push_back(d.put(std::vector<float>(static_cast<std::size_t>(rows) * n[i]), rows));
    }
    x = d.put(random_values<operand>(static_cast<std::size_t>(rows * inner), 1), rows);
  }
  vector_view<const float> bias_of(std::size_t i) const {
    return i == 1 ? vector_view<const float>() : vector_view<const float>(bias[i].vector());
  }
  matrix_view<const operand> operands() const { return x.matrix(); }

  /// The results of matmul, one by one, and how many kernels it launched.
  std::vector<std::vector<float>> separate(long& launched) {
    launched = launched_by(d, [&] {
      for (std::size_t i = 0; i < 3; ++i)
        matmul(d.queue, y[i].matrix(), operands(), w[i].view(), epilogue<>{bias_of(i)});
    });
    return results();
  }
  std::vector<std::vector<float>> joined(long& launched) {
    using view = weight_view<B, F>;
    const joined_product<view> all[] = {{y[0].matrix(), w[0].view(), bias_of(0)},
                                        {y[1].matrix(), w[1].view(), bias_of(1)},
                                        {y[2].matrix(), w[2].view(), bias_of(2)}};
    launched = launched_by(d, [&] { matmul_joined(d.queue, operands(), std::span<const joined_product<view>>(all)); });
    return results();
  }

 private:
  std::vector<std::vector<float>> results() {
    std::vector<std::vector<float>> all;
    for (const auto& a : y) {
      all.push_back(d.get(a));
      cuda_backend::queue& q = d.queue;
      const std::vector<float> stale(all.back().size(), -1.f);
      q.write(a.memory.data(), stale.data(), stale.size() * sizeof(float));
    }
    return all;
  }
};

/// x / (1 + |x|), an activation that the library does not have.
struct soft_sign {
  static constexpr std::string_view name = "soft_sign";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    return x / (V(1.f) + (x < V(0.f) ? V(0.f) - x : x));
  }
};

constexpr int some_rows[] = {1, 3, 8, 9, 16, 19};

}  // namespace

TEMPLATE_TEST_CASE("products with one x have the bytes of each by itself", "[cuda]", f32, f16, bf16, q4_0, q8_0, q4_i8,
                   int8, q4_k, q6_k, nf4) {
  for (const int rows : some_rows) {
    products_of<cuda, TestType> p(rows, {21, 6, 40});
    long separate = 0, joined = 0;
    const auto expected = p.separate(separate);
    INFO(rows << " rows");
    CHECK(p.joined(joined) == expected);
    if constexpr (std::is_same_v<TestType, f32>)
      CHECK(joined == separate);
    else if (rows <= 16 && (format<TestType>::is_dense || std::is_same_v<TestType, nf4> || rows == 1))
      CHECK(joined < separate);
    if constexpr (std::is_same_v<TestType, q4_0>) {
      if (rows == 1) CHECK((joined == 1 && separate == 3));
      if (rows == 8) CHECK((joined == 2 && separate == 6));
      if (rows == 9) CHECK((joined == 3 && separate == 9));
    }
    if constexpr (std::is_same_v<TestType, bf16>)
      if (rows <= 16) CHECK((joined == 1 && separate == 3));
  }
}

TEMPLATE_TEST_CASE("a gate and what it multiplies have the bytes of both by themselves", "[cuda]", f32, f16, bf16, q4_0,
                   q8_0, q4_i8, int8, q4_k, q6_k, nf4) {
  using F = TestType;
  for (const int rows : some_rows) {
    products_of<cuda, F> p(rows, {27, 27, 27});
    using operand = operand_of<cuda, F>;
    const auto y = p.d.put(std::vector<operand>(static_cast<std::size_t>(rows) * 27), rows),
               again = p.d.put(std::vector<operand>(static_cast<std::size_t>(rows) * 27), rows);
    const biased_weight<weight_view<cuda, F>> gate{p.w[0].view(), p.bias_of(0)}, up{p.w[1].view(), p.bias_of(2)};
    const auto check = [&]<class A>(A act, bool is_fused) {
      INFO(rows << " rows, " << std::string(A::name));
      const long separate = launched_by(p.d, [&] {
        matmul(p.d.queue, y.matrix(), p.operands(), gate.w, epilogue<A>{gate.bias});
        matmul(p.d.queue, y.matrix(), p.operands(), up.w, epilogue<>{up.bias, update::multiply});
      });
      const long fused =
          launched_by(p.d, [&] { matmul_gated(p.d.queue, again.matrix(), p.operands(), gate, up, act); });
      CHECK((is_fused ? fused < separate : fused == separate));
      const auto expected = p.d.get(y), found = p.d.get(again);
      CHECK(std::memcmp(expected.data(), found.data(), expected.size() * sizeof(operand)) == 0);
    };
    const bool has_kernel = rows <= 16 && !std::is_same_v<F, f32>;
    const bool shares_x = !format<F>::is_dense && !std::is_same_v<F, nf4>;
    check(silu{}, has_kernel || shares_x);
    if (rows == 3) check(gelu_tanh{}, has_kernel);
    if (rows == 3) check(soft_sign{}, false);
  }
}

TEST_CASE("products with one x in a mixed format join those of one format", "[cuda]") {
  for (const int rows : {1, 5}) {
    products_of<cuda, ggml> p(rows, {21, 6, 40});
    const auto store = [&]<class F>(weight<cuda, ggml>& w, std::ptrdiff_t columns) {
      const auto bytes = stored_matrix<F>(columns, 256);
      REQUIRE(w.try_fill(rows_in_format<F>(bytes, 256, true), {columns, 256}, "w", p.d.backend.memory()));
    };
    store.operator()<q4_k>(p.w[0], 21), store.operator()<q4_k>(p.w[1], 6), store.operator()<q6_k>(p.w[2], 40);
    long separate = 0, joined = 0;
    const auto expected = p.separate(separate);
    CHECK(p.joined(joined) == expected);
    CHECK(joined == (rows == 1 ? 2 : 4));
    using view = weight_view<cuda, ggml>;
    const auto gated = [&](const view& gate, const view& up) {
      matmul_gated(p.d.queue, p.y[0].matrix(), p.operands(), biased_weight<view>{gate}, biased_weight<view>{up},
                   silu{});
      return p.d.get(p.y[0]);
    };
    const auto by_themselves = [&](const view& gate, const view& up) {
      matmul(p.d.queue, p.y[0].matrix(), p.operands(), gate, epilogue<silu>{});
      matmul(p.d.queue, p.y[0].matrix(), p.operands(), up, epilogue<>{{}, update::multiply});
      return p.d.get(p.y[0]);
    };
    weight<cuda, ggml> other;
    store.operator()<q6_k>(other, 21);
    const view own = p.w[0].view();
    CHECK(gated(own, own) == by_themselves(own, own));
    CHECK(gated(own, other.view()) == by_themselves(own, other.view()));
  }
}

TEST_CASE("products with one x of which one has an adapter are computed one by one", "[cuda]") {
  using B = adapted<cuda>;
  products_of<B, bf16> p(3, {21, 6, 40});
  long separate = 0, joined = 0;
  const auto plain = p.separate(separate);
  CHECK(p.joined(joined) == plain);
  CHECK(joined == 1);
  const auto a = p.d.put(random_values<bf16>(4 * 256, 5), 4), b = p.d.put(random_values<bf16>(6 * 4, 6), 6);
  const low_rank_weight adapter{p.w[1].view().data(), a.memory.data(), b.memory.data(), 4};
  p.d.queue.adapt(0, 2, {&adapter, 1});
  const auto expected = p.separate(separate);
  CHECK(expected[1] != plain[1]);
  CHECK(p.joined(joined) == expected);
  CHECK(joined == separate);
}

TEST_CASE("errors of products with one x name the operand", "[cuda]") {
  products_of<cuda, bf16> p(3, {21, 6, 40});
  using view = weight_view<cuda, bf16>;
  const joined_product<view> all[] = {{p.y[0].matrix(), p.w[0].view()}, {p.y[0].matrix(), p.w[1].view()}};
  matmul_joined(p.d.queue, p.operands(), std::span<const joined_product<view>>(all));
  const auto ran = p.d.queue.finish();
  REQUIRE_FALSE(ran);
  CHECK(ran.error().sentence() ==
        "llava: matmul: y is (3, 21), expected (3, 6), since x is (3, 256) and w is (6, 256)");
}

TEMPLATE_TEST_CASE("rope_and_store has the bytes of rope and store_kv, in one launch", "[cuda]", f32, f16, bf16,
                   fp8_e4m3) {
  struct shape {
    int tokens, heads, kv_heads, dim;
  };
  for (const shape& s : {shape{1, 4, 4, 64}, shape{5, 6, 2, 20}, shape{3, 3, 1, 6}, shape{2, 8, 1, 256}}) {
    INFO(s.tokens << " tokens, " << s.heads << "/" << s.kv_heads << " heads of " << s.dim);
    using layout = cuda_backend::kv_layout<TestType>;
    constexpr int blocks = 4;
    const int rows = s.tokens;
    const auto tokens = static_cast<std::size_t>(s.tokens), dim = static_cast<std::size_t>(s.dim);
    const std::size_t width = static_cast<std::size_t>(s.heads) * dim, kv = static_cast<std::size_t>(s.kv_heads) * dim;
    const std::vector<std::int32_t> slots{9, 37, 17, 63, 16};
    device<cuda> d;
    const auto q = random_values(tokens * width, 1), k = random_values(tokens * kv, 2);
    const auto angles = d.put(random_values(tokens * dim, 3), rows), v = d.put(random_values(tokens * kv, 4), rows);
    const auto at = d.put(std::vector<std::int32_t>(slots.begin(), slots.begin() + s.tokens), 1);
    const step_rows step{{}, {}, at.vector(), {}};
    const std::vector<std::uint8_t> stale(layout::layer_bytes(s.kv_heads, s.dim, blocks), 0xa5);
    const auto run = [&](bool is_fused, std::vector<float>& queries, std::vector<float>& keys) {
      const auto dq = d.put(q, rows), dk = d.put(k, rows);
      const auto layer = d.put(stale, 1);
      const auto cache = layout::make_view(layer.memory.data(), s.kv_heads, s.dim, blocks);
      const matrix_view<const float> turns = angles.matrix(), values = v.matrix();
      const matrix_view<const float> turned = dk.matrix();
      const long launched = launched_by(d, [&] {
        if (is_fused) return rope_and_store(d.queue, dq.matrix(), turned, values, turns, step, cache);
        rope(d.queue, dq.matrix(), turns);
        rope(d.queue, dk.matrix(), turns);
        store_kv(d.queue, turned, values, step, cache);
      });
      CHECK(launched == (is_fused ? 1 : 3));
      queries = d.get(dq), keys = d.get(dk);
      return d.get(layer);
    };
    std::vector<float> queries, keys, fused_queries, fused_keys;
    const auto expected = run(false, queries, keys);
    for_each_schedule([&] {
      CHECK(run(true, fused_queries, fused_keys) == expected);
      CHECK(fused_queries == queries);
      CHECK(fused_keys == k);
    });
    CHECK(expected != stale);
  }
}

TEST_CASE("rope_and_store reports operands that do not fit", "[cuda]") {
  device<cuda> d;
  const auto q = d.put(std::vector<float>(24), 1), k = d.put(std::vector<float>(16), 1);
  const auto angles = d.put(std::vector<float>(6), 1);
  const auto slots = d.put(std::vector<std::int32_t>(1), 1);
  const cuda_backend::kv_row_view<f16> cache{nullptr, nullptr, 2, 8};
  const matrix_view<const float> keys = k.matrix(), turns = angles.matrix();
  rope_and_store(d.queue, q.matrix(), keys, keys, turns, step_rows{{}, {}, slots.vector(), {}}, cache);
  const auto ran = d.queue.finish();
  REQUIRE_FALSE(ran);
  CHECK(
      ran.error().sentence() ==
      "llava: rope_and_store: angles is (1, 6), expected (1, 8), since k is (1, 16) and KV, d of the cache is (2, 8)");
}
