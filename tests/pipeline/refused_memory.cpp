// SPDX-License-Identifier: Apache-2.0
/// R12: each allocation of every public call is refused once. The call returns errc::out_of_memory (or does without)
/// and changes nothing, and the next call works.
#include <llava/image/file.hpp>
#include <llava/pipeline/quantise.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

using namespace tiny;

TEST_CASE("R12: memory is refused while an answer is generated, and the conversation is unchanged", "[pipeline]") {
  auto chat = model().session();
  chat.settings = few(3);
  value(chat.try_ask(test_image(1), "What is in the picture?"));
  auto expected = chat.fork();
  const auto next = value(expected.try_ask(test_image(2), "And here?")).tokens;
  const llava::image second = test_image(2);
  const auto question = [&]() -> llava::result<llava::answer> {
    auto a = chat.try_ask(second, "And here?");
    if (a) chat.truncate(2);
    return a;
  };
  CHECK(refuse_each(question) > 20);
  CHECK(chat.save().turns.size() == 2);
  CHECK(value(chat.try_ask(test_image(2), "And here?")).tokens == next);

  const llava::image p = test_image(3);
  const std::string prompt = *model().try_prompt(1, "hello");
  CHECK(refuse_each([&] { return chat.try_generate(prompt, std::span<const llava::image>(&p, 1)); }) > 10);
  CHECK(refuse_each([&] { return chat.try_logits("hello", {}); }) > 3);
}

TEST_CASE("R12: a batch continues after memory was refused", "[pipeline]") {
  const std::string prompt = *model().try_prompt(0, "hello");
  auto alone = model().session();
  alone.settings = few(3);
  const auto expected = value(alone.try_generate(prompt, {})).tokens;
  auto together = model().batch();
  CHECK(refuse_each([&] { return together.try_add(prompt, {}, few(3)); }) > 3);
  for (auto& a : values(together.try_run())) CHECK(a.tokens == expected);
  int refusals = 0;
  for (long n = 0;; ++n) {
    REQUIRE(together.try_add(prompt, {}, few(3)));
    REQUIRE(together.try_add(prompt, {}, few(3)));
    llava::result<std::vector<llava::result<llava::answer>>> answers = llava::fail(llava::errc::io, "llava: not yet");
    bool refused;
    {
      allocations::refuse_one one(n);
      answers = together.try_run();
      refused = one.refused();
      allocations::left = -1;
    }
    if (!answers) {  // of the answers' own memory
      REQUIRE(answers.error().code() == llava::errc::out_of_memory);
      answers = together.try_run();
      REQUIRE(answers);
    }
    REQUIRE(answers->size() == 2);
    for (auto& a : *answers)
      if (a)
        CHECK(a->tokens == expected);
      else
        REQUIRE(a.error().code() == llava::errc::out_of_memory);
    if (!refused) break;
    ++refusals;
  }
  CHECK(refusals > 3);
}

TEST_CASE("R12: memory is refused in stages and prompts", "[pipeline]") {
  const llava::image p = test_image(1);
  CHECK(refuse_each([&] { return model().try_prompt(1, "What is in the picture?"); }) > 0);
  CHECK(refuse_each([&] { return model().try_preprocess(p); }) > 0);
  CHECK(refuse_each([&] { return model().try_pixels(p); }) > 0);
  CHECK(refuse_each([&] { return model().try_features(p); }) > 0);
  CHECK(refuse_each([&] { return model().try_encode(p); }) > 0);
  CHECK(refuse_each([&] { return model().try_image_tokens(p); }) > 0);
}

TEST_CASE("R12: memory is refused while a model is opened and quantised, and nothing is left behind", "[pipeline]") {
  const std::string golden = LLAVA_TEST_DATA "/goldens/clip_mha";
  llava::open_options one = options(1);
  one.kv_tokens = 256;
  CHECK(refuse_each([&] { return model_type::try_open(golden, one); }, 300, 7) > 100);
  temporary_folder f("refused");
  const std::string to = f / "q4";
  const auto quantise = [&] { return llava::try_quantise<llava::any, llava::scalar, llava::q4_0>(golden, to, one); };
  int refusals = 0;
  for (long n = 0;; n += 11) {
    allocations::refuse_one refuse(n);
    const auto done = quantise();
    const bool refused = refuse.refused();
    allocations::left = -1;
    if (!refused && done) break;
    if (!done) {
      ++refusals;
      REQUIRE(done.error().code() == llava::errc::out_of_memory);
      REQUIRE(std::filesystem::is_empty(f.path));
    } else {
      std::filesystem::remove_all(to);
    }
  }
  CHECK(refusals > 20);
}

TEST_CASE("R12: memory is refused while an image file is read", "[image]") {
  const std::string file = folder + "/images/three-shapes.png";
  CHECK(refuse_each([&] { return llava::try_read_image(file); }) > 1);
  const llava::image p = test_image(1);
  CHECK(refuse_each([&] { return llava::try_image_from_rgb(p.width(), p.height(), std::as_bytes(p.pixels())); }) > 0);
}
