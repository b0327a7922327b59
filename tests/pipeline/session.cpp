// SPDX-License-Identifier: Apache-2.0
#include <llava/text/utf8.hpp>

#include "tiny_model.hpp"

#include <climits>
#include <thread>

using namespace tiny;

namespace {
constexpr std::string_view question = "What is in the picture?";
}

TEST_CASE("session: the streamed pieces form the answer", "[pipeline]") {
  auto chat = model().session();
  std::string streamed;
  const llava::answer a =
      value(chat.try_ask(test_image(1), question, [&](std::string_view piece) { streamed += piece; }));
  CHECK(llava::stripped(streamed) == a.text);
  CHECK_FALSE(a.text.empty());
  CHECK(a.reason == llava::finish_reason::eos);
  CHECK(model().tokenizer().decode(a.tokens, true).find(a.text) != std::string::npos);
}

TEST_CASE("session: a second question reuses the first one's tokens and gives a new session's answer", "[pipeline]") {
  auto chat = model().session();
  value(chat.try_ask(test_image(2), question));
  const llava::answer second = value(chat.try_ask("How many shapes are there?"));
  CHECK(second.reused_tokens > 49);  // the image at least

  auto fresh = model().session();
  fresh.restore(chat.save());
  fresh.truncate(2);
  const llava::answer again = value(fresh.try_ask("How many shapes are there?"));
  // The last token's logits are computed, and with it the tokens before it in its block if the block is full.
  CHECK(again.reused_tokens >= again.prompt_tokens - llava::kv_block);
  CHECK(again.tokens == second.tokens);

  auto other = forgetful_model().session();
  other.restore(fresh.save());
  other.truncate(2);
  for (int i = 0; i < 2; ++i) {
    const llava::answer computed = value(other.try_ask("How many shapes are there?"));
    CHECK(computed.reused_tokens == 0);
    CHECK(computed.tokens == second.tokens);
    other.truncate(2);
  }
}

TEST_CASE("session: another image in the same place is not mistaken for the first", "[pipeline]") {
  auto chat = model().session();
  const llava::image first = test_image(0, 91, 83), second = test_image(1, 91, 83);
  const llava::answer red = value(chat.try_ask(first, "What color is the shape?"));
  chat.truncate(0);
  const llava::answer blue = value(chat.try_ask(second, "What color is the shape?"));
  auto fresh = forgetful_model().session();
  CHECK(value(fresh.try_ask(second, "What color is the shape?")).tokens == blue.tokens);
  CHECK(blue.reused_tokens < blue.prompt_tokens - 49);
  chat.truncate(0);
  CHECK(value(chat.try_ask(first, "What color is the shape?")).tokens == red.tokens);
}

TEST_CASE("session: forks share their past and then continue independently", "[pipeline]") {
  auto chat = model().session();
  value(chat.try_ask(test_image(3), question));
  auto other = chat.fork();
  const llava::answer a = value(chat.try_ask("How many shapes are there?"));
  const llava::answer b = value(other.try_ask("How many shapes are there?"));
  CHECK(a.tokens == b.tokens);
  CHECK(b.reused_tokens > 49);
  CHECK(value(other.try_ask("What color is it?")).text == value(chat.try_ask("What color is it?")).text);
}

TEST_CASE("session: a question may be text alone", "[pipeline]") {
  auto chat = model().session();
  chat.settings.max_new_tokens = 8;
  const llava::answer a = value(chat.try_ask("hello"));
  CHECK(a.tokens.size() <= 8);
}

TEST_CASE("R10: <image> in a question without an image is text; with images the counts must agree", "[pipeline]") {
  auto chat = model().session();
  chat.settings.max_new_tokens = 2;
  const auto prompt = model().try_prompt(0, "what is <image> here?");
  REQUIRE(prompt);
  for (const std::int32_t id : llava::prompt_ids(model().tokenizer(), model().description(), *prompt, false))
    CHECK(id != model().description().image_token);
  CHECK(chat.try_ask("what is <image> here?"));

  const llava::image two[] = {test_image(0), test_image(1)};
  const auto refused = chat.try_ask(two, "only one <image> here");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::mismatch);
  CHECK(refused.error().sentence().find("1 <image> for 2 images") != std::string::npos);
  CHECK(chat.save().turns.size() == 2);  // the failed question left no trace

  // Where other questions have images, it stays text; what is computed for it is reused.
  const llava::answer seen = value(chat.try_ask(two[1], "<image> what is it?"));
  const llava::answer more = value(chat.try_ask("and <image> is <image>?"));
  CHECK(more.reused_tokens >= seen.prompt_tokens - llava::kv_block);
  chat.truncate(0);
  value(chat.try_ask(two[1], question));
  const llava::answer typed = value(chat.try_ask("what is <image> here?"));
  const llava::answer again = value(chat.try_ask(two[0], "and this <image>?"));
  CHECK(again.reused_tokens >= typed.prompt_tokens - llava::kv_block);
  auto other = forgetful_model().session();
  other.settings = chat.settings;
  other.restore(chat.save());
  other.truncate(4);
  CHECK(value(other.try_ask(two[0], "and this <image>?")).tokens == again.tokens);
}

