// SPDX-License-Identifier: Apache-2.0
#include "tiny_model.hpp"

#include <cstring>
#include <thread>

using namespace tiny;

namespace {

std::string prompt_of(std::string_view question, std::size_t images = 1) {
  return *model().try_prompt(images, question);
}

std::vector<float> logits(const model_type& m, const std::string& prompt, const llava::image& p) {
  auto chat = m.session();
  auto l = chat.try_logits(prompt, std::span<const llava::image>(&p, 1));
  if (!l) FAIL(l.error().what());
  return *std::move(l);
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("R14: logits have the same bytes for every number of threads and chunk size", "[pipeline]") {
  const std::string prompt = prompt_of("What is in the picture?");
  const std::vector<float> expected = logits(model(), prompt, test_image(1));
  for (int threads : {1, 2, 3})
    for (int chunk : {1, 5, 16, 64, 640}) {
      if (is_sanitized && (threads != 2 || (chunk != 16 && chunk != 640))) continue;
      INFO("threads " << threads << ", chunk " << chunk);
      CHECK(same_bytes(logits(open(options(threads, chunk)), prompt, test_image(1)), expected));
    }
}

TEST_CASE("R14: an answer in a batch equals the answer alone", "[pipeline]") {
  const char* questions[] = {"What is in the picture?", "How many shapes are there?", "What color is the shape?",
                             "Is there a circle?", "Is there a red shape?"};
  for (int rows : {1, 2, 5, 16}) {
    if (is_sanitized && rows != 5) continue;
    llava::open_options o = options(2, 64);
    o.max_sequences = 7;  // fewer than the largest batch: some wait
    const model_type m = open(o);
    auto together = m.batch();
    std::vector<llava::answer> alone;
    for (int i = 0; i < rows; ++i) {
      const llava::image p = test_image(i % 4);
      const std::string prompt = prompt_of(questions[i % 5]);
      llava::generation_settings s;
      s.max_new_tokens = 5 + i % 7;
      s.temperature = i % 3 == 2 ? 1.5f : 0.f;  // sampled rows too
      s.seed = static_cast<std::uint64_t>(i);
      s.ignore_eos = i % 2 == 1;
      REQUIRE(together.try_add(prompt, std::span<const llava::image>(&p, 1), s));
      auto chat = forgetful_model().session();
      chat.settings = s;
      alone.push_back(value(chat.try_generate(prompt, std::span<const llava::image>(&p, 1))));
    }
    const auto answers = values(together.try_run());
    REQUIRE(answers.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      INFO("row " << i << " of " << rows);
      CHECK(answers[i].tokens == alone[i].tokens);
      CHECK(answers[i].text == alone[i].text);
      CHECK(answers[i].reason == alone[i].reason);
    }
  }
}

TEST_CASE("R14: sessions that ask at the same time get the answers that they get alone", "[pipeline]") {
  std::vector<std::vector<std::int32_t>> expected(4), got(4);
  for (int i = 0; i < 4; ++i)
    expected[static_cast<std::size_t>(i)] =
        value(forgetful_model().session().try_ask(test_image(i), "What is in the picture?")).tokens;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int turn = 0; turn < 3; ++turn) {
          auto a = model().session().try_ask(test_image(i), "What is in the picture?");
          if (a) got[static_cast<std::size_t>(i)] = a->tokens;
        }
      });
  }
  CHECK(got == expected);
}
