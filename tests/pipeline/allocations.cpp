// SPDX-License-Identifier: Apache-2.0
/// A decode step allocates nothing.
#include <allocations.hpp>

#include "tiny_model.hpp"

TEST_CASE("decode: allocates nothing between one token and the next", "[pipeline]") {
  auto chat = tiny::model().session();
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 60;
  std::vector<long> at;
  at.reserve(100);
  tiny::value(chat.try_ask(tiny::test_image(1), "What is in the picture?",
                           [&](std::string_view) { at.push_back(allocations::made.load()); }));
  REQUIRE(at.size() >= 60);
  CHECK(at.front() > 0);
  // The first tokens are not counted: their text grows the decoder's buffers to their final size. Nor is the last: it
  // ends the answer.
  for (std::size_t i = 10; i < 59; ++i) CHECK(at[i] == at[i - 1]);
}
