// SPDX-License-Identifier: Apache-2.0
/// The engine answers requests of many threads together, each as it would be alone, and shares what they have in
/// common.
#include <llava/pipeline/engine.hpp>
#include <llava/text/utf8.hpp>

#include <thread>

#include "tiny_model.hpp"

using namespace tiny;

namespace {

llava::answer_request request_for(const model_type& m, std::string_view question, const llava::image* img, int tokens) {
  llava::answer_request r;
  std::vector<llava::visual> images;
  if (img) images.emplace_back(*img);
  const std::string prompt = *m.try_prompt(images.size(), question);
  auto prepared = llava::try_prepare(m.state(), prompt, std::move(images));
  if (!prepared) FAIL(prepared.error().what());
  r.prompt = *std::move(prepared);
  r.settings = few(tokens);
  return r;
}

llava::answer_stream submit(const model_type& m, llava::answer_request r) {
  auto s = llava::engine::try_submit(m.shared(), std::move(r));
  if (!s) FAIL(s.error().what());
  return *std::move(s);
}

/// Waits for the whole answer and checks that the news add up to it.
llava::answer finish(llava::answer_stream& s) {
  std::string text;
  std::vector<std::int32_t> tokens;
  for (;;) {
    const auto news = s.try_next();
    if (!news) FAIL(news.error().what());
    text += (*news)->text;
    tokens.insert(tokens.end(), (*news)->tokens.begin(), (*news)->tokens.end());
    if ((*news)->ended) break;
  }
  CHECK(llava::stripped(text) == s.whole().text);
  CHECK(tokens == s.whole().tokens);
  return s.whole();
}

model_type fresh(int kv_tokens = 16384, int max_batch_tokens = 256) {
  llava::open_options o = options(2, max_batch_tokens);
  o.kv_tokens = kv_tokens;
  return open(o);
}

std::vector<std::int32_t> alone(std::string_view question, const llava::image* img, int tokens) {
  auto s = submit(forgetful_model(), request_for(forgetful_model(), question, img, tokens));
  return finish(s).tokens;
}

}  // namespace

TEST_CASE("engine: requests of many threads get the answers that they get alone", "[pipeline][threads]") {
  constexpr int threads = 6, turns = 4;
  const char* questions[] = {"What is in the picture?", "How many shapes are there?", "Is there a circle?"};
  std::vector<std::vector<std::int32_t>> expected, found(threads * turns);
  const auto ask = [&](const model_type& m, int i) {
    const llava::image img = test_image(i % 4);
    return request_for(m, questions[i % 3], i % 5 == 4 ? nullptr : &img, 3 + i % 9);
  };
  for (int i = 0; i < threads * turns; ++i) {
    auto s = submit(forgetful_model(), ask(forgetful_model(), i));
    expected.push_back(finish(s).tokens);
  }
  for (const int kv_tokens : {16384, 512}) {  // in the small cache answers wait, and give up their blocks
    const model_type m = fresh(kv_tokens, 64);
    {
      std::vector<std::jthread> all;
      for (int t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
          for (int turn = 0; turn < turns; ++turn) {
            const int i = t * turns + turn;
            auto s = llava::engine::try_submit(m.shared(), ask(m, i));
            if (!s) return;
            for (bool ended = false; !ended;) {
              const auto news = s->try_next();
              if (!news) return;
              ended = (*news)->ended;
            }
            found[static_cast<std::size_t>(i)] = s->whole().tokens;
          }
        });
    }
    CHECK(found == expected);
    CHECK(m.state().blocks->available() == kv_tokens / llava::kv_block);
    const llava::engine_counts counts = m.state().engine().counts();
    CHECK(counts.encoded_images == 4);
    CHECK(counts.reused_tokens > 0);
  }
}

