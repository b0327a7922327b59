// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/pipeline/choose_conversation.hpp>
#include <llava/text/of_checkpoint.hpp>

#include <llava_catch.hpp>

TEST_CASE("the stop token of a template ends answers, beside the checkpoint's own") {
  const auto words = llava::try_open_tokenizer(LLAVA_TEST_DATA "/goldens/original_llama3");
  REQUIRE(words);
  const std::int32_t eot = *words->find("<|eot_id|>"), end = *words->find("<|end_of_text|>");
  const auto eos_with = [&](auto make, std::string_view asked, const char* of_folder = "") {
    auto conversation = make();
    llava::model_description d;
    d.eos = {end};
    d.conversation.name = of_folder;
    REQUIRE(llava::try_choose_conversation(conversation, d, *words, asked));
    REQUIRE(llava::try_choose_conversation(conversation, d, *words, asked));  // adds nothing twice
    return d.eos;
  };
  const std::vector both{end, eot}, own{end};
  const auto any = [] { return llava::of_checkpoint<>(); };
  const auto by_default = [] { return llava::of_checkpoint<llava::llava_llama_3>(); };
  const auto fixed = [] { return llava::llava_llama_3(); };
  CHECK(eos_with(any, "", "llava_llama_3") == both);
  CHECK(eos_with(any, "llava_llama_3") == both);
  CHECK(eos_with(by_default, "") == both);
  CHECK(eos_with(fixed, "") == both);
  CHECK(eos_with(any, "") == own);
  CHECK(eos_with(any, "qwen_1_5") == own);
  const auto other = llava::try_open_tokenizer(LLAVA_TEST_DATA "/goldens/clip_mha");  // has no such token
  REQUIRE(other);
  llava::model_description d;
  llava::of_checkpoint<> conversation;
  REQUIRE(llava::try_choose_conversation(conversation, d, *other, "llava_llama_3"));
  CHECK(d.eos.empty());
}
