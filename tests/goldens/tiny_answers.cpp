// SPDX-License-Identifier: Apache-2.0
/// The bundled model answers as in transformers, token for token: conversations about scenes, recorded by
/// tests/oracle/tiny_answers.py, and questions of easy-VQA if LLAVA_EASY_VQA names the data folder of that package.
#include <llava.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/image/file.hpp>
#include <llava_catch.hpp>

#include <cstdlib>
#include <sstream>

namespace {

const std::string tiny = std::string(LLAVA_EXAMPLES_DIR) + "/tiny";

std::vector<std::int32_t> numbers(const llava::json_value& list) {
  std::vector<std::int32_t> all;
  for (const llava::json_value& number : list.items())
    all.push_back(static_cast<std::int32_t>(number.integer().value_or(-1)));
  return all;
}

llava::image test_image(const llava::json_value& record, const llava::json_value& which) {
  const bool scene = *record.find("source")->text() == "scenes";
  const std::string file =
      scene ? tiny + "/scenes/" + *which.text()
            : std::string(std::getenv("LLAVA_EASY_VQA")) + "/test/images/" + std::to_string(*which.integer()) + ".png";
  auto read = llava::try_read_image(file);
  if (!read) FAIL(read.error().what());
  return *std::move(read);
}

}  // namespace

TEST_CASE("the bundled model's answers equal transformers', token for token") {
  auto model = llava::try_open<llava::any, llava::simd, llava::f32>(tiny);
  if (!model) FAIL(model.error().what());
  const auto text = llava::try_read_text_file(LLAVA_TEST_DATA "/tiny_answers.jsonl");
  REQUIRE(text);
  std::istringstream lines(*text);
  std::size_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto record = llava::try_parse_json("tiny_answers.jsonl", line);
    REQUIRE(record);
    if (*record->find("source")->text() == "easy_vqa" && !std::getenv("LLAVA_EASY_VQA")) continue;
    auto chat = model->session();
    chat.settings.max_new_tokens = 64;
    std::vector<llava::image> images;
    for (const llava::json_value& which : record->find("images")->items()) images.push_back(test_image(*record, which));
    std::span<const llava::image> fresh(images);
    for (const llava::json_value& turn : record->find("turns")->items()) {
      const auto answer = chat.try_ask(fresh, *turn.find("text")->text());
      fresh = {};  // the conversation holds the images now
      if (!answer) FAIL(answer.error().what());
      INFO(*turn.find("text")->text() << " in " << line.substr(0, 60));
      CHECK(answer->tokens == numbers(*turn.find("output_ids")));
      CHECK(answer->text == *turn.find("answer")->text());
      ++compared;
    }
    const auto ids = llava::prompt_ids(model->tokenizer(), model->description(), *record->find("prompt")->text(), true);
    CHECK(ids == numbers(*record->find("input_ids")));
  }
  CHECK(compared >= 400);
}