TEST_CASE("engine: a thread of a server drives it, and callers only take news", "[pipeline][threads]") {
  const model_type m = fresh();
  std::stop_source stop;
  std::jthread driver([&] { m.state().engine().drive(stop.get_token()); });
  const auto expected = alone("hello", nullptr, 20);
  for (int i = 0; i < 3; ++i) {
    std::atomic<int> told = 0;
    auto r = request_for(m, "hello", nullptr, 20);
    r.on_news = [&told] {
      ++told;
      told.notify_one();
    };
    auto s = submit(m, std::move(r));
    std::vector<std::int32_t> tokens;
    for (bool ended = false; !ended;) {
      const int before = told;
      const auto news = s.try_take();
      REQUIRE(news);
      if (!*news) {
        told.wait(before);
        continue;
      }
      tokens.insert(tokens.end(), (*news)->tokens.begin(), (*news)->tokens.end());
      ended = (*news)->ended;
    }
    CHECK(tokens == expected);
  }
  stop.request_stop();
  m.state().engine().wake();
}

TEST_CASE("engine: requests that begin alike compute their common blocks once, even when they come together",
          "[pipeline]") {
  const model_type m = fresh();
  std::string system = "You are asked about shapes.";
  for (int i = 0; i < 20; ++i) system += " Look at them closely.";
  std::vector<llava::answer_stream> all;
  std::vector<std::string> questions;
  for (int i = 0; i < 8; ++i) questions.push_back(system + " Question " + std::to_string(i));
  for (const std::string& q : questions) all.push_back(submit(m, request_for(m, q, nullptr, 4)));
  int computed = 0, prompts = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const llava::answer a = finish(all[i]);
    CHECK(a.tokens == alone(questions[i], nullptr, 4));
    computed += a.prompt_tokens - a.reused_tokens;
    prompts += a.prompt_tokens;
  }
  const int one = prompts / 8;
  REQUIRE(one > 100);
  CHECK(computed < 2 * one);  // not eight times
  auto again = submit(m, request_for(m, system + " Something else", nullptr, 4));
  const llava::answer a = finish(again);
  CHECK(a.reused_tokens >= one - 2 * llava::kv_block);
}

TEST_CASE("engine: an image is encoded once for all who ask about it, and once more for another adapter or model",
          "[pipeline]") {
  const model_type m = fresh();
  const llava::image img = test_image(2), other = test_image(3);
  std::vector<llava::answer_stream> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(submit(m, request_for(m, "Question " + std::to_string(i), i == 4 ? &other : &img, 3)));
  for (auto& s : all) finish(s);
  CHECK(m.state().engine().counts().encoded_images == 2);
  CHECK(m.state().engine().counts().reused_images == 3);
  // In the image cache, but its keys and values are not those of another text before it.
  auto later = submit(m, request_for(m, "<image> is this image one of a square?", &img, 3));
  finish(later);
  CHECK(m.state().engine().counts().encoded_images == 2);
}

TEST_CASE("engine: a dropped request gives its blocks back and leaves the others", "[pipeline]") {
  const model_type m = fresh();
  const int all = m.state().blocks->available();
  auto kept = submit(m, request_for(m, "hello", nullptr, 30));
  {
    auto dropped = submit(m, request_for(m, "Who are you, please?", nullptr, 30));
    REQUIRE(m.state().engine().try_step());
    REQUIRE(m.state().engine().try_step());
    CHECK(m.state().blocks->available() < all);
  }
  CHECK(finish(kept).tokens == alone("hello", nullptr, 30));
  CHECK(m.state().blocks->available() == all);
  CHECK(*m.state().engine().try_step() == false);
}

TEST_CASE("engine: an answer ends at its deadline with its text so far", "[pipeline]") {
  const model_type m = fresh();
  auto r = request_for(m, "hello", nullptr, 100000);
  r.seconds = 0.05;
  auto s = submit(m, std::move(r));
  const llava::answer a = finish(s);
  CHECK(a.reason == llava::finish_reason::deadline);
  const auto whole = alone("hello", nullptr, static_cast<int>(a.tokens.size()));
  CHECK(a.tokens == whole);
}

