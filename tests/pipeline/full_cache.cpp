// SPDX-License-Identifier: Apache-2.0
/// Many answers in a small KV cache: a finished answer releases its blocks, one without room waits, and no answer is
/// lost.
#include "tiny_model.hpp"

using namespace tiny;

namespace {
llava::generation_settings few(int tokens) {
  llava::generation_settings s;
  s.max_new_tokens = tokens;
  s.ignore_eos = true;
  return s;
}
model_type small(int kv_tokens) {
  llava::open_options o = options();
  o.kv_tokens = kv_tokens;
  return open(o);
}
}  // namespace

TEST_CASE("batch: sixty answers in a cache for three equal the answer alone", "[pipeline]") {
  const model_type m = small(64 * 3);
  auto alone = m.session();
  alone.settings = few(24);
  const auto expected = value(alone.try_generate("How many shapes are there, please?", {}));
  REQUIRE(expected.prompt_tokens + 24 > 2 * llava::kv_block);  // three blocks each, at least
  alone = model().session();                                   // releases its blocks
  const int all = m.state().blocks->available();
  auto together = m.batch();
  for (int i = 0; i < 60; ++i) REQUIRE(together.try_add("How many shapes are there, please?", {}, few(24)));
  const auto answers = values(together.try_run());
  REQUIRE(answers.size() == 60);
  for (const llava::answer& a : answers) {
    CHECK(a.reason == llava::finish_reason::length);
    CHECK(a.tokens == expected.tokens);
  }
  CHECK(m.state().blocks->available() == all);
}

TEST_CASE("batch: an answer without room in the cache ends early with finish_reason::context_full", "[pipeline]") {
  const model_type m = small(64);  // four blocks
  auto idle = m.session();         // holds two of them
  idle.settings = few(20);
  value(idle.try_generate("hello", {}));
  REQUIRE(m.state().blocks->available() == 2);
  auto together = m.batch();
  for (int i = 0; i < 3; ++i) REQUIRE(together.try_add("hello", {}, few(i == 1 ? 8 : 44)));
  const auto answers = values(together.try_run());
  idle = model().session();
  idle.settings = few(44);
  const auto whole = value(idle.try_generate("hello", {}));
  for (const llava::answer& a : {answers[0], answers[2]}) {
    CHECK(a.reason == llava::finish_reason::context_full);
    CHECK(a.prompt_tokens + static_cast<int>(a.tokens.size()) == 33);  // two blocks, and a token that is not cached
    CHECK(std::equal(a.tokens.begin(), a.tokens.end(), whole.tokens.begin()));
  }
  CHECK(answers[1].reason == llava::finish_reason::length);
  CHECK(answers[1].tokens == std::vector<std::int32_t>(whole.tokens.begin(), whole.tokens.begin() + 8));
}

TEST_CASE("session: a cache filled by others is an error that states how many conversations it holds", "[pipeline]") {
  const model_type m = small(64);
  auto idle = m.session();
  idle.settings = few(30);
  value(idle.try_generate("hello", {}));
  auto other = m.session();
  other.settings = few(30);
  const auto a = other.try_generate("hello", {});
  REQUIRE_FALSE(a);
  CHECK(a.error().code() == llava::errc::context_full);
  CHECK(a.error().sentence().find("its 64 tokens are shared by all sessions and batches, enough for 1 of the longest "
                                  "conversations (64 tokens)") != std::string::npos);
  idle = model().session();
  CHECK(value(other.try_generate("hello", {})).tokens.size() == 30);
}
