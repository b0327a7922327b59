// SPDX-License-Identifier: Apache-2.0
#include <llava/pipeline/prompt_lookup.hpp>

#include <vector>

namespace {
std::vector<llava::prompt_token> tokens(std::initializer_list<int> ids) {
  std::vector<llava::prompt_token> all;
  for (const int id : ids) all.push_back({id, 0});
  return all;
}
std::vector<llava::prompt_token> guessed(llava::prompt_lookup& lookup, std::span<const llava::prompt_token> text,
                                         std::size_t most = 8) {
  std::vector<llava::prompt_token> next(most);
  next.resize(lookup.guess(text, next));
  return next;
}
}  // namespace

TEST_CASE("prompt_lookup: guesses what followed the last three tokens before, the last time", "[pipeline]") {
  llava::prompt_lookup lookup(4, 100);
  CHECK(guessed(lookup, tokens({1, 2})).empty());
  CHECK(guessed(lookup, tokens({1, 2, 3, 4, 5, 6, 2, 3})).empty());
  CHECK(guessed(lookup, tokens({1, 2, 3, 4, 5, 6, 2, 3, 4})) == tokens({5, 6}));
  CHECK(guessed(lookup, tokens({1, 2, 3, 4, 5, 6, 2, 3, 4}), 1) == tokens({5}));
  CHECK(guessed(lookup, tokens({1, 2, 3, 4, 5, 6, 2, 3, 4, 7, 2, 3, 4})) == tokens({7, 2}));
  llava::prompt_lookup of_itself(4, 100);
  CHECK(guessed(of_itself, tokens({9, 9, 9, 9})) == tokens({9}));
}

TEST_CASE("prompt_lookup: guesses grow while they are drawn, up to its limit, and shrink when they are not",
          "[pipeline]") {
  const auto text = tokens({1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3});
  llava::prompt_lookup lookup(4, 100);
  CHECK(guessed(lookup, text).size() == 2);
  lookup.learn(2, 2);
  CHECK(guessed(lookup, text).size() == 4);
  lookup.learn(4, 4);
  CHECK(guessed(lookup, text).size() == 4);
  lookup.learn(4, 1);
  CHECK(guessed(lookup, text).size() == 4);
  for (const std::size_t next : {2U, 1U, 1U}) {
    lookup.learn(4, 0);
    CHECK(guessed(lookup, text).size() == next);
  }
  llava::prompt_lookup none(0, 100);
  CHECK(guessed(none, text).empty());
}

TEST_CASE("prompt_lookup: image tokens are matched by image and row, and are not guessed", "[pipeline]") {
  const auto image = [](int number, int row) { return llava::prompt_token::of_image(number, row); };
  std::vector<llava::prompt_token> text = {{1, 0}, image(0, 0), image(0, 1), image(0, 2), {5, 0},
                                           {1, 0}, image(1, 0), image(1, 1), image(1, 2)};
  llava::prompt_lookup lookup(4, 100);
  CHECK(guessed(lookup, text).empty());
  text = {{1, 0}, {2, 0}, {3, 0}, image(0, 0), {1, 0}, {2, 0}, {3, 0}};
  llava::prompt_lookup other(4, 100);
  CHECK(guessed(other, text).empty());
}
