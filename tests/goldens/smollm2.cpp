// SPDX-License-Identifier: Apache-2.0
/// A real language model: LLAVA_SMOLLM2=DIR, a folder that tests/oracle/smollm2_folder.py --answers made. The test is
/// built only if the variable is set when CMake configures.
#include <cstdlib>

#include <llava/backend/simd.hpp>
#include <llava/checkpoint/json.hpp>

#include "golden.hpp"

TEST_CASE("SmolLM2's greedy text equals transformers' in fp32") {
  const char* folder = std::getenv("LLAVA_SMOLLM2");
  REQUIRE(folder);
  const auto model = llava::pipeline<llava::any, llava::simd, llava::weights<llava::f32>>::try_open(folder, {});
  if (!model) FAIL(model.error().what());
  const auto file = llava::json_document::try_read(std::string(folder) + "/greedy.json");
  if (!file) FAIL(file.error().what());
  const auto& answers = file->value().find("answers")->items();
  REQUIRE(answers.size() >= 5);
  for (const llava::json_value& expected : answers) {
    const std::string& prompt = *expected.find("prompt")->text();
    INFO(prompt);
    const auto numbers = [&](const char* key) {
      std::vector<std::int32_t> all;
      for (const llava::json_value& v : expected.find(key)->items())
        all.push_back(static_cast<std::int32_t>(*v.integer()));
      return all;
    };
    CHECK(model->tokenizer().encode(prompt) == numbers("ids"));
    auto chat = model->session();
    chat.settings.max_new_tokens = 64;
    const auto answer = chat.try_generate(prompt, {});
    if (!answer) FAIL(answer.error().what());
    CHECK(answer->tokens == numbers("tokens"));
  }
}
