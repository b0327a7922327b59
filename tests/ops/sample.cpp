// SPDX-License-Identifier: Apache-2.0
#include <limits>

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
