// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <llava/generate/penalties.hpp>

#include "recorded_sampling.hpp"

using namespace llava;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

template <class B>
std::vector<std::int32_t> drawn_on(const std::vector<float>& logits, const std::vector<sampling_params>& how) {
  device<B> d;
  const auto l = d.put(logits, static_cast<std::ptrdiff_t>(how.size()));
  const auto h = d.put(how, 1);
  const auto ids = d.put(std::vector<std::int32_t>(how.size(), -9), 1);
  sample(d.queue, ids.vector(), matrix_view<const float>(l), vector_view<const sampling_params>(h));
  return d.get(ids);
}
/// Draws a token from each row on every backend. All must draw the same.
std::vector<std::int32_t> drawn_rows(const std::vector<float>& logits, const std::vector<sampling_params>& how) {
  const auto expected = drawn_on<scalar>(logits, how);
  for_each_backend([&]<class B>() {
    const auto found = drawn_on<B>(logits, how);
    for (std::size_t r = 0; r < how.size(); ++r) {
      CAPTURE(r, how[r].temperature, how[r].top_k, how[r].top_p, how[r].min_p, how[r].uniform);
      CHECK(found[r] == expected[r]);
    }
  });
  return expected;
}
std::int32_t drawn(const std::vector<float>& logits, const sampling_params& how) {
  return drawn_rows(logits, {how})[0];
}
}  // namespace

TEST_CASE("sample: greedy takes the first of the largest logits", "[ops]") {
  CHECK(drawn({1, 5, 3, 5}, {}) == 1);
  CHECK(drawn({-3}, {}) == 0);
}

TEST_CASE("sample: draws from probabilities in descending order, cut by top_k and top_p", "[ops]") {
  // Probabilities 0.5, 0.25, 0.125, 0.125 at temperature 1.
  const std::vector<float> logits{std::log(0.125f), std::log(0.5f), std::log(0.25f), std::log(0.125f)};
  const auto at = [&](float u, float top_p = 1.f, std::int32_t top_k = 0) {
    return drawn(logits, {1.f, top_p, top_k, u});
  };
  CHECK(at(0.f) == 1);
  CHECK(at(0.49f) == 1);
  CHECK(at(0.51f) == 2);
  CHECK(at(0.8f) == 0);
  CHECK(at(0.9f) == 3);

  CHECK(at(0.99f, 1.f, 1) == 1);  // only the best
  CHECK(at(0.65f, 1.f, 2) == 1);  // 2/3 and 1/3 are left
  CHECK(at(0.68f, 1.f, 2) == 2);
  CHECK(at(0.999f, 1.f, 3) == 3);  // ties with the third stay, as in transformers
  CHECK(at(0.999f, 0.5f) == 1);    // the smallest set that reaches 0.5
  CHECK(at(0.999f, 0.51f) == 2);
  CHECK(at(0.999f, 0.f) == 1);  // at least one token stays
  CHECK(at(0.999f, 1.f, 100) == 3);
}

TEST_CASE("sample: a low temperature sharpens, a high one flattens", "[ops]") {
  const std::vector<float> logits{0.f, 1.f};
  CHECK(drawn(logits, {0.01f, 1.f, 0, 0.999f}) == 1);
  CHECK(drawn(logits, {100.f, 1.f, 0, 0.6f}) == 0);
}

TEST_CASE("sample: logits without a valid choice give no token", "[ops]") {
  for (const sampling_params& how : {sampling_params{}, sampling_params{1.f, 0.9f, 2, 0.5f}}) {
    for (const auto& logits : {std::vector<float>{not_a_number, not_a_number, not_a_number},
                               {not_a_number, 1, 2},
                               {2, 1, not_a_number},
                               {1, infinity, 3},
                               {infinity, infinity, infinity},
                               {-infinity, -infinity, not_a_number}})
      CHECK(drawn(logits, how) == invalid_logits);
    CHECK(drawn({-infinity, -infinity, -infinity}, how) == no_token_left);
    CHECK(drawn({-infinity, -3, -infinity}, how) == 1);
  }
}

TEST_CASE("sample: min_p keeps the tokens near the likeliest, after top_k and top_p", "[ops]") {
  // Probabilities 0.5, 0.25, 0.125, 0.125 at temperature 1.
  const std::vector<float> logits{std::log(0.125f), std::log(0.5f), std::log(0.25f), std::log(0.125f)};
  const auto at = [&](float u, float min_p, float top_p = 1.f, std::int32_t top_k = 0) {
    return drawn(logits, {1.f, top_p, top_k, u, min_p});
  };
  CHECK(at(0.999f, 0.f) == 3);
  CHECK(at(0.999f, 0.24f) == 3);  // a quarter of the largest stays
  CHECK(at(0.999f, 0.26f) == 2);
  CHECK(at(0.65f, 0.26f) == 1);  // 2/3 and 1/3 are left
  CHECK(at(0.68f, 0.26f) == 2);
  CHECK(at(0.999f, 0.51f) == 1);
  CHECK(at(0.999f, 1.f) == 1);
  CHECK(at(0.999f, 0.24f, 0.7f) == 2);
  CHECK(at(0.999f, 0.24f, 1.f, 1) == 1);
  CHECK(drawn({2, 1, 2}, {1.f, 1.f, 0, 0.999f, 1.f}) == 2);  // equal to the largest
  CHECK(drawn({0, 1}, {100.f, 1.f, 0, 0.999f, 0.9f}) == 0);  // the temperature comes first
  CHECK(drawn({0, 1}, {0.1f, 1.f, 0, 0.999f, 0.9f}) == 1);
  CHECK(drawn({0, 1}, {0.f, 1.f, 0, 0.999f, 0.9f}) == 1);  // greedy
}

