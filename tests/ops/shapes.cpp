// SPDX-License-Identifier: Apache-2.0
/// Operands whose shapes do not fit are an error of the queue, in one sentence, on every backend. The op then touches
/// no memory.
#include <functional>
#include <llava/quant/q8_0.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {

// Memory that faults on access: a refused op must not access it.
float* nowhere() { return reinterpret_cast<float*>(std::uintptr_t{64}); }
matrix_view<float> m(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return {nowhere(), dynamic_shape<2>(rows, columns)};
}
matrix_view<const float> x(std::ptrdiff_t rows, std::ptrdiff_t columns) { return m(rows, columns); }
template <class T = const float>
vector_view<T> v(std::ptrdiff_t n) {
  return {reinterpret_cast<T*>(nowhere()), dynamic_shape<1>(n)};
}
vector_view<const std::int32_t> ints(std::ptrdiff_t n) { return v<const std::int32_t>(n); }

/// Calls test(refuses) for every kind of queue. refuses(sentence, op) checks that op(queue) leaves this error and no
/// other. One queue of simd is enough: they differ only in their kernels.
template <class Test>
void on_every_queue(Test&& test) {
  const auto run = [&]<class B>() {
    INFO("backend " << std::string(B::name));
    device<B> d;
    const auto refuses = [&](const std::string& sentence, const std::function<void(typename B::queue&)>& op) {
      INFO(sentence);
      op(d.queue);
      op(d.queue);  // only the first error is kept
      auto ran = d.queue.finish();
      REQUIRE_FALSE(ran);
      CHECK(ran.error().code() == errc::mismatch);
      CHECK(ran.error().sentence() == sentence);
      CHECK(d.queue.finish());  // and it is cleared

      typename B::queue planning(d.backend, d.threads, arena{});
      op(planning);
      ran = planning.finish();
      REQUIRE_FALSE(ran);
      CHECK(ran.error().sentence() == sentence);
    };
    test.template operator()<B>(refuses);
  };
#if LLAVA_TEST_ON_CUDA
  run.template operator()<cuda>();
#else
  run.template operator()<scalar>();
  run.template operator()<simd>();
#if LLAVA_TEST_EIGEN
  run.template operator()<eigen>();
#endif
  run.template operator()<remote>();
#endif
}

/// A weight for B's matmul that has a shape and no data.
template <class B, class F>
weight_view<B, F> weight_of(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  if constexpr (block_format<F>)
    return B::template layout<F>::make_view(nullptr, rows, columns);
  else
    return {reinterpret_cast<const F*>(nowhere()), dynamic_shape<2>(rows, columns)};
}

}  // namespace

TEMPLATE_TEST_CASE("shapes: matmul", "[ops]", f16, q8_0) {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto w = weight_of<B, TestType>(256, 128);
    refuses("llava: matmul: x is (4, 100), expected (4, 128), since w is (256, 128)",
            [&](auto& q) { matmul(q, m(4, 256), x(4, 100), w, epilogue<>{}); });
    refuses("llava: matmul: y is (4, 255), expected (4, 256), since x is (4, 128) and w is (256, 128)",
            [&](auto& q) { matmul(q, m(4, 255), x(4, 128), w, epilogue<gelu>{}); });
    refuses("llava: matmul: y is (3, 256), expected (4, 256), since x is (4, 128) and w is (256, 128)", [&](auto& q) {
      matmul(q, m(3, 256), x(4, 128), w, epilogue<>{{}, update::add});
    });
    refuses("llava: matmul: bias is (255), expected (256), since w is (256, 128)",
            [&](auto& q) { matmul(q, m(4, 256), x(4, 128), w, epilogue<>{v(255)}); });
    refuses("llava: matmul: x is (4, 128), expected (4, 0), since w is (0, 0)",  // a weight that was never filled
            [&](auto& q) { matmul(q, m(4, 256), x(4, 128), weight_of<B, TestType>(0, 0), epilogue<>{}); });
  });
}