TEST_CASE("session: an answer ends at a stop text or its length, and eos may be ignored", "[pipeline]") {
  auto chat = model().session();
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 20;
  const llava::answer all = value(chat.try_ask(test_image(1), question));
  CHECK(all.tokens.size() == 20);
  CHECK(all.reason == llava::finish_reason::length);
  REQUIRE(all.text.size() > 4);

  chat.truncate(0);
  const std::string stop = all.text.substr(all.text.size() / 2, 2);
  chat.settings.stop = {stop};
  const llava::answer cut = value(chat.try_ask(test_image(1), question));
  CHECK(cut.reason == llava::finish_reason::stop_text);
  CHECK(cut.text == llava::stripped(all.text.substr(0, all.text.find(stop))));
}

TEST_CASE("session: the logits hook decides, and log-probabilities are those of the model", "[pipeline]") {
  auto chat = model().session();
  chat.settings.max_new_tokens = 3;
  chat.settings.ignore_eos = true;
  chat.settings.logprobs = true;
  chat.hooks.on_logits = [](std::span<float> logits) {
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (i != 300) logits[i] = -1e30f;
  };
  const llava::answer a = value(chat.try_ask(test_image(1), question));
  CHECK(a.tokens == std::vector<std::int32_t>{300, 300, 300});
  for (float p : a.logprobs) CHECK(p < -1.f);  // an unlikely token
}

TEST_CASE("R1: any number of new tokens may be requested", "[pipeline]") {
  for (const int most : {INT_MAX, 0, -1, INT_MIN}) {
    auto chat = model().session();
    chat.settings.max_new_tokens = most;
    chat.settings.logprobs = true;
    const llava::answer a = value(chat.try_ask(test_image(1), question));
    CHECK(a.tokens.empty() == (most <= 0));
    auto together = model().batch();
    const llava::image p = test_image(1);
    const auto added =
        together.try_add(*model().try_prompt(1, question), std::span<const llava::image>(&p, 1), chat.settings);
    CHECK(static_cast<bool>(added) == (most <= 0));  // a batch accepts only what fits completely
  }
}

TEST_CASE("session: an answer states the wall time of its parts", "[pipeline]") {
  constexpr auto pause = std::chrono::milliseconds(20);
  auto chat = model().session();
  int logits = 0, pieces = 0;
  chat.settings.max_new_tokens = 3;
  chat.settings.ignore_eos = true;
  const auto pause_first = [&](std::span<float>) {
    if (logits++ == 0) std::this_thread::sleep_for(pause);
  };
  chat.hooks.on_logits = pause_first;
  const auto before = std::chrono::steady_clock::now();
  const llava::answer a = value(chat.try_ask(test_image(1), question, [&](std::string_view) {
    if (pieces++ == 0) std::this_thread::sleep_for(2 * pause);
  }));
  const std::chrono::duration<double> all = std::chrono::steady_clock::now() - before;
  CHECK(a.seconds.prepare > 0);
  CHECK(a.seconds.prefill >= 0.02);
  CHECK(a.seconds.decode >= 0.04);
  CHECK(a.seconds.prepare + a.seconds.prefill + a.seconds.decode <= all.count());
}

TEST_CASE("session: sampling is reproducible from its seed", "[pipeline]") {
  const auto sampled = [](std::uint64_t seed) {
    auto chat = model().session();
    chat.settings.temperature = 3.f;
    chat.settings.seed = seed;
    chat.settings.ignore_eos = true;
    chat.settings.max_new_tokens = 24;
    return value(chat.try_ask(test_image(1), question)).tokens;
  };
  CHECK(sampled(1) == sampled(1));
  CHECK(sampled(1) != sampled(2));
}

