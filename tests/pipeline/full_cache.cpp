// SPDX-License-Identifier: Apache-2.0
/// Many answers in a small KV cache: a finished answer releases its blocks, one without room waits, and no answer is
/// lost.
#include "tiny_model.hpp"

using namespace tiny;

namespace {
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

TEST_CASE("batch: an answer that is longer than the cache ends early with finish_reason::context_full", "[pipeline]") {
  const model_type m = small(64);  // four blocks
  auto alone = model().session();
  alone.settings = few(100);
  const auto whole = value(alone.try_generate("hello", {}));
  // All four blocks, and a token that is not cached.
  const auto most = static_cast<std::size_t>(65 - whole.prompt_tokens);
  auto chat = m.session();
  chat.settings = few(100);
  for (int turn = 0; turn < 2; ++turn) {
    const auto a = value(chat.try_generate("hello", {}));
    CHECK(a.reason == llava::finish_reason::context_full);
    CHECK(a.tokens == std::vector<std::int32_t>(whole.tokens.begin(), whole.tokens.begin() + std::ptrdiff_t(most)));
  }
  CHECK(m.state().blocks->available() == 4);
}

TEST_CASE("session: conversations that do not ask leave the cache to those that do", "[pipeline]") {
  const model_type m = small(64);
  std::vector<llava::session> idle;
  for (int i = 0; i < 5; ++i) {
    idle.push_back(m.session());
    idle.back().settings = few(30);
    value(idle.back().try_generate("hello", {}));
  }
  auto other = m.session();
  other.settings = few(30);
  CHECK(value(other.try_generate("a different prompt", {})).tokens.size() == 30);
}

TEST_CASE("session: a cache whose blocks are held outside the engine is an error that states its size", "[pipeline]") {
  const model_type m = small(64);
  llava::kv_sequence held(m.state().blocks);
  REQUIRE(held.try_reserve(64));
  const auto a = m.session().try_logits("hello", {});
  REQUIRE_FALSE(a);
  CHECK(a.error().code() == llava::errc::context_full);
  CHECK(a.error().sentence().find("its 64 tokens are shared by all answers of the model, enough for 1 of the longest "
                                  "conversations (64 tokens)") != std::string::npos);
  auto chat = m.session();
  chat.settings = few(3);
  CHECK(value(chat.try_generate("hello", {})).reason == llava::finish_reason::context_full);
  held.truncate(0);
  CHECK(value(chat.try_generate("hello", {})).tokens.size() == 3);
}
