// SPDX-License-Identifier: Apache-2.0
/// Penalties, biases, stop tokens and the likeliest tokens in whole answers.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tiny_model.hpp"

using namespace tiny;

namespace {
constexpr const char* question = "What is in the picture?";

llava::generation_settings twelve_tokens() {
  llava::generation_settings s;
  s.ignore_eos = true;
  s.max_new_tokens = 12;
  return s;
}
llava::answer ask(const llava::generation_settings& s, const llava::generation_hooks& h = {}) {
  auto chat = model().session();
  chat.settings = s;
  chat.hooks = h;
  return value(chat.try_ask(test_image(1), question));
}
/// The logits of each new token, as the hook sees them.
std::vector<std::vector<float>> logits_of(const llava::generation_settings& s) {
  std::vector<std::vector<float>> seen;
  llava::generation_hooks h;
  h.on_logits = [&](std::span<float> l) { seen.emplace_back(l.begin(), l.end()); };
  ask(s, h);
  return seen;
}
double logprob(const std::vector<float>& logits, std::size_t token) {
  double sum = 0;
  for (const float l : logits) sum += std::exp(double{l});
  return double{logits[token]} - std::log(sum);
}
bool same_bytes(const llava::answer& a, const llava::answer& b) {
  return a.tokens == b.tokens && a.logprobs == b.logprobs && a.top_logprobs == b.top_logprobs;
}
}  // namespace

TEST_CASE("top_logprobs: the likeliest tokens by the model's logits, and the chosen one's log-probability",
          "[pipeline]") {
  auto s = twelve_tokens();
  const auto logits = logits_of(s);
  s.logprobs = true;
  s.top_logprobs = 5;
  const llava::answer a = ask(s);
  REQUIRE((a.tokens.size() == 12 && logits.size() == 12));
  REQUIRE((a.logprobs.size() == 12 && a.top_logprobs.size() == 60));
  for (std::size_t i = 0; i < 12; ++i) {
    std::vector<std::size_t> order(logits[i].size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto l, auto r) { return logits[i][l] > logits[i][r]; });
    for (std::size_t k = 0; k < 5; ++k) {
      const llava::token_logprob& top = a.top_logprobs[5 * i + k];
      CHECK(top.token == static_cast<std::int32_t>(order[k]));
      CHECK(std::abs(double{top.logprob} - logprob(logits[i], order[k])) < 1e-5);
    }
    CHECK(a.tokens[i] == a.top_logprobs[5 * i].token);  // greedy
    CHECK(a.logprobs[i] == a.top_logprobs[5 * i].logprob);
  }
  s.top_logprobs = 0;
  CHECK(ask(s).top_logprobs.empty());
}

TEST_CASE("log-probabilities are those of the model, whatever changes its logits", "[pipeline]") {
  auto s = twelve_tokens();
  s.max_new_tokens = 1;
  const std::vector<float> logits = logits_of(s).front();
  s.logprobs = true;
  s.top_logprobs = 20;
  const llava::answer plain = ask(s);
  const auto check = [&](const llava::answer& a, std::size_t token) {
    CHECK(a.tokens == std::vector<std::int32_t>{static_cast<std::int32_t>(token)});
    CHECK(a.top_logprobs == plain.top_logprobs);
    REQUIRE(a.logprobs.size() == 1);
    CHECK(std::abs(double{a.logprobs[0]} - logprob(logits, token)) < 1e-5);
  };
  check(plain, static_cast<std::size_t>(plain.tokens[0]));
  auto changed = s;
  changed.logit_bias = {{300, 1000.f}};
  check(ask(changed), 300);
  changed.temperature = 0.5f;
  check(ask(changed), 300);
  changed = s;
  changed.suppress_tokens = {plain.tokens[0]};
  check(ask(changed), static_cast<std::size_t>(plain.top_logprobs[1].token));
  llava::generation_hooks h;
  h.on_logits = [](std::span<float> l) { l[301] = 1e6f; };
  check(ask(s, h), 301);
}

TEST_CASE("presence and frequency penalties count the tokens of the answer, as a hook that counts them", "[pipeline]") {
  auto longer = twelve_tokens();
  longer.max_new_tokens = 40;
  for (std::int32_t t = 300; t < 332; ++t) longer.logit_bias.push_back({t, 100.f});  // rivals that are nearly as likely
  const llava::answer plain = ask(longer);
  for (const auto& [presence, frequency] : {std::pair(2.f, 0.f), std::pair(0.f, 2.f), std::pair(1.f, 1.5f)}) {
    auto s = longer;
    std::map<std::size_t, int> counts;
    llava::generation_hooks h;
    h.on_logits = [&, p = presence, f = frequency](std::span<float> l) {
      for (const auto& [token, n] : counts) l[token] -= static_cast<float>(n) * f + p;
      ++counts[static_cast<std::size_t>(std::max_element(l.begin(), l.end()) - l.begin())];
    };
    const llava::answer by_hook = ask(s, h);
    s.presence_penalty = presence, s.frequency_penalty = frequency;
    CHECK(ask(s).tokens == by_hook.tokens);
    CHECK(plain.tokens != by_hook.tokens);
  }
}

