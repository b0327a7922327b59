// SPDX-License-Identifier: Apache-2.0
/// A step packs, computes and reads: on a device one upload, a graph that is recorded once, and one download. It runs
/// ahead of the host, which changes no answer.
#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/size_class.hpp>

#include <array>
#include <cstdint>
#include <set>
#include <stop_token>

#include "../backend/remote.hpp"
#include "tiny_model.hpp"

using namespace tiny;

namespace {
template <class B>
using on = llava::pipeline<llava::any, B, llava::weights<llava::f32>>;

template <class B>
on<B> open_on(int prompt_lookup = 0, bool prefix_cache = true) {
  llava::open_options o;
  o.kv_tokens = 2048;
  o.prompt_lookup = prompt_lookup;
  o.prefix_cache = prefix_cache;
  auto opened = on<B>::try_open(folder, o);
  if (!opened) FAIL(opened.error().what());
  return *std::move(opened);
}
template <class B>
const on<B>& model_on() {
  static const on<B> model = open_on<B>();
  return model;
}

/// Generates sixteen tokens after an image and a question; per_token gets the device's counts at each token.
template <class B>
llava::answer ask(bool hooked, bool logprobs, std::vector<remote_backend::counts>& per_token) {
  auto chat = model_on<B>().session();
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 16;
  chat.settings.logprobs = logprobs;
  chat.settings.top_logprobs = logprobs ? 4 : 0;
  if (hooked) chat.hooks.on_logits = [](std::span<float> logits) { std::swap(logits[300], logits[301]); };
  per_token.reserve(32);
  return value(chat.try_ask(test_image(1), "What is in the picture?",
                            [&](std::string_view) { per_token.push_back(remote_backend::done); }));
}
}  // namespace

TEST_CASE("a step on a device: one upload, one download, and a decode step is recorded once", "[pipeline]") {
  for (const bool hooked : {false, true})
    for (const bool logprobs : {false, true}) {
      std::vector<remote_backend::counts> at, unused;
      const llava::answer device = ask<remote>(hooked, logprobs, at),
                          host = ask<llava::scalar>(hooked, logprobs, unused);
      CHECK(device.tokens == host.tokens);
      CHECK(device.logprobs == host.logprobs);
      CHECK(device.logprobs.size() == (logprobs ? 16 : 0));
      CHECK(device.top_logprobs == host.top_logprobs);
      CHECK(device.top_logprobs.size() == (logprobs ? 4 * 16 : 0));
      REQUIRE(at.size() >= 16);
      const int halves = hooked ? 2 : 1;  // the hook reads the logits between them
      for (std::size_t i = 2; i < 16; ++i) {
        // Without a hook, the step of the next token has begun before this token is told. The last has none.
        const int begun = !hooked && i == 15 ? 0 : halves;
        CHECK(at[i].uploads - at[i - 1].uploads == begun);
        CHECK(at[i].downloads - at[i - 1].downloads == begun);
        CHECK(at[i].recorded == at[i - 1].recorded);
        CHECK(at[i].replayed - at[i - 1].replayed == begun);
        CHECK(at[i].ahead - at[i - 1].ahead == (hooked ? 0 : begun));
      }
    }
}

TEST_CASE("a step with rows of all kinds gives each row the result that it gets alone", "[pipeline]") {
  static constexpr std::array<int, 6> top_logprobs{0, 3, 1, 20, 0, 7};
  const auto ask_all = [](auto& model, bool together) {
    std::vector<llava::answer> answers;
    auto all = model.batch();
    for (int i = 0; i < 6; ++i) {
      llava::generation_settings s;
      s.ignore_eos = true;
      s.max_new_tokens = 6 + i;
      s.logprobs = i % 2 == 1;
      s.top_logprobs = top_logprobs[static_cast<std::size_t>(i)];
      if (i == 1) s.presence_penalty = 0.5f, s.frequency_penalty = 1.f;
      if (i == 2) s.temperature = 2.f, s.logit_bias = {{310, 3.f}, {311, -3.f}};
      if (i == 4) s.repetition_penalty = 1.5f;
      if (i == 5) s.temperature = 1.5f, s.min_p = 0.2f;
      llava::generation_hooks h;
      if (i % 3 == 0) h.on_logits = [i](std::span<float> logits) { logits[static_cast<std::size_t>(300 + i)] = 50.f; };
      const llava::image p = test_image(i);
      const auto images = std::span<const llava::image>(&p, i == 5 ? 0 : 1);
      const std::string prompt = *model.try_prompt(images.size(), i % 2 ? "What is it?" : "What is in the picture?");
      if (together) {
        CHECK(all.try_add(prompt, images, s, h));
      } else {
        auto alone = model.session();
        alone.settings = s;
        alone.hooks = h;
        answers.push_back(value(alone.try_generate(prompt, images)));
      }
    }
    return together ? values(all.try_run()) : answers;
  };
  const auto check = [&](auto& model) {
    const auto alone = ask_all(model, false), together = ask_all(model, true);
    REQUIRE(together.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CHECK(together[i].tokens == alone[i].tokens);
      CHECK(together[i].logprobs == alone[i].logprobs);
      CHECK(alone[i].logprobs.size() == (i % 2 ? alone[i].tokens.size() : 0));
      CHECK(together[i].top_logprobs == alone[i].top_logprobs);
      CHECK(alone[i].top_logprobs.size() == alone[i].tokens.size() * static_cast<std::size_t>(top_logprobs[i]));
    }
  };
  check(model());
  check(model_on<remote>());
}