TEST_CASE("shapes: norms", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    refuses("llava: rms_norm: y is (4, 63), expected (4, 64), since x is (4, 64)",
            [](auto& q) { rms_norm(q, m(4, 63), x(4, 64), v(64), 1e-5f); });
    refuses("llava: rms_norm: w is (63), expected (64), since x is (4, 64)",
            [](auto& q) { rms_norm(q, m(4, 64), x(4, 64), v(63), 1e-5f); });
    refuses("llava: layer_norm: y is (5, 64), expected (4, 64), since x is (4, 64)",
            [](auto& q) { layer_norm(q, m(5, 64), x(4, 64), v(64), v(64), 1e-5f); });
    refuses("llava: layer_norm: w is (0), expected (64), since x is (4, 64)",
            [](auto& q) { layer_norm(q, m(4, 64), x(4, 64), v(0), v(64), 1e-5f); });
    refuses("llava: layer_norm: b is (65), expected (64), since x is (4, 64)",
            [](auto& q) { layer_norm(q, m(4, 64), x(4, 64), v(64), v(65), 1e-5f); });
  });
}

TEST_CASE("shapes: attention", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto attend = [](auto y, auto q, auto k, auto values, int heads) {
      return [=](auto& queue) { attention(queue, y, q, k, values, attention_parameters{heads}); };
    };
    refuses("llava: attention: q has 64 columns, expected a multiple of the number of heads, 0",
            attend(m(4, 64), x(4, 64), x(6, 64), x(6, 64), 0));
    refuses("llava: attention: q has 64 columns, expected a multiple of the number of heads, 12",
            attend(m(4, 64), x(4, 64), x(6, 64), x(6, 64), 12));
    refuses("llava: attention: q has 1040 columns for 2 heads, expected at most 512 per head",
            attend(m(4, 1040), x(4, 1040), x(6, 1040), x(6, 1040), 2));
    refuses("llava: attention: k has 0 rows, expected at least 1", attend(m(4, 64), x(4, 64), x(0, 64), x(0, 64), 4));
    refuses("llava: attention: k is (6, 32), expected (6, 64), since q is (4, 64)",
            attend(m(4, 64), x(4, 64), x(6, 32), x(6, 64), 4));
    refuses("llava: attention: v is (5, 64), expected (6, 64), since k is (6, 64)",
            attend(m(4, 64), x(4, 64), x(6, 64), x(5, 64), 4));
    refuses("llava: attention: has a window or slopes, which only paged_attention applies", [](auto& queue) {
      attention(queue, m(4, 64), x(4, 64), x(4, 64), x(4, 64), attention_parameters{4, 1.f, 8});
    });
    refuses("llava: attention: y is (6, 64), expected (4, 64), since q is (4, 64)",
            attend(m(6, 64), x(4, 64), x(6, 64), x(6, 64), 4));
  });
}

