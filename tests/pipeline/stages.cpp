// SPDX-License-Identifier: Apache-2.0
/// The stages of a checkpoint, before their weights are filled.
#include <llava/backend/scalar.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/models/any.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/quant/format.hpp>

#include <gguf_models.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

TEST_CASE("rows that a converter added to the table of a GGUF model of text are never drawn") {
  using namespace gguf_models;
  std::vector<std::string> tokens = pieces;
  tokens.insert(tokens.end(), {"[PAD6]", "[PAD7]"});
  key_map keys = with(language_keys(), "tokenizer.ggml.tokens", value(tokens));
  keys["tokenizer.ggml.scores"] = value(std::vector<float>{0, 0, 0, -1, -2, -3, -9, -9});
  keys["tokenizer.ggml.token_type"] = value(std::vector<std::int32_t>{2, 3, 3, 1, 1, 1, 5, 5});
  gguf_bytes g = file_of(keys);
  add_f32(g, "token_embd.weight", {8, tokens.size()});
  temporary_folder f("padded");
  f.write("x.gguf", g.bytes());
  const auto opened = llava::try_open_checkpoint(f / "x.gguf");
  if (!opened) FAIL(opened.error().what());
  CHECK(opened->description.text.vocab == 8);
  const auto stages = llava::model_stages<llava::any, llava::scalar, llava::weights<llava::f32>>::try_make(*opened);
  if (!stages) FAIL(stages.error().what());
  CHECK(stages->text->vocab() == 6);
  CHECK(stages->text->head_rows() == 8);
}
