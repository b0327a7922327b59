// SPDX-License-Identifier: Apache-2.0
/// What callbacks may do while an answer is generated (ask another session, throw, truncate the conversation), and what
/// they may not.
#include <new>
#include <stdexcept>

#include "tiny_model.hpp"

using namespace tiny;

namespace {
constexpr std::string_view question = "What is in the picture?";

}  // namespace

TEST_CASE("a session that is called from its own callback returns errc::busy, and its answer is unchanged",
          "[pipeline]") {
  auto alone = model().session();
  alone.settings = few();
  const llava::answer expected = value(alone.try_ask(test_image(1), question));

  auto chat = model().session();
  chat.settings = few();
  std::vector<llava::errc> refused;
  bool asked = false;
  const auto ask_itself = [&] {
    if (std::exchange(asked, true)) return;
    for (const auto& e : {chat.try_ask("and you?"), chat.try_generate("hello", {})}) {
      REQUIRE_FALSE(e);
      refused.push_back(e.error().code());
    }
    const auto logits = chat.try_logits("hello", {});
    REQUIRE_FALSE(logits);
    refused.push_back(logits.error().code());
  };
  SECTION("from the text callback") {
    CHECK(value(chat.try_ask(test_image(1), question, [&](std::string_view) { ask_itself(); })).tokens ==
          expected.tokens);
  }
  SECTION("from the logits hook") {
    chat.hooks.on_logits = [&](std::span<float>) { ask_itself(); };
    CHECK(value(chat.try_ask(test_image(1), question)).tokens == expected.tokens);
  }
  CHECK(refused == std::vector<llava::errc>(3, llava::errc::busy));
  CHECK(chat.save().turns.size() == 2);
  chat.hooks = {};
  CHECK(value(chat.try_ask(question)).tokens == value(alone.try_ask(question)).tokens);
}

TEST_CASE("a callback may ask a fork, and another session", "[pipeline]") {
  auto chat = model().session();
  chat.settings = few();
  value(chat.try_ask(test_image(1), question));
  auto expected = chat.fork();
  const auto second = value(expected.try_ask("How many shapes are there?")).tokens;
  std::vector<std::int32_t> forked, fresh;
  const auto answer = chat.try_ask("How many shapes are there?", [&](std::string_view) {
    if (!forked.empty()) return;
    forked = value(chat.fork().try_ask("How many shapes are there?")).tokens;
    auto other = model().session();
    other.settings = few();
    fresh = value(other.try_ask(test_image(1), question)).tokens;
  });
  CHECK(value(answer).tokens == second);
  CHECK(forked == second);
  CHECK(fresh.size() == 4);
}

TEST_CASE("a turn follows the past that a callback truncated during its answer", "[pipeline]") {
  auto chat = model().session();
  chat.settings = few();
  value(chat.try_ask(test_image(1), question));
  value(chat.try_ask(test_image(2), "And here?", [&](std::string_view) { chat.truncate(0); }));
  REQUIRE(chat.save().turns.size() == 2);
  CHECK(chat.save().turns[0].text == "<image>\nAnd here?");
  REQUIRE(chat.save().images.size() == 1);
  CHECK(chat.save().images[0] == test_image(2));
  CHECK(chat.try_ask("And now?"));
}

TEST_CASE("an exception of a callback propagates, and the conversation is unchanged", "[pipeline]") {
  auto chat = model().session();
  chat.settings = few();
  value(chat.try_ask(test_image(1), question));
  auto expected = chat.fork();
  const auto next = value(expected.try_ask("And now?")).tokens;
  const auto throwing = [&](auto thrown) { return chat.try_ask("And now?", [&](std::string_view) { throw thrown; }); };
  // The exception types that the library turns into error values when it throws them itself.
  CHECK_THROWS_AS(throwing(std::bad_alloc()), std::bad_alloc);
  CHECK_THROWS_AS(throwing(std::length_error("mine")), std::length_error);
  CHECK_THROWS_AS(throwing(llava::error(llava::errc::io, "mine")), llava::error);
  CHECK_THROWS_AS(throwing(42), int);
  chat.hooks.on_logits = [](std::span<float>) { throw std::bad_alloc(); };
  CHECK_THROWS_AS(chat.try_ask("And now?"), std::bad_alloc);
  chat.hooks = {};
  CHECK(chat.save().turns.size() == 2);
  CHECK(value(chat.try_ask("And now?")).tokens == next);

  llava::open_options o = options();
  o.report = [](const llava::progress&) -> bool { throw std::bad_alloc(); };
  CHECK_THROWS_AS(model_type::try_open(folder, o), std::bad_alloc);
}

