// SPDX-License-Identifier: Apache-2.0
/// The bundled model on the device and on the CPU, with weights of one format. No picture file is needed: the program
/// draws one.
#include <closeness.hpp>
#include <llava_catch.hpp>

#include <llava/pipeline/session.hpp>

#include "models.hpp"

namespace {

/// A red disc and a blue square on white.
llava::image picture() {
  llava::image img(96, 80);
  for (int y = 0; y < img.height(); ++y)
    for (int x = 0; x < img.width(); ++x) {
      const bool disc = (x - 28) * (x - 28) + (y - 40) * (y - 40)<400, square = x> 58 && x < 86 && y > 26 && y < 54;
      std::uint8_t* const pixel = img.row(y) + 3 * x;
      pixel[0] = square ? 30 : disc ? 220 : 255;
      pixel[1] = disc || square ? 40 : 255;
      pixel[2] = disc ? 40 : square ? 210 : 255;
    }
  return img;
}

template <class Open>
llava::session conversation(Open&& open) {
  llava::open_options options;
  options.kv_tokens = 1024;
  auto model = open(LLAVA_EXAMPLES_DIR "/tiny", options);
  if (!model) FAIL(model.error().what());
  return llava::session(*std::move(model));
}
constexpr const char* questions[] = {"Describe the picture.", "How many shapes are there?",
                                     "What colour is the circle?"};

template <class Open>
std::vector<std::vector<std::int32_t>> answers(Open&& open) {
  std::vector<std::vector<std::int32_t>> all;
  for (const char* question : questions) {
    llava::session chat = conversation(open);
    chat.settings.max_new_tokens = 32;
    const auto answer = chat.try_ask(picture(), question);
    if (!answer) FAIL(answer.error().what());
    all.push_back(answer->tokens);
  }
  return all;
}
template <class Open>
std::vector<float> logits(Open&& open) {
  llava::open_options options;
  options.kv_tokens = 1024;
  auto model = open(LLAVA_EXAMPLES_DIR "/tiny", options);
  if (!model) FAIL(model.error().what());
  const llava::image img = picture();
  const auto prompt = (*model)->try_first_prompt(1, questions[0]);
  REQUIRE(prompt);
  const auto all = llava::session(*model).try_logits(*prompt, std::span<const llava::image>(&img, 1));
  if (!all) FAIL(all.error().what());
  return *all;
}

}  // namespace

TEST_CASE("greedy tokens of the bundled model on the device equal the CPU's, and with bf16 its logits are close") {
  if (gpu::format_name == "bf16") {  // rounds operands of products otherwise than the CPU: R15's bound for bf16
    CHECK(largest_error(logits(gpu::try_open), logits(gpu::try_open_on_cpu)) <= 1.5e-2);
    return;
  }
  const auto found = answers(gpu::try_open);
  CHECK(found == answers(gpu::try_open_on_cpu));
  for (const auto& tokens : found) CHECK(tokens.size() >= 2);
}