TEST_CASE("shapes: attention through the KV cache", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto cache = [](int heads, int dim) {
      return kv_layout_of<B, f16>::make_view(reinterpret_cast<std::byte*>(nowhere()), heads, dim, 0);
    };
    const auto table = [](std::ptrdiff_t s, std::ptrdiff_t b) {
      return matrix_view<const std::int32_t>(ints(0).data(), dynamic_shape<2>(s, b));
    };
    const step_rows rows{ints(4), ints(4), ints(4), table(1, 2)};
    const auto attend = [](auto y, auto q, auto c, step_rows r, int heads) {
      return [=](auto& queue) { paged_attention(queue, y, q, c, r, attention_parameters{heads}); };
    };
    refuses("llava: paged_attention: q has 4 heads, expected a multiple of the cache's 3",
            attend(m(4, 64), x(4, 64), cache(3, 16), rows, 4));
    refuses("llava: paged_attention: q has 4 heads, expected a multiple of the cache's 0",
            attend(m(4, 64), x(4, 64), cache(0, 16), rows, 4));
    refuses("llava: paged_attention: the cache's heads have 514 elements, expected 1 to 512",
            attend(m(4, 514), x(4, 514), cache(1, 514), rows, 1));
    refuses("llava: paged_attention: q is (4, 60), expected (4, 64), since KV, d of the cache is (2, 16)",
            attend(m(4, 60), x(4, 60), cache(2, 16), rows, 4));
    refuses("llava: paged_attention: y is (4, 60), expected (4, 64), since q is (4, 64)",
            attend(m(4, 60), x(4, 64), cache(2, 16), rows, 4));
    refuses("llava: paged_attention: positions is (3), expected (4), since q is (4, 64)",
            attend(m(4, 64), x(4, 64), cache(2, 16), {ints(3), ints(4), ints(4), table(1, 2)}, 4));
    refuses("llava: paged_attention: sequences is (5), expected (4), since q is (4, 64)",
            attend(m(4, 64), x(4, 64), cache(2, 16), {ints(4), ints(5), ints(4), table(1, 2)}, 4));
    refuses("llava: paged_attention: slopes is (3), expected (4), since q is (4, 64)", [=](auto& queue) {
      paged_attention(queue, m(4, 64), x(4, 64), cache(2, 16), rows, attention_parameters{4, 1.f, 0, v(3)});
    });
    refuses("llava: paged_attention: the block table is empty, expected a row for each sequence",
            attend(m(4, 64), x(4, 64), cache(2, 16), {ints(4), ints(4), ints(4), table(1, 0)}, 4));

    const auto store = [](auto k, auto values, step_rows r, auto c) {
      return [=](auto& queue) { store_kv(queue, k, values, r, c); };
    };
    refuses("llava: store_kv: the cache has 0 heads of 16 elements, expected at least 1 of each",
            store(x(4, 32), x(4, 32), rows, cache(0, 16)));
    refuses("llava: store_kv: k is (4, 64), expected (4, 32), since KV, d of the cache is (2, 16)",
            store(x(4, 64), x(4, 64), rows, cache(2, 16)));
    refuses("llava: store_kv: v is (3, 32), expected (4, 32), since k is (4, 32)",
            store(x(4, 32), x(3, 32), rows, cache(2, 16)));
    refuses("llava: store_kv: kv_slots is (2), expected (4), since k is (4, 32)",
            store(x(4, 32), x(4, 32), {ints(4), ints(4), ints(2), table(1, 2)}, cache(2, 16)));
  });
}

TEST_CASE("shapes: rope", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto turn = [](auto rows, auto angles) { return [=](auto& queue) { rope(queue, rows, angles); }; };
    refuses("llava: rope: angles has 15 columns, expected a positive even number", turn(m(4, 60), x(4, 15)));
    refuses("llava: rope: x has 60 columns, expected a multiple of d, the columns of angles, 16",
            turn(m(4, 60), x(4, 16)));
    refuses("llava: rope: angles is (3, 16), expected (4, 16), since x is (4, 64)", turn(m(4, 64), x(3, 16)));
    refuses(
        "llava: rope_angles: angles is (4, 8), expected (4, 16), since positions is (4) and inverse_frequencies is (8)",
        [](auto& q) { rope_angles(q, m(4, 8), ints(4), v(8)); });
  });
}