TEST_CASE("steps run ahead of rows that end: answers, and what later prompts find in the cache, are the host's",
          "[pipeline]") {
  const auto ask_all = [](const auto& model) {
    std::vector<llava::answer> answers;
    auto plain = model.session();
    plain.settings = few(17);
    answers.push_back(value(plain.try_ask(test_image(1), "What is in the picture?")));
    const llava::answer whole = answers[0];
    for (int i = 0; i < 8; ++i) {
      auto chat = model.session();
      chat.settings = few(17);
      if (i < 4) chat.settings.stop_token_ids = {whole.tokens[static_cast<std::size_t>(3 + 3 * i)]};
      if (i == 4) chat.settings.stop = {whole.text.substr(whole.text.size() / 2, 2)};
      if (i == 5) chat.settings.ignore_eos = false;
      if (i > 5) chat.settings.temperature = 1.5f, chat.settings.seed = 7, chat.settings.logprobs = true;
      answers.push_back(value(chat.try_ask(test_image(1), "What is in the picture?")));
      answers.push_back(value(chat.try_ask("How many shapes are there?")));  // behind the dropped token
    }
    for (const bool is_long : {true, false}) {  // rows end at different steps; some wait for others
      auto all = model.batch();
      for (int i = 0; i < 18; ++i) {
        llava::generation_settings s = few(is_long ? 3 + 4 * (i % 4) : 1 + i % 2);
        if (i % 4 == 1) s.stop_token_ids = {whole.tokens[2]};
        if (i == 7) s.repetition_penalty = 1.3f;  // ends run-ahead for all, as long as it lasts
        s.temperature = i % 3 == 2 ? 1.2f : 0.f;
        s.seed = static_cast<std::uint64_t>(i);
        CHECK(all.try_add(*model.try_prompt(0, i % 2 ? "Is there a circle?" : "hello there, who are you?"), {}, s));
      }
      for (llava::answer& a : values(all.try_run())) answers.push_back(std::move(a));
    }
    return answers;
  };
  const auto expected = ask_all(model_on<llava::scalar>());
  for (const int prompt_lookup : {0, 4}) {
    INFO("prompt lookup " << prompt_lookup);
    const on<remote> model = open_on<remote>(prompt_lookup);
    const int blocks = model.state().blocks->available(), before = remote_backend::done.ahead;
    const auto found = ask_all(model);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO("answer " << i);
      CHECK(found[i].tokens == expected[i].tokens);
      CHECK(found[i].text == expected[i].text);
      CHECK(found[i].reason == expected[i].reason);
      CHECK(found[i].logprobs == expected[i].logprobs);
    }
    CHECK(remote_backend::done.ahead - before > 100);
    CHECK(model.state().blocks->available() == blocks);
  }
}

TEST_CASE("a request that is dropped or cancelled while its next step computes gives its blocks back", "[pipeline]") {
  const on<remote>& model = model_on<remote>();
  const int blocks = model.state().blocks->available();
  const auto submit = [&](int tokens, llava::stop_signal stop = {}) {
    auto prepared = llava::try_prepare(model.state(), *model.try_prompt(0, "hello"), {});
    REQUIRE(prepared);
    llava::answer_request r;
    r.prompt = *std::move(prepared);
    r.settings = few(tokens);
    r.hooks.stop = std::move(stop);
    auto s = llava::engine::try_submit(model.shared(), std::move(r));
    REQUIRE(s);
    return *std::move(s);
  };
  const auto next = [](llava::answer_stream& s) {
    const auto news = s.try_next();
    REQUIRE(news);
    return (*news)->ended;
  };
  auto alone = submit(20);
  while (!next(alone)) continue;
  const std::vector<std::int32_t> expected = alone.whole().tokens;
  {
    auto kept = submit(20);
    {
      auto dropped = submit(30);
      next(dropped), next(kept), next(dropped);
    }
    std::stop_source stop;
    auto cancelled = submit(30, stop.get_token());
    next(cancelled);
    stop.request_stop();
    while (!next(kept)) continue;
    CHECK(kept.whole().tokens == expected);
    while (!next(cancelled)) continue;
    CHECK(cancelled.whole().reason == llava::finish_reason::cancelled);
    auto last = submit(30);
    next(last), next(last);
    CHECK(model.state().blocks->available() < blocks);
  }  // `last` is dropped with a step in flight, and nobody runs another
  CHECK(model.state().blocks->available() == blocks);
  CHECK(*model.state().engine().try_step() == false);
}

TEST_CASE("prompts of all lengths run in few recordings, with the bytes of their own shapes", "[pipeline]") {
  for (int n = 1; n <= 4096; ++n) {
    const int rows = llava::size_class(n);
    CHECK((rows >= n && 4 * (rows - n) < n));
  }
  const on<remote> device = open_on<remote>(0, false);
  const on<llava::scalar> host = open_on<llava::scalar>(0, false);
  std::set<int> lengths, classes;
  const int before = remote_backend::done.recorded;
  std::string question = "Is it";
  for (int i = 0; i < 60; ++i) {
    question += i % 3 ? " a" : " blue";
    const auto ask = [&](const auto& model) {
      auto chat = model.session();
      chat.settings = few(1);
      chat.settings.logprobs = true;
      return value(chat.try_generate(question, {}));
    };
    const llava::answer a = ask(device);
    if (i % 6 == 5) {
      const llava::answer b = ask(host);
      CHECK(a.tokens == b.tokens);
      CHECK(a.logprobs == b.logprobs);
    }
    lengths.insert(a.prompt_tokens);
    classes.insert(llava::size_class(a.prompt_tokens));
  }
  CHECK(lengths.size() == 60);
  CHECK(classes.size() < 25);  // sixteen lengths have their own
  CHECK(remote_backend::done.recorded - before == static_cast<int>(classes.size()));
}
