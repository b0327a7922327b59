// SPDX-License-Identifier: Apache-2.0
/// Where pictures go in a question, and what a folder with mm_use_im_start_end makes of them.
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

namespace {

std::string placed(std::string_view question, std::size_t pictures, bool start_end = false) {
  const auto text = llava::try_place_images(question, pictures, start_end);
  return text ? *text : text.error().sentence();
}

}  // namespace

TEST_CASE("pictures come first, each on a line, or where the question has them", "[pipeline]") {
  CHECK(placed("What?", 0) == "What?");
  CHECK(placed("What?", 2) == "<image>\n<image>\nWhat?");
  CHECK(placed("", 1) == "<image>\n");
  CHECK(placed("In <image>, what?", 1) == "In <image>, what?");
  CHECK(placed("<image-placeholder> or <image-placeholder>?", 2) == "<image> or <image>?");
  CHECK(placed("<image> or <image-placeholder>", 2) == "<image> or <image>");
  CHECK(placed("<image-placeholder", 1) == "<image>\n<image-placeholder");
  CHECK(placed("a word: <image-placeholder>", 0) == "a word: <image-placeholder>");
  CHECK(placed("<image-placeholder>", 2).find("1 <image> for 2 pictures") != std::string::npos);
}

TEST_CASE("with mm_use_im_start_end what we place is marked, and the tokenizer must know the marks", "[pipeline]") {
  CHECK(placed("What?", 1, true) == "<im_start><image><im_end>\nWhat?");
  CHECK(placed("see <image-placeholder>", 1, true) == "see <im_start><image><im_end>");
  CHECK(placed("see <image>", 1, true) == "see <image>");
  CHECK(placed("What?", 0, true) == "What?");

  temporary_folder f("start_end");
  f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
  f.write("config.json",
          replaced(f.read("config.json"), "\"mm_use_im_start_end\": false", "\"mm_use_im_start_end\": true"));
  const auto refused = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence().find("has no <im_start> and <im_end>") != std::string::npos);

  // Two pieces of the vocabulary take their names: the embeddings have no rows to spare.
  f.write("added_tokens.json", R"({"<im_start>": 398, "<im_end>": 399})");
  const auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE(model);
  const std::string prompt = *model->try_prompt(1, "What?");
  CHECK(prompt.find("<im_start><image><im_end>\nWhat?") != std::string::npos);
  const auto ids = llava::prompt_ids(model->words(), model->description(), prompt, true);
  const auto at = std::find(ids.begin(), ids.end(), llava::image_token_index);
  REQUIRE((at != ids.begin() && at + 1 < ids.end()));
  CHECK(at[-1] == 398);
  CHECK(at[1] == 399);
}