TEST_CASE("shapes: rows", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto table = weight_of<B, f16>(32, 16);
    refuses("llava: embed: y is (4, 15), expected (4, 16), since table is (32, 16)",
            [&](auto& q) { embed(q, m(4, 15), table, ints(4)); });
    refuses("llava: embed: ids is (5), expected (4), since y is (4, 16)",
            [&](auto& q) { embed(q, m(4, 16), table, ints(5)); });
    refuses("llava: gather_rows: y is (4, 15), expected (4, 16), since x is (9, 16)",
            [](auto& q) { gather_rows(q, m(4, 15), x(9, 16), ints(4)); });
    refuses("llava: gather_rows: from is (9), expected (4), since y is (4, 16)",
            [](auto& q) { gather_rows(q, m(4, 16), x(9, 16), ints(9)); });
    const auto four = [](int rows, int terms) {
      return matrix_view<const std::int32_t>(nullptr, dynamic_shape<2>(rows, terms));
    };
    refuses("llava: mix_rows: y is (4, 15), expected (4, 16), since x is (9, 16)",
            [&](auto& q) { mix_rows(q, m(4, 15), x(9, 16), four(4, 2), x(4, 2)); });
    refuses("llava: mix_rows: from is (5, 2), expected (4, 2), since y is (4, 16)",
            [&](auto& q) { mix_rows(q, m(4, 16), x(9, 16), four(5, 2), x(5, 2)); });
    refuses("llava: mix_rows: weights is (4, 3), expected (4, 2), since from is (4, 2)",
            [&](auto& q) { mix_rows(q, m(4, 16), x(9, 16), four(4, 2), x(4, 3)); });
    refuses("llava: max_rows: y is (4, 15), expected (4, 16), since x is (9, 16)",
            [&](auto& q) { max_rows(q, m(4, 15), x(9, 16), four(4, 2)); });
    refuses("llava: max_rows: from is (5, 2), expected (4, 2), since y is (4, 16)",
            [&](auto& q) { max_rows(q, m(4, 16), x(9, 16), four(5, 2)); });
    refuses("llava: add: x is (4, 15), expected (4, 16), since y is (4, 16)",
            [](auto& q) { add(q, m(4, 16), x(4, 15)); });
    refuses("llava: copy: x is (5, 16), expected (4, 16), since y is (4, 16)",
            [](auto& q) { copy(q, m(4, 16), x(5, 16)); });
    refuses("llava: copy: x is (5), expected (4), since y is (4)", [](auto& q) { copy(q, v<float>(4), v(5)); });
    refuses("llava: copy: x is (2, 16), expected (4, 16), since y is (4, 16)",  // rows_of ends at the last row
            [](auto& q) { copy(q, m(4, 16), rows_of(x(9, 16), 7, 4)); });

    std::vector<float> host(3);
    refuses("llava: upload: host is (3), expected (4), since the view is (4)",
            [&](auto& q) { upload(q, v<float>(4), std::span<const float>(host)); });
    refuses("llava: download: host is (3), expected (4), since the view is (2, 2)",
            [&](auto& q) { download(q, std::span<float>(host), x(2, 2)); });
    const matrix_view<const float> apart(nowhere(), dynamic_shape<2>(3, 1), 2);
    refuses("llava: download: the view has a stride of 2, expected contiguous rows",
            [&](auto& q) { download(q, std::span<float>(host), apart); });
  });
}

TEST_CASE("shapes: patchify and sample", "[ops]") {
  on_every_queue([]<class B>(auto&& refuses) {
    const auto cut = [](auto patches, std::ptrdiff_t bytes, auto table, int side, int patch) {
      return [=](auto& q) { patchify(q, patches, v<const std::uint8_t>(bytes), table, side, patch); };
    };
    refuses("llava: patchify: patch is 0 pixels, expected 1 to the side of the image, 8",
            cut(m(4, 48), 192, x(3, 256), 8, 0));
    refuses("llava: patchify: patch is 4 pixels, expected 1 to the side of the image, 3",
            cut(m(4, 48), 192, x(3, 256), 3, 4));
    refuses("llava: patchify: patches is (3, 48), expected (4, 48), since S, p is (8, 4)",
            cut(m(3, 48), 192, x(3, 256), 8, 4));
    refuses("llava: patchify: rgb is (0), expected (192), since S, p is (8, 4)", cut(m(4, 48), 0, x(3, 256), 8, 4));
    refuses("llava: patchify: table is (1, 256), expected (3, 256)", cut(m(4, 48), 192, x(1, 256), 8, 4));

    const auto drawn = [](std::ptrdiff_t ids, auto logits, std::ptrdiff_t draws) {
      return [=](auto& q) { sample(q, v<std::int32_t>(ids), logits, v<const sampling_params>(draws)); };
    };
    refuses("llava: sample: logits has 0 columns, expected at least 1", drawn(2, x(2, 0), 2));
    refuses("llava: sample: ids is (3), expected (2), since logits is (2, 9)", drawn(3, x(2, 9), 2));
    refuses("llava: sample: draws is (0), expected (2), since logits is (2, 9)", drawn(2, x(2, 9), 0));

    const auto top = [](std::ptrdiff_t rows, std::ptrdiff_t k, auto logits) {
      const matrix_view<token_logprob> y(reinterpret_cast<token_logprob*>(nowhere()), dynamic_shape<2>(rows, k));
      return [=](auto& q) { top_logprobs(q, y, logits); };
    };
    refuses("llava: top_logprobs: y is (3, 4), expected (2, 4), since logits is (2, 9)", top(3, 4, x(2, 9)));
    refuses("llava: top_logprobs: y has 10 columns, expected 1 to the columns of logits, 9", top(2, 10, x(2, 9)));
    refuses("llava: top_logprobs: y has 0 columns, expected 1 to the columns of logits, 9", top(2, 0, x(2, 9)));
  });
}

