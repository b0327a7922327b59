// SPDX-License-Identifier: Apache-2.0
/// sample, logprobs and top_logprobs on the device: the tokens of the scalar backend, and log-probabilities that round
/// sums of another order in double precision to the same floats.
#include <llava/backend/cuda/sample.cuh>
#include <llava/backend/scalar.hpp>

#include "ops_backend.hpp"

namespace cuda_test {

using namespace llava;
static_assert(ops::has_sample<ops_backend>);

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

template <class B>
std::vector<std::int32_t> drawn(const std::vector<float>& logits, const std::vector<sampling_params>& how) {
  device_of<B> d;
  const auto l = d.put(logits, static_cast<std::ptrdiff_t>(how.size()));
  const auto h = d.put(how, 1);
  const auto ids = d.put(std::vector<std::int32_t>(how.size(), -9), 1);
  sample(d.queue, ids.vector(), matrix_view<const float>(l), vector_view<const sampling_params>(h));
  return d.get(ids);
}
void check_drawn(const std::vector<float>& logits, const std::vector<sampling_params>& how) {
  const auto expected = drawn<scalar>(logits, how), found = drawn<ops_backend>(logits, how);
  for (std::size_t r = 0; r < how.size(); ++r) {
    CAPTURE(r, how[r].temperature, how[r].top_k, how[r].top_p, how[r].min_p, how[r].uniform);
    CHECK(found[r] == expected[r]);
  }
}

/// Settings of all kinds, one in four greedy.
std::vector<sampling_params> random_settings(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  const auto uniform = [&] { return std::uniform_real_distribution<float>(0.f, 1.f)(engine); };
  std::vector<sampling_params> how(n);
  for (sampling_params& h : how) {
    h.temperature = engine() % 4 == 0 ? 0.f : 0.2f + 2.f * uniform();
    if (engine() % 2) h.top_k = static_cast<std::int32_t>(engine() % 60);
    if (engine() % 2) h.top_p = uniform();
    if (engine() % 2) h.min_p = 0.5f * uniform();
    h.uniform = engine() % 8 ? uniform() : 0x1.fffffep-1f;
  }
  return how;
}
}  // namespace

TEST_CASE("cuda: greedy rows take the first of the largest logits, whichever chunk has it", "[cuda]") {
  for (const std::size_t vocab : {1u, 5u, 4096u, 8195u}) {
    CAPTURE(vocab);
    std::vector<float> logits = random_values(4 * vocab, 1);
    for (std::size_t r = 1; r < 4; ++r)  // equal ones
      for (std::size_t i = r; i < vocab; i += 4095 * r) logits[r * vocab + vocab - i - (r > 1)] = 9.f;
    logits[3 * vocab] = -0.f;
    check_drawn(logits, std::vector<sampling_params>(4));
  }
  check_drawn({-1, -0.f, 0.f, -2}, {{}});
}

TEST_CASE("cuda: rows without a valid choice, at any place", "[cuda]") {
  const std::size_t vocab = 4200;
  for (const float bad : {nan, infinity})
    for (const std::size_t at : {std::size_t{0}, vocab - 1}) {
      std::vector<float> logits = random_values(2 * vocab, 1);
      logits[vocab + at] = bad;
      check_drawn(logits, {{}, {}});
      check_drawn(logits, {{1.f, 0.9f, 2, 0.5f}, {1.f, 0.9f, 2, 0.5f}});
    }
  const std::vector<float> none(vocab, -infinity);
  check_drawn(none, {{}});
  check_drawn(none, {{1.f}});
  std::vector<float> one = none;
  one[4100] = -3.f;
  check_drawn(one, {{1.f, 1.f, 0, 0.99f}});
}

TEST_CASE("cuda: draws are those of the scalar backend, for peaked, flat and tied rows and all settings", "[cuda]") {
  for (const std::size_t vocab : {4u, 333u, 700u})
    for (const float scale : {0.f, 0.3f, 4.f, 30.f}) {
      CAPTURE(vocab, scale);
      constexpr std::size_t rows = 8;
      std::vector<float> logits = random_values(rows * vocab, static_cast<unsigned>(vocab) + 1, scale);
      for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = std::round(logits[i]);  // ties
      for (std::size_t i = 1; i < logits.size(); i += 17) logits[i] = -infinity;
      check_drawn(logits, random_settings(rows, static_cast<unsigned>(vocab + 7)));
    }
}