TEST_CASE("R11: a question can be cancelled from another thread, and the conversation is unchanged", "[pipeline]") {
  auto chat = model().session();
  value(chat.try_ask(test_image(1), question));
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 100000;
  std::stop_source stop;
  chat.hooks.stop = stop.get_token();
  int pieces = 0;
  const auto a = chat.try_ask("and now?", [&](std::string_view) {
    if (++pieces == 5) std::thread([&] { stop.request_stop(); }).join();
  });
  REQUIRE_FALSE(a);
  CHECK(a.error().code() == llava::errc::cancelled);
  CHECK(pieces == 5);
  CHECK(chat.save().turns.size() == 2);

  chat.hooks.stop = {};
  chat.settings = {};
  auto fresh = model().session();
  value(fresh.try_ask(test_image(1), question));
  CHECK(value(chat.try_ask("and now?")).tokens == value(fresh.try_ask("and now?")).tokens);
}

TEST_CASE("R11: each answer of a batch is cancelled by its own stop, within a step too, and the others continue",
          "[pipeline]") {
  const std::string prompt = *model().try_prompt(1, question);
  const llava::image p = test_image(1);
  llava::generation_settings longest;
  longest.ignore_eos = true;
  longest.max_new_tokens = 100;
  auto alone = model().session();
  alone.settings = longest;
  const auto expected = value(alone.try_generate(prompt, std::span<const llava::image>(&p, 1))).tokens;

  auto together = model().batch();
  std::stop_source first, never_begun;
  llava::generation_hooks stopped;
  stopped.stop = first.get_token();
  int steps = 0;
  stopped.on_logits = [&](std::span<float>) {
    if (++steps == 5) std::thread([&] { first.request_stop(); }).join();
  };
  REQUIRE(together.try_add(prompt, std::span<const llava::image>(&p, 1), longest, stopped));
  REQUIRE(together.try_add(prompt, std::span<const llava::image>(&p, 1), longest));
  llava::generation_hooks at_once;
  at_once.stop = never_begun.get_token();
  never_begun.request_stop();
  REQUIRE(together.try_add(prompt, std::span<const llava::image>(&p, 1), longest, at_once));
  const auto answers = values(together.try_run());
  CHECK(answers[0].reason == llava::finish_reason::cancelled);
  CHECK(answers[0].tokens == std::vector<std::int32_t>(expected.begin(), expected.begin() + 5));
  CHECK(answers[1].reason == llava::finish_reason::length);
  CHECK(answers[1].tokens == expected);
  CHECK(answers[2].reason == llava::finish_reason::cancelled);
  CHECK(answers[2].tokens.empty());
}

TEST_CASE("R11: a batch's step ends at the next layer when all its answers are cancelled", "[pipeline]") {
  struct counting_executor final : llava::executor {
    int calls = 0, stop_at = -1;
    std::stop_source stop;
    int concurrency() const override { return 2; }
    void parallel_for(int pieces, llava::function_ref<void(int)> piece) override {
      if (++calls == stop_at) stop.request_stop();
      for (int i = 0; i < pieces; ++i) piece(i);
    }
  };
  const auto threads = std::make_shared<counting_executor>();
  llava::open_options o = options();
  o.threads_of_host = threads;
  const model_type m = open(o);
  const std::string text = "A text without an image, long enough for a step.";
  const auto step = [&] {
    auto batch = m.batch();
    llava::generation_hooks hooks;
    hooks.stop = threads->stop.get_token();
    REQUIRE(batch.try_add(text, {}, {}, hooks));
    const int before = threads->calls;
    REQUIRE(batch.try_step());
    const int calls = threads->calls - before;
    return std::pair(calls, threads->stop.stop_requested() ? values(batch.try_run()) : std::vector<llava::answer>());
  };
  const int whole = step().first, layers = m.description().text.layers;
  REQUIRE(whole > 2 * layers);
  threads->stop_at = threads->calls + 2;  // in the first layer
  const auto [cut, answers] = step();
  CHECK(cut <= 2 * whole / layers);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].reason == llava::finish_reason::cancelled);
  CHECK(answers[0].tokens.empty());
}

TEST_CASE("session: a prompt that does not fit the context is refused before anything is computed", "[pipeline]") {
  auto chat = model().session();
  std::string longer;
  for (int i = 0; i < 4000; ++i) longer += "shape ";
  const auto a = chat.try_ask(longer);
  REQUIRE_FALSE(a);
  CHECK(a.error().code() == llava::errc::context_full);
}

TEST_CASE("session: an answer ends where the context ends", "[pipeline]") {
  llava::open_options small = options();
  small.kv_tokens = 160;
  const model_type m = open(small);
  auto chat = m.session();
  chat.settings.ignore_eos = true;
  const llava::answer a = value(chat.try_ask(test_image(1), question));
  CHECK(a.reason == llava::finish_reason::context_full);
  CHECK(a.prompt_tokens + static_cast<int>(a.tokens.size()) == 161);
}
