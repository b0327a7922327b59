// SPDX-License-Identifier: Apache-2.0
/// A decode step allocates nothing.
#include <allocations.hpp>

#include "tiny_model.hpp"

TEST_CASE("decode: allocates nothing between one token and the next", "[pipeline]") {
  for (const bool all_settings : {false, true}) {
    auto chat = tiny::model().session();
    auto& s = chat.settings;
    s.ignore_eos = true;
    s.max_new_tokens = 60;
    if (all_settings) {
      s.temperature = 1.f, s.min_p = 0.1f, s.logprobs = true, s.top_logprobs = 20;
      s.repetition_penalty = 1.1f, s.presence_penalty = s.frequency_penalty = 0.2f, s.logit_bias = {{300, 1.f}};
    }
    std::vector<long> at;
    at.reserve(100);
    tiny::value(chat.try_ask(tiny::test_image(1), "What is in the picture?",
                             [&](std::string_view) { at.push_back(allocations::made.load()); }));
    REQUIRE(at.size() >= 60);
    CHECK(at.front() > 0);
    // The first tokens are not counted: their text grows the decoder's buffers to their final size. Nor is the
    // last: it ends the answer.
    for (std::size_t i = 10; i < 59; ++i) CHECK(at[i] == at[i - 1]);
  }
}