TEST_CASE("cuda: sums round as those of the scalar backend, one after the other", "[cuda]") {
  // The largest weight is 1. Each of 200 is 1.2 · 2⁻²⁴, which a sum from 1 rounds up to 2⁻²³; each of 200 is
  // 0.9 · 2⁻²⁴, which it rounds to nothing. Sums in another order, or exact ones, have other ends.
  std::vector<float> logits{0.f};
  logits.insert(logits.end(), 200, std::log(1.2f * 0x1p-24f));
  logits.insert(logits.end(), 200, std::log(0.9f * 0x1p-24f));
  std::vector<sampling_params> how;
  std::vector<float> all;
  for (int i = 0; i < 12; ++i) {
    how.push_back({1.f, i % 3 ? 1.f : 0.99999f, 0, 1.f - static_cast<float>(1 + 16 * i) * 0x1p-24f});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  check_drawn(all, how);
  const auto found = drawn<ops_backend>(all, how);
  CHECK(found[1] > 190);
  CHECK(found[1] <= 200);
  CHECK(found[10] < found[1]);
}

TEST_CASE("cuda: a large vocabulary, sampled from the whole of it, in a slice of columns", "[cuda]") {
  const std::size_t vocab = 4501;
  const std::vector<float> logits = random_values(2 * (vocab + 3), 4, 1.5f);
  const std::vector<sampling_params> how{{1.5f, 1.f, 0, 0.9f}, {0.8f, 0.95f, 0, 0.7f}};
  const auto run = [&]<class B>(device_of<B>&& d) {
    const auto l = d.put(logits, 2);
    const auto h = d.put(how, 1);
    const auto ids = d.put(std::vector<std::int32_t>(2), 1);
    sample(d.queue, ids.vector(), l.slice(2, static_cast<std::ptrdiff_t>(vocab)),
           vector_view<const sampling_params>(h));
    return d.get(ids);
  };
  CHECK(run(on_cuda()) == run(device_of<scalar>()));
}

namespace {
template <class B>
std::vector<token_logprob> likeliest(const std::vector<float>& logits, std::ptrdiff_t rows, std::ptrdiff_t k) {
  device_of<B> d;
  const auto l = d.put(logits, rows);
  const auto y = d.put(std::vector<token_logprob>(static_cast<std::size_t>(rows * k)), rows);
  top_logprobs(d.queue, y.matrix(), matrix_view<const float>(l));
  return d.get(y);
}
}  // namespace

TEST_CASE("cuda: top_logprobs and logprobs have the bytes of the scalar backend", "[cuda]") {
  for (const std::ptrdiff_t vocab : {3, 600, 4201}) {
    std::vector<float> logits = random_values(static_cast<std::size_t>(3 * vocab), 2, 3.f);
    for (std::size_t i = 0; i < logits.size(); i += 7) logits[i] = 1.5f;  // ties
    for (std::size_t i = 3; i < logits.size(); i += 50) logits[i] = -infinity;
    for (const std::ptrdiff_t k : {std::ptrdiff_t{1}, vocab < 1000 ? vocab : 20}) {
      CAPTURE(vocab, k);
      CHECK(same_bytes(likeliest<ops_backend>(logits, 3, k), likeliest<scalar>(logits, 3, k)));
    }
    const auto probabilities = [&]<class B>(device_of<B>&& d) {
      const auto l = d.put(logits, 3);
      const auto ids = d.put(std::vector<std::int32_t>{2, -1, 0}, 1);
      const auto y = d.put(std::vector<float>(3), 1);
      logprobs(d.queue, y.vector(), matrix_view<const float>(l), vector_view<const std::int32_t>(ids));
      auto got = d.get(y);
      CHECK(std::isnan(got[1]));
      got[1] = 0.f;
      return got;
    };
    CHECK(same_bytes(probabilities(on_cuda()), probabilities(device_of<scalar>())));
  }
}

TEST_CASE("cuda: log-probabilities of rows that have none", "[cuda]") {
  for (const auto& logits : {std::vector<float>{nan, 1, 2}, {1, infinity, 3}, {-infinity, -infinity, -infinity}}) {
    CHECK(same_bytes(likeliest<ops_backend>(logits, 1, 2), likeliest<scalar>(logits, 1, 2)));
    on_cuda d;
    const auto l = d.put(logits, 1);
    const auto ids = d.put(std::vector<std::int32_t>{1}, 1);
    const auto y = d.put(std::vector<float>{0.f}, 1);
    logprobs(d.queue, y.vector(), matrix_view<const float>(l), vector_view<const std::int32_t>(ids));
    CHECK(std::isnan(d.get(y)[0]));
  }
}

TEST_CASE("cuda: the order of the threads changes no draw and no log-probability", "[cuda]") {
  const std::vector<float> logits = random_values(2 * 300, 3, 2.f);
  const auto how = random_settings(2, 11);
  std::vector<std::int32_t> ids;
  std::vector<token_logprob> top;
  for_each_schedule([&] {
    const auto i = drawn<ops_backend>(logits, how);
    const auto t = likeliest<ops_backend>(logits, 2, 5);
    if (ids.empty()) ids = i, top = t;
    CHECK(i == ids);
    CHECK(same_bytes(t, top));
  });
}

}  // namespace cuda_test