TEST_CASE("sample: the tokens that are left, and their probabilities, are those of transformers", "[ops]") {
  const auto cases = recorded("choices");
  REQUIRE(cases.size() == 12);
  for (const json_value& c : cases) {
    const auto number = [&](const char* key) { return static_cast<float>(*c.find(key)->number()); };
    std::vector<float> logits = numbers<float>(*c.find("logits"));
    token_penalties penalties(number("repetition"), {});
    penalties.begin(numbers<std::int32_t>(*c.find("before")), 0);
    penalties.apply(logits);
    const auto tokens = numbers<std::int32_t>(*c.find("tokens"));
    const auto probabilities = numbers<double>(*c.find("probabilities"));
    REQUIRE(tokens.size() == probabilities.size());
    // A number early and late in the part of [0, 1) that belongs to a token draws this token.
    std::vector<sampling_params> draws;
    std::vector<std::int32_t> expected;
    double before = 0;
    for (std::size_t i = 0; i < tokens.size(); before += probabilities[i++])
      for (const double part : {0.1, 0.9}) {
        draws.push_back({number("temperature"), number("top_p"), static_cast<std::int32_t>(number("top_k")),
                         static_cast<float>(before + part * probabilities[i]), number("min_p")});
        expected.push_back(tokens[i]);
      }
    CHECK(before == Approx(1.0));
    std::vector<float> all;
    for (std::size_t r = 0; r < draws.size(); ++r) all.insert(all.end(), logits.begin(), logits.end());
    CHECK(drawn_rows(all, draws) == expected);
  }
}

namespace {
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

TEST_CASE("sample: greedy rows take the first of the largest logits, whichever chunk has it", "[ops]") {
  for (const std::size_t vocab : {1u, 5u, 4096u, 8195u}) {
    CAPTURE(vocab);
    std::vector<float> logits = random_values(4 * vocab, 1);
    for (std::size_t r = 1; r < 4; ++r)  // equal ones
      for (std::size_t i = r; i < vocab; i += 4095 * r) logits[r * vocab + vocab - i - (r > 1)] = 9.f;
    logits[3 * vocab] = -0.f;
    drawn_rows(logits, std::vector<sampling_params>(4));
  }
  CHECK(drawn({-1, -0.f, 0.f, -2}, {}) == 1);
}

TEST_CASE("sample: rows without a valid choice, at any place", "[ops]") {
  const std::size_t vocab = 4200;
  for (const float bad : {not_a_number, infinity})
    for (const std::size_t at : {std::size_t{0}, vocab - 1}) {
      std::vector<float> logits = random_values(2 * vocab, 1);
      logits[vocab + at] = bad;
      drawn_rows(logits, {{}, {}});
      drawn_rows(logits, {{1.f, 0.9f, 2, 0.5f}, {1.f, 0.9f, 2, 0.5f}});
    }
  const std::vector<float> none(vocab, -infinity);
  CHECK(drawn(none, {}) == no_token_left);
  CHECK(drawn(none, {1.f}) == no_token_left);
  std::vector<float> one = none;
  one[4100] = -3.f;
  CHECK(drawn(one, {1.f, 1.f, 0, 0.99f}) == 4100);
}

TEST_CASE("sample: draws are those of the scalar backend, for peaked, flat and tied rows and all settings", "[ops]") {
  for (const std::size_t vocab : {4u, 333u, 700u})
    for (const float scale : {0.f, 0.3f, 4.f, 30.f}) {
      CAPTURE(vocab, scale);
      constexpr std::size_t rows = 8;
      std::vector<float> logits = random_values(rows * vocab, static_cast<unsigned>(vocab) + 1, scale);
      for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = std::round(logits[i]);  // ties
      for (std::size_t i = 1; i < logits.size(); i += 17) logits[i] = -infinity;
      drawn_rows(logits, random_settings(rows, static_cast<unsigned>(vocab + 7)));
    }
}

TEST_CASE("sample: sums round as those of the scalar backend, one after the other", "[ops]") {
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
  const auto found = drawn_rows(all, how);
  CHECK(found[1] > 190);
  CHECK(found[1] <= 200);
  CHECK(found[10] < found[1]);
}

TEST_CASE("sample: a large vocabulary, sampled from the whole of it, in a slice of columns", "[ops]") {
  constexpr std::ptrdiff_t vocab = 4501;
  const std::vector<float> logits = random_values(2 * (vocab + 3), 4, 1.5f);
  const std::vector<sampling_params> how{{1.5f, 1.f, 0, 0.9f}, {0.8f, 0.95f, 0, 0.7f}};
  std::vector<float> slice;
  for (const std::ptrdiff_t r : {0, 1}) {
    const auto row = logits.begin() + r * (vocab + 3) + 2;
    slice.insert(slice.end(), row, row + vocab);
  }
  const auto expected = drawn_rows(slice, how);
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto l = d.put(logits, 2);
    const auto h = d.put(how, 1);
    const auto ids = d.put(std::vector<std::int32_t>(2), 1);
    sample(d.queue, ids.vector(), columns_of(matrix_view<const float>(l), 2, vocab),
           vector_view<const sampling_params>(h));
    CHECK(d.get(ids) == expected);
  });
}

TEST_CASE("sample: the order of a device's threads changes no draw", "[ops]") {
  const std::vector<float> logits = random_values(2 * 300, 3, 2.f);
  const auto how = random_settings(2, 11);
  for_each_schedule([&] { drawn_rows(logits, how); });
}
