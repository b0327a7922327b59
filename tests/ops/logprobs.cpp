// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "recorded_sampling.hpp"

using namespace llava;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The k likeliest tokens of each row. All backends must find the same bytes.
std::vector<token_logprob> likeliest(const std::vector<float>& logits, std::ptrdiff_t rows, std::ptrdiff_t k) {
  const auto on = [&]<class B>() {
    device<B> d;
    const auto l = d.put(logits, rows);
    const auto y = d.put(std::vector<token_logprob>(static_cast<std::size_t>(rows * k)), rows);
    top_logprobs(d.queue, y.matrix(), matrix_view<const float>(l.matrix()));
    return d.get(y);
  };
  const auto expected = on.operator()<scalar>();
  for_each_backend([&]<class B>() { CHECK(same_bytes(on.template operator()<B>(), expected)); });
  return expected;
}
}  // namespace

TEST_CASE("top_logprobs: the likeliest tokens, of equal ones the first, as torch has them", "[ops]") {
  const auto cases = recorded("top");
  REQUIRE(cases.size() == 6);
  for (const json_value& c : cases) {
    const auto logits = numbers<float>(*c.find("logits"));
    const auto tokens = numbers<std::int32_t>(*c.find("tokens"));
    const auto logprobs = numbers<double>(*c.find("logprobs"));
    const auto top = likeliest(logits, 1, static_cast<std::ptrdiff_t>(tokens.size()));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      CHECK(top[i].token == tokens[i]);
      CHECK(std::abs(static_cast<double>(top[i].logprob) - logprobs[i]) <= 1e-6 * (1 + std::abs(logprobs[i])));
    }
  }
}

TEST_CASE("top_logprobs: fewer are the first of more, rows are independent, and logprobs has the same bytes", "[ops]") {
  const std::ptrdiff_t vocab = GENERATE(333, 4201);
  std::vector<float> logits = random_values(static_cast<std::size_t>(3 * vocab), 5, 3.f);
  for (std::size_t i = 0; i < logits.size(); i += 7) logits[i] = 1.5f;  // ties
  for (std::size_t i = 3; i < logits.size(); i += 50) logits[i] = -infinity;
  const auto some = likeliest(logits, 3, 20), all = vocab < 1000 ? likeliest(logits, 3, vocab) : some;
  const std::ptrdiff_t most = vocab < 1000 ? vocab : 20;
  for (std::ptrdiff_t r = 0; r < 3; ++r) {
    const auto of_row = [&](const auto& v, std::ptrdiff_t k) { return v.begin() + r * k; };
    CHECK(std::equal(of_row(some, 20), of_row(some, 20) + 20, of_row(all, most)));
    const std::vector<float> row(logits.begin() + r * vocab, logits.begin() + (r + 1) * vocab);
    const auto alone = likeliest(row, 1, 20);
    CHECK(std::equal(alone.begin(), alone.end(), of_row(some, 20)));
    const auto sorted = std::is_sorted(of_row(all, most), of_row(all, most) + most, [&](const auto& a, const auto& b) {
      const float la = row[static_cast<std::size_t>(a.token)], lb = row[static_cast<std::size_t>(b.token)];
      return la != lb ? la > lb : a.token < b.token;
    });
    CHECK(sorted);
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto l = d.put(row, 1);
      const auto id = d.put(std::vector<std::int32_t>{alone[3].token}, 1),
                 none = d.put(std::vector<std::int32_t>{-1}, 1);
      const auto y = d.put(std::vector<float>{0.f}, 1), z = d.put(std::vector<float>{0.f}, 1);
      logprobs(d.queue, y.vector(), matrix_view<const float>(l), vector_view<const std::int32_t>(id));
      logprobs(d.queue, z.vector(), matrix_view<const float>(l), vector_view<const std::int32_t>(none));
      CHECK(same_bytes(d.get(y), {alone[3].logprob}));
      CHECK(std::isnan(d.get(z)[0]));
    });
  }
}

TEST_CASE("top_logprobs: a row without a log softmax has no tokens; tokens at -infinity come last", "[ops]") {
  for (const auto& logits : {std::vector<float>{not_a_number, 1, 2},
                             {1, not_a_number, 2},
                             {2, 1, not_a_number},
                             {1, infinity, 3},
                             {-infinity, -infinity, not_a_number},
                             {-infinity, -infinity, -infinity}}) {
    for (const token_logprob& t : likeliest(logits, 1, 2)) CHECK((t.token == -1 && std::isnan(t.logprob)));
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto l = d.put(logits, 1), y = d.put(std::vector<float>{0.f}, 1);
      const auto id = d.put(std::vector<std::int32_t>{1}, 1);
      logprobs(d.queue, y.vector(), matrix_view<const float>(l), vector_view<const std::int32_t>(id));
      CHECK(std::isnan(d.get(y)[0]));
    });
  }
  const auto some = likeliest({-infinity, 0.f, -infinity}, 1, 3);
  CHECK(some == std::vector<token_logprob>{{1, 0.f}, {0, -infinity}, {2, -infinity}});
}