TEST_CASE("engine: on_logits may not ask the model; what it throws ends its own answer alone", "[pipeline]") {
  const model_type m = fresh();
  auto bad = request_for(m, "hello", nullptr, 8);
  int calls = 0;
  llava::errc refused{};
  bad.hooks.on_logits = [&](std::span<float>) {
    refused = m.session().try_ask("and you?").error().code();
    CHECK(m.state().engine().try_step().error().code() == llava::errc::busy);
    if (++calls == 3) throw 42;
  };
  auto thrower = submit(m, std::move(bad));
  auto other = submit(m, request_for(m, "hello", nullptr, 8));
  CHECK(finish(other).tokens == alone("hello", nullptr, 8));
  CHECK(refused == llava::errc::busy);
  CHECK(calls == 3);
  const auto take = [&] {
    while (thrower.try_next()) continue;
  };
  CHECK_THROWS_AS(take(), int);
}

TEST_CASE("engine: running answers continue while an image is encoded", "[pipeline]") {
  const model_type m = fresh();
  auto text = submit(m, request_for(m, "hello", nullptr, 400));
  REQUIRE(text.try_next());
  const llava::image img = test_image(1);
  auto seen = submit(m, request_for(m, "What is in the picture?", &img, 3));
  const auto tokens_so_far = [&]() -> std::size_t {
    const auto news = text.try_take();
    REQUIRE(news);
    return *news ? (*news)->tokens.size() : 0;
  };
  tokens_so_far();
  REQUIRE(m.state().engine().try_step());  // encodes the image
  CHECK(m.state().engine().counts().encoded_images == 1);
  CHECK(tokens_so_far() >= static_cast<std::size_t>(m.description().vision.layers_run()));
  CHECK(finish(seen).tokens == alone("What is in the picture?", &img, 3));
}

TEST_CASE("engine: answers are the same with guessed tokens, greedy and sampled, alone and together", "[pipeline]") {
  llava::open_options o = options(2, 64);
  o.prompt_lookup = 4;
  const model_type m = open(o);
  const llava::image img = test_image(1);
  std::vector<llava::answer_stream> all;
  std::vector<std::vector<std::int32_t>> expected;
  const auto ask = [&](const model_type& from, int i) {
    const char* questions[] = {"What is in the picture?", "one two three four one two three four one two",
                               "How many shapes are there?"};
    auto r = request_for(from, questions[i % 3], i % 3 == 1 ? nullptr : &img, 40 + i);
    r.settings.temperature = i % 4 == 3 ? 0.7f : 0.f;
    r.settings.seed = static_cast<std::uint64_t>(i);
    r.settings.ignore_eos = i % 2 == 0;
    r.settings.logprobs = i % 3 == 0;
    if (i == 6) r.settings.repetition_penalty = 1.3f;
    return r;
  };
  for (int i = 0; i < 12; ++i) {
    INFO("request " << i);
    auto alone = submit(forgetful_model(), ask(forgetful_model(), i));
    const llava::answer a = finish(alone);
    expected.push_back(a.tokens);
    auto guessing = submit(m, ask(m, i));
    const llava::answer b = finish(guessing);
    CHECK(b.tokens == a.tokens);
    CHECK(b.logprobs == a.logprobs);
    CHECK(b.reason == a.reason);
  }
  const auto steps = m.state().engine().counts().steps;
  std::size_t tokens = 0;
  for (const auto& e : expected) tokens += e.size();
  CHECK(steps < tokens * 3 / 4);  // this model repeats itself
  for (int i = 0; i < 12; ++i) all.push_back(submit(m, ask(m, i)));
  for (std::size_t i = 0; i < 12; ++i) {
    INFO("request " << i);
    CHECK(finish(all[i]).tokens == expected[i]);
  }
}