TEST_CASE("a batch that is called from its own callback returns errc::busy; an exception of on_logits ends its answer",
          "[pipeline]") {
  const std::string prompt = *model().try_prompt(0, "hello");
  auto alone = model().session();
  alone.settings = few();
  const auto expected = value(alone.try_generate(prompt, {})).tokens;

  auto together = model().batch();
  int calls = 0;
  llava::generation_hooks hooks;
  hooks.on_logits = [&](std::span<float>) {
    ++calls;
    if (calls == 1) {
      CHECK(together.try_step().error().code() == llava::errc::busy);
      CHECK(together.try_run().error().code() == llava::errc::busy);
      CHECK(together.try_add(prompt, {}).error().code() == llava::errc::busy);
    }
    if (calls == 2) throw 42;
  };
  REQUIRE(together.try_add(prompt, {}, few(), hooks));
  REQUIRE(together.try_add(prompt, {}, few()));
  CHECK_THROWS_AS(together.try_run(), int);
  const auto answers = together.try_run();
  REQUIRE(answers);
  REQUIRE(answers->size() == 2);
  REQUIRE_FALSE((*answers)[0]);
  CHECK((*answers)[0].error().code() == llava::errc::cancelled);
  CHECK(value((*answers)[1]).tokens == expected);
}

TEST_CASE("a hook that forbids every token or makes a logit NaN or infinite is an error of its own", "[pipeline]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto chat = model().session();
  for (const float temperature : {0.f, 1.f}) {
    chat.settings = few();
    chat.settings.temperature = temperature;
    const auto error_with = [&](auto hook) {
      chat.hooks.on_logits = hook;
      const auto a = chat.try_ask(test_image(1), question);
      REQUIRE_FALSE(a);
      CHECK(a.error().code() == llava::errc::invalid_argument);
      return a.error().sentence();
    };
    CHECK(error_with([](std::span<float> l) {
            std::fill(l.begin(), l.end(), -infinity);
          }).find("the logits hook forbids every token") != std::string::npos);
    CHECK(error_with([](std::span<float> l) {
            l[7] = std::numeric_limits<float>::quiet_NaN();
          }).find("the logits hook made a logit NaN") != std::string::npos);
    CHECK(error_with([](std::span<float> l) { l[7] = infinity; }).find("+infinity") != std::string::npos);
    chat.hooks = {};
    CHECK(value(chat.try_ask(test_image(1), question)).tokens.size() == 4);
    chat.truncate(0);
  }
  // In a batch the other answers continue.
  auto together = model().batch();
  llava::generation_hooks forbids;
  forbids.on_logits = [](std::span<float> l) { std::fill(l.begin(), l.end(), -infinity); };
  REQUIRE(together.try_add("hello", {}, few(), forbids));
  REQUIRE(together.try_add("hello", {}, few()));
  const auto answers = together.try_run();
  REQUIRE(answers);
  REQUIRE_FALSE((*answers)[0]);
  CHECK((*answers)[0].error().sentence().find("forbids every token") != std::string::npos);
  CHECK(value((*answers)[1]).tokens.size() == 4);
}

TEST_CASE("invalid settings are refused before anything is computed", "[pipeline]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  auto chat = model().session();
  const auto refused = [&](auto change, std::string_view name) {
    chat.settings = few();
    change(chat.settings);
    const auto a = chat.try_ask("hello");
    REQUIRE_FALSE(a);
    CHECK(a.error().code() == llava::errc::invalid_argument);
    CHECK(a.error().sentence().find(name) != std::string::npos);
    CHECK_FALSE(model().batch().try_add("hello", {}, chat.settings));
  };
  for (const float t : {nan, infinity, -1.f}) refused([&](auto& s) { s.temperature = t; }, "temperature");
  for (const float p : {nan, -0.1f, 1.1f}) refused([&](auto& s) { s.top_p = p; }, "top_p");
  refused([](auto& s) { s.top_k = -1; }, "top_k");
}

TEST_CASE("a conversation is restored only with as many images as its turns contain", "[pipeline]") {
  auto chat = model().session();
  chat.settings = few();
  value(chat.try_ask("what does <image> mean?"));  // plain text: no image comes with it
  auto other = model().session();
  other.settings = few();
  REQUIRE(other.try_restore(chat.save()));
  chat.truncate(0);
  value(chat.try_ask(test_image(1), question));
  value(chat.try_ask("And now?"));
  const llava::conversation_state state = chat.save();
  REQUIRE(other.try_restore(state));
  CHECK(other.save().turns.size() == 4);

  const auto refused = [&](const llava::conversation_state& s) {
    const auto done = other.try_restore(s);
    REQUIRE_FALSE(done);
    CHECK(done.error().code() == llava::errc::mismatch);
    CHECK(other.save().turns.size() == 4);  // unchanged
    return done.error().sentence();
  };
  llava::conversation_state without = state;
  without.images.clear();
  CHECK(refused(without).find("1 <image> for 0 images") != std::string::npos);
  llava::conversation_state by_hand;
  by_hand.turns = {{llava::role::user, "<image>\nWhat is it?"}, {llava::role::assistant, "A square."}};
  CHECK(refused(by_hand).find("1 <image> for 0 images") != std::string::npos);
  by_hand.images = {test_image(1), test_image(2)};
  CHECK(refused(by_hand).find("1 <image> for 2 images") != std::string::npos);
  by_hand.images.resize(1);
  REQUIRE(other.try_restore(by_hand));
  CHECK(value(other.try_ask("Which colour?")).prompt_tokens > 49);
}