TEST_CASE("queue: after an error no op runs until finish() has returned it", "[ops]") {
  for_each_backend([]<class B>() {
    device<B> d;
    const auto y = d.put(std::vector<float>{1, 2}, 1), x = d.put(std::vector<float>{10, 20}, 1);
    const matrix_view<const float> one = x.matrix();
    add(d.queue, y.matrix(), one);
    add(d.queue, m(1, 3), one);
    add(d.queue, y.matrix(), one);
    std::vector<float> seen{-1, -1};
    download(d.queue, std::span<float>(seen), matrix_view<const float>(y.matrix()));
    CHECK(seen == std::vector<float>{-1, -1});
    const auto ran = d.queue.finish();
    REQUIRE_FALSE(ran);
    CHECK(ran.error().sentence() == "llava: add: x is (1, 2), expected (1, 3), since y is (1, 3)");
    add(d.queue, y.matrix(), one);
    CHECK(d.get(y) == std::vector<float>{21, 42});
  });
}

TEST_CASE("embed, gather_rows, mix_rows and max_rows: an index beyond the last row is an error and writes nothing",
          "[ops]") {
  for_each_backend([]<class B>() {
    device<B> d;
    const auto table = d.put(random_values<f16>(5 * 3, 1), 5);
    const auto rows = d.put(std::vector<float>(6), 2);
    const auto ids = d.put(std::vector<std::int32_t>{0, 5}, 1), from = d.put(std::vector<std::int32_t>{2, 1}, 1);
    const auto y = d.put(std::vector<float>(6, 9.f), 2);
    const auto gather = [&] {
      gather_rows(d.queue, y.matrix(), matrix_view<const float>(rows.matrix()),
                  vector_view<const std::int32_t>(from.vector()));
    };
    embed(d.queue, y.matrix(), matrix_view<const f16>(table.matrix()), vector_view<const std::int32_t>(ids.vector()));
    gather();  // of two errors, the first is kept
    CHECK(d.error() == "llava: embed: ids[1] is 5, expected less than the number of rows, 5");
    gather();
    CHECK(d.error() == "llava: gather_rows: from[0] is 2, expected less than the number of rows, 2");
    const auto some = d.put(std::vector<std::int32_t>{0, 1, -1, 7}, 2);
    const auto weights = d.put(std::vector<float>(4, 1.f), 2);
    mix_rows(d.queue, y.matrix(), matrix_view<const float>(rows.matrix()),
             matrix_view<const std::int32_t>(some.matrix()), matrix_view<const float>(weights.matrix()));
    CHECK(d.error() == "llava: mix_rows: from[1, 1] is 7, expected less than the number of rows, 2");
    max_rows(d.queue, y.matrix(), matrix_view<const float>(rows.matrix()),
             matrix_view<const std::int32_t>(some.matrix()));
    CHECK(d.error() == "llava: max_rows: from[1, 1] is 7, expected less than the number of rows, 2");
    CHECK(d.get(y) == std::vector<float>(6, 9.f));
  });
}

TEST_CASE("queue: an op that needs more scratch memory than the arena has is an error", "[ops]") {
  for_each_backend([]<class B>() {
    device<B> d(2, 4096);
    const auto logits = d.put(random_values(2000, 1), 1), few = d.put(random_values(20, 1), 1);
    const auto draws = d.put(std::vector<float>(sizeof(sampling_params) / sizeof(float)), 1);  // all zero: greedy
    const auto ids = d.put(std::vector<std::int32_t>{-1}, 1);
    const vector_view<const sampling_params> draw(reinterpret_cast<const sampling_params*>(draws.memory.data()),
                                                  dynamic_shape<1>(1));
    sample(d.queue, ids.vector(), matrix_view<const float>(logits.matrix()), draw);
    const auto ran = d.queue.finish();
    REQUIRE_FALSE(ran);
    CHECK(ran.error().code() == errc::out_of_memory);
    CHECK(ran.error().sentence().starts_with("llava: a step takes "));
    CHECK(ran.error().sentence().find(" bytes of memory, expected at most 4096") != std::string::npos);
    sample(d.queue, ids.vector(), matrix_view<const float>(few.matrix()), draw);
    CHECK(d.get(ids)[0] >= 0);
  });
}