TEST_CASE("a bias forbids or forces a token", "[pipeline]") {
  const llava::answer plain = ask(twelve_tokens());
  auto s = twelve_tokens();
  for (const std::int32_t t : plain.tokens)
    if (std::none_of(s.logit_bias.begin(), s.logit_bias.end(), [&](const auto& b) { return b.token == t; }))
      s.logit_bias.push_back({t, -1000.f});
  for (const std::int32_t t : ask(s).tokens)
    CHECK(std::find(plain.tokens.begin(), plain.tokens.end(), t) == plain.tokens.end());
  s.logit_bias = {{300, 1000.f}};
  CHECK(ask(s).tokens == std::vector<std::int32_t>(12, 300));
  s.logit_bias = {{300, 0.f}};
  CHECK(ask(s).tokens == plain.tokens);
}

TEST_CASE("stop_token_ids end an answer at the first of them, which is not part of its text", "[pipeline]") {
  const llava::answer plain = ask(twelve_tokens());
  auto s = twelve_tokens();
  s.stop_token_ids = {0, plain.tokens[5]};
  const llava::answer stopped = ask(s);
  const auto end = std::find(plain.tokens.begin(), plain.tokens.end(), plain.tokens[5]) + 1;
  CHECK(stopped.tokens == std::vector<std::int32_t>(plain.tokens.begin(), end));
  CHECK(stopped.reason == llava::finish_reason::stop_token);
  CHECK((stopped.text.size() < plain.text.size() && plain.text.starts_with(stopped.text)));

  const llava::answer usual = ask({});  // ends at eos
  REQUIRE(usual.reason == llava::finish_reason::eos);
  s = {};
  s.stop_token_ids = {usual.tokens.back()};
  CHECK(ask(s).reason == llava::finish_reason::eos);
  s.ignore_eos = true;
  const llava::answer at_eos = ask(s);
  CHECK(at_eos.reason == llava::finish_reason::stop_token);
  CHECK((at_eos.tokens == usual.tokens && at_eos.text == usual.text));
}

TEST_CASE("a token that the model does not have is an error of its own question only", "[pipeline]") {
  const int vocab = model().description().text.vocab;
  const std::string expected = " has token " + std::to_string(vocab) + ", expected 0 to " + std::to_string(vocab - 1) +
                               ", the tokens of the model";
  auto chat = model().session();
  chat.settings.logit_bias = {{vocab, 1.f}};
  auto a = chat.try_ask(test_image(1), question);
  REQUIRE_FALSE(a);
  CHECK(a.error().code() == llava::errc::invalid_argument);
  CHECK(a.error().sentence() == "llava: logit_bias" + expected);
  CHECK(chat.save().turns.empty());
  chat.settings = twelve_tokens();
  CHECK(value(chat.try_ask(test_image(1), question)).tokens == ask(twelve_tokens()).tokens);

  auto wrong = twelve_tokens();
  wrong.stop_token_ids = {vocab};
  chat.settings = wrong;
  a = chat.try_ask(question);
  REQUIRE_FALSE(a);
  CHECK(a.error().sentence() == "llava: stop_token_ids" + expected);
}

TEST_CASE("R14: sampling settings give an answer the same bytes alone and in a batch", "[pipeline]") {
  std::vector<llava::generation_settings> all(6, twelve_tokens());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].seed = i;
    all[i].logprobs = i % 2 == 0;
    all[i].top_logprobs = static_cast<int>(4 * i);
  }
  all[0].temperature = 2.f, all[0].min_p = 0.05f;
  all[1].presence_penalty = 1.f;
  all[2].frequency_penalty = -1.f, all[2].temperature = 1.f;
  all[3].logit_bias = {{300, 4.f}, {5, -4.f}}, all[3].repetition_penalty = 1.2f;
  all[5].temperature = 3.f, all[5].min_p = 0.5f, all[5].frequency_penalty = 0.5f;
  const llava::image image = test_image(1);
  const std::string prompt = *model().try_prompt(1, question);
  auto together = model().batch();
  for (const auto& s : all) REQUIRE(together.try_add(prompt, std::span<const llava::image>(&image, 1), s));
  const auto answers = values(together.try_run());
  REQUIRE(answers.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(same_bytes(answers[i], ask(all[i])));
    CHECK(answers[i].top_logprobs.size() == 4 * i * answers[i].tokens.size());
  }
}
