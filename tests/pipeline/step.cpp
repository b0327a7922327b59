// SPDX-License-Identifier: Apache-2.0
/// A step packs, computes and reads: on a device one upload, a graph that is recorded once, and one download.
#include <array>
#include <cstdint>

#include "../backend/remote.hpp"
#include "tiny_model.hpp"

using namespace tiny;

namespace {
template <class B>
using on = llava::pipeline<llava::any, B, llava::weights<llava::f32>>;

template <class B>
const on<B>& model_on() {
  static const on<B> model = [] {
    llava::open_options o;
    o.kv_tokens = 2048;
    o.prompt_lookup = 0;
    auto opened = on<B>::try_open(folder, o);
    if (!opened) FAIL(opened.error().what());
    return *std::move(opened);
  }();
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
        CHECK(at[i].uploads - at[i - 1].uploads == halves);
        CHECK(at[i].downloads - at[i - 1].downloads == halves);
        CHECK(at[i].recorded == at[i - 1].recorded);
        CHECK(at[i].replayed - at[i - 1].replayed == halves);
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
