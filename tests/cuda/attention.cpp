// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/cuda/attention.cuh>

#include <array>
#include <closeness.hpp>

#include "../ops/attention_reference.hpp"
#include "device_matrices.hpp"
#include "schedules.hpp"

namespace cuda_test {
namespace {

using llava::attention_parameters;
using llava::bf16;
using llava::f16;
using llava::matrix_view;

/// Errors that rounding explains; R15 allows 1e-7 and 5e-4.
template <class Y>
inline constexpr double bound = std::is_same_v<Y, float> ? 1e-11
                                : std::is_same_v<Y, f16> ? 1e-6
                                                         : 5e-5;

float scale_of(int dim) { return 1.f / std::sqrt(static_cast<float>(dim)); }

struct setting {
  int queries, tokens, heads, dim;
};
struct inputs {
  std::vector<float> q, k, v;
  explicit inputs(const setting& s)
      : q(random_values(static_cast<std::size_t>(s.queries * s.heads * s.dim), 1)),
        k(random_values(static_cast<std::size_t>(s.tokens * s.heads * s.dim), 2)),
        v(random_values(static_cast<std::size_t>(s.tokens * s.heads * s.dim), 3)) {}
  std::vector<double> expected(const setting& s) const {
    return attention_reference(
        q, k, v, s.queries, s.heads, s.heads, s.dim, [](int) { return 0; }, [&](int) { return s.tokens - 1; });
  }
};

template <class Y>
std::vector<float> attend(const setting& s, const inputs& in) {
  device_queue d;
  const auto q = d.put(in.q, s.queries), k = d.put(in.k, s.tokens), v = d.put(in.v, s.tokens);
  const auto y = d.put(std::vector<Y>(in.q.size()), s.queries);
  attention(d.queue, y.matrix(), matrix_view<const float>(q.matrix()), matrix_view<const float>(k.matrix()),
            matrix_view<const float>(v.matrix()), attention_parameters{s.heads, scale_of(s.dim)});
  return d.get(y);
}

}  // namespace

TEMPLATE_TEST_CASE("R15: attention on the device matches double", "[cuda]", float, f16, bf16) {
  for (const setting& s : {setting{1, 1, 1, 4},
                           {5, 5, 2, 20},
                           {9, 9, 3, 6},
                           {3, 40, 1, 16},
                           {70, 33, 2, 64},
                           {20, 65, 1, 72},
                           {34, 34, 2, 80},
                           {18, 20, 1, 130},
                           {17, 20, 1, 260},
                           {3, 18, 1, 512}}) {
    const inputs in(s);
    INFO(s.queries << " queries, " << s.tokens << " keys, " << s.heads << " heads of " << s.dim);
    CHECK(nmse(attend<TestType>(s, in), in.expected(s)) < bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("attention reads and writes columns of wider matrices, at any address", "[cuda]", float, bf16) {
  constexpr setting s{19, 19, 2, 8};
  constexpr int width = s.heads * s.dim;
  const inputs in(s);
  for (const int gap : {0, 4, 5}) {
    device_queue d;
    const int row = 3 * width + gap;
    std::vector<float> qkv(static_cast<std::size_t>(s.tokens * row), 1e30f);
    for (int t = 0; t < s.tokens; ++t)
      for (int i = 0; i < width; ++i) {
        const auto from = static_cast<std::size_t>(t * width + i), to = static_cast<std::size_t>(t * row + gap + i);
        qkv[to] = in.q[from];
        qkv[to + width] = in.k[from];
        qkv[to + 2 * width] = in.v[from];
      }
    const auto packed = d.put(qkv, s.tokens);
    const auto y = d.put(std::vector<TestType>(static_cast<std::size_t>(s.queries * (width + gap))), s.queries);
    const matrix_view<const float> all = packed.matrix();
    attention(d.queue, columns_of(y.matrix(), gap, width), columns_of(all, gap, width),
              columns_of(all, gap + width, width), columns_of(all, gap + 2 * width, width),
              attention_parameters{s.heads, scale_of(s.dim)});
    const auto whole = d.get(y);
    std::vector<float> found;
    for (int t = 0; t < s.queries; ++t)
      for (int i = 0; i < width + gap; ++i) {
        const float x = whole[static_cast<std::size_t>(t * (width + gap) + i)];
        if (i >= gap)
          found.push_back(x);
        else
          CHECK(x == 0.f);
      }
    CHECK(nmse(found, in.expected(s)) < bound<TestType>);
  }
}

TEMPLATE_TEST_CASE("attention has the same bits in any order of threads and blocks", "[cuda]", float, f16) {
  constexpr setting s{70, 70, 2, 24};
  const inputs in(s);
  const auto first = attend<TestType>(s, in);
  for (const unsigned schedule : {1u, 5u}) {
    set_schedule(schedule);
    CHECK(attend<TestType>(s, in) == first);
  }
  set_schedule(0);
}

TEST_CASE("attention without queries does nothing, and with scores beyond f32 gives no NaN", "[cuda]") {
  device_queue d;
  const auto none = d.put(std::vector<float>(4), 1);
  const auto rows = rows_of(none.matrix(), 0, 0);
  attention(d.queue, rows, matrix_view<const float>(rows), matrix_view<const float>(rows),
            matrix_view<const float>(rows), attention_parameters{1, 1.f});
  CHECK(d.queue.finish());
  // Scores of −1e36 and of −∞: the first has all of the weight.
  const auto q = d.put(std::vector<float>{1e18f, 0, 0, 0}, 1);
  const auto k = d.put(std::vector<float>{-1e18f, 0, 0, 0, -3e38f, 0, 0, 0}, 2);
  const auto v = d.put(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, 2);
  const auto y = d.put(std::vector<float>(4), 1);
  attention(d.queue, y.matrix(), matrix_view<const float>(q.matrix()), matrix_view<const float>(k.matrix()),
            matrix_view<const float>(v.matrix()), attention_parameters{1, 1.f});
  CHECK(d.get(y) == std::vector<float>{1, 2, 3, 4});
}

}  // namespace cuda_test
