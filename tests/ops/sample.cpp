// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <llava/checkpoint/json.hpp>
#include <llava/generate/penalties.hpp>

#include "backend/backends.hpp"

using namespace llava;

namespace {
/// Draws a token on every backend. All must draw the same.
std::int32_t drawn(const std::vector<float>& logits, const sampling_params& how) {
  std::vector<std::int32_t> ids;
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto l = d.put(logits, 1);
    const auto h = d.put(std::vector<sampling_params>{how}, 1);
    const auto id = d.put(std::vector<std::int32_t>{-1}, 1);
    sample(d.queue, id.vector(), matrix_view<const float>(l.matrix()), vector_view<const sampling_params>(h.vector()));
    ids.push_back(d.get(id)[0]);
  });
  for (std::int32_t id : ids) CHECK(id == ids[0]);
  return ids[0];
}

template <class T>
std::vector<T> numbers(const json_value& list) {
  std::vector<T> out;
  for (const json_value& e : list.items()) out.push_back(static_cast<T>(*e.number()));
  return out;
}
/// Cases of tests/data/generate/sampling.json, which tests/oracle/sampling.py makes.
std::vector<json_value> recorded(const char* name) {
  auto file = json_document::try_read(LLAVA_TEST_DATA "/generate/sampling.json");
  if (!file) FAIL(file.error().what());
  return file->value().find(name)->items();
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
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const sampling_params& how : {sampling_params{}, sampling_params{1.f, 0.9f, 2, 0.5f}}) {
    for (const auto& logits : {std::vector<float>{nan, nan, nan},
                               {nan, 1, 2},
                               {2, 1, nan},
                               {1, infinity, 3},
                               {infinity, infinity, infinity},
                               {-infinity, -infinity, nan}})
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
    const auto rows = static_cast<std::ptrdiff_t>(draws.size());
    std::vector<float> all;
    for (std::ptrdiff_t r = 0; r < rows; ++r) all.insert(all.end(), logits.begin(), logits.end());
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto l = d.put(all, rows);
      const auto h = d.put(draws, 1);
      const auto ids = d.put(std::vector<std::int32_t>(draws.size(), -1), 1);
      sample(d.queue, ids.vector(), matrix_view<const float>(l.matrix()),
             vector_view<const sampling_params>(h.vector()));
      CHECK(d.get(ids) == expected);
    });
  }
}

namespace {
/// The k likeliest tokens of each row. All backends must find the same bytes.
std::vector<token_logprob> likeliest(const std::vector<float>& logits, std::ptrdiff_t rows, std::ptrdiff_t k) {
  std::vector<std::vector<token_logprob>> found;
  for_each_backend([&]<class B>() {
    device<B> d;
    const auto l = d.put(logits, rows);
    const auto y = d.put(std::vector<token_logprob>(static_cast<std::size_t>(rows * k)), rows);
    top_logprobs(d.queue, y.matrix(), matrix_view<const float>(l.matrix()));
    found.push_back(d.get(y));
    const std::size_t bytes = found[0].size() * sizeof(token_logprob);
    CHECK(std::memcmp(found.back().data(), found[0].data(), bytes) == 0);
  });
  return found[0];
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
  const std::ptrdiff_t vocab = 333;
  std::vector<float> logits = random_values(static_cast<std::size_t>(3 * vocab), 5, 3.f);
  for (std::size_t i = 0; i < logits.size(); i += 7) logits[i] = 1.5f;  // ties
  const auto all = likeliest(logits, 3, vocab), some = likeliest(logits, 3, 20);
  for (std::ptrdiff_t r = 0; r < 3; ++r) {
    const auto of_row = [&](const auto& v, std::ptrdiff_t k) { return v.begin() + r * k; };
    CHECK(std::equal(of_row(some, 20), of_row(some, 20) + 20, of_row(all, vocab)));
    const std::vector<float> row(logits.begin() + r * vocab, logits.begin() + (r + 1) * vocab);
    const auto alone = likeliest(row, 1, 20);
    CHECK(std::equal(alone.begin(), alone.end(), of_row(some, 20)));
    const auto sorted =
        std::is_sorted(of_row(all, vocab), of_row(all, vocab) + vocab, [&](const auto& a, const auto& b) {
          const float la = row[static_cast<std::size_t>(a.token)], lb = row[static_cast<std::size_t>(b.token)];
          return la != lb ? la > lb : a.token < b.token;
        });
    CHECK(sorted);
    for_each_backend([&]<class B>() {
      device<B> d;
      const auto l = d.put(row, 1);
      const auto id = d.put(std::vector<std::int32_t>{alone[3].token}, 1);
      const auto y = d.put(std::vector<float>{0.f}, 1);
      logprobs(d.queue, y.vector(), matrix_view<const float>(l.matrix()), vector_view<const std::int32_t>(id.vector()));
      CHECK(same_bytes(d.get(y), {alone[3].logprob}));
    });
  }
}

TEST_CASE("top_logprobs: a row without a log softmax has no tokens; tokens at -infinity come last", "[ops]") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const auto& logits : {std::vector<float>{nan, 1, 2},
                             {1, nan, 2},
                             {2, 1, nan},
                             {1, infinity, 3},
                             {-infinity, -infinity, nan},
                             {-infinity, -infinity, -infinity}})
    for (const token_logprob& t : likeliest(logits, 1, 2)) CHECK((t.token == -1 && std::isnan(t.logprob)));
  const auto some = likeliest({-infinity, 0.f, -infinity}, 1, 3);
  CHECK(some == std::vector<token_logprob>{{1, 0.f}, {0, -infinity}, {2, -infinity}});
}
