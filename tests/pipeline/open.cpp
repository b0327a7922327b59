// SPDX-License-Identifier: Apache-2.0
/// What opening a folder checks, and says.
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

namespace {

const std::string golden = LLAVA_TEST_DATA "/goldens/clip_mha";

std::string error_of(const std::string& folder, const llava::open_options& options = {}) {
  const auto opened = tiny::model_type::try_open(folder, options);
  return opened ? "" : opened.error().sentence();
}

/// golden with the header of its weights changed, byte for byte as long.
std::string error_with_header(std::string_view from, std::string_view to) {
  temporary_folder f("header");
  f.copy(golden);
  const std::string changed = replaced(f.read("model.safetensors"), from, to);
  REQUIRE_FALSE(changed.empty());
  REQUIRE(from.size() == to.size());
  f.write("model.safetensors", changed);
  return error_of(f.path.string());
}

}  // namespace

TEST_CASE("all tensors that are missing, of another shape or of another type are told at once") {
  temporary_folder f("header");
  f.copy(golden);
  std::string weights = f.read("model.safetensors");
  weights = replaced(weights, "language_model.model.norm.weight", "language_model.model.nerm.weight");
  weights = replaced(weights, R"("multi_modal_projector.linear_1.weight":{"dtype":"F16","shape":[48,32])",
                     R"("multi_modal_projector.linear_1.weight":{"dtype":"F16","shape":[32,48])");
  weights = replaced(weights, R"("multi_modal_projector.linear_2.bias":{"dtype":"F16")",
                     R"("multi_modal_projector.linear_2.bias":{"dtype":"I16")");
  REQUIRE_FALSE(weights.empty());
  f.write("model.safetensors", weights);
  const std::string sentence = error_of(f.path.string());
  INFO(sentence);
  CHECK(sentence.find("3 tensors of " + f.path.string()) != std::string::npos);
  CHECK(sentence.find("language_model.model.norm.weight: missing, expected (48)") != std::string::npos);
  CHECK(sentence.find("linear_1.weight: expected (48, 32), found (32, 48) in ") != std::string::npos);
  CHECK(sentence.find("linear_2.bias: expected f32, f16 or bf16, found I16 in ") != std::string::npos);
}

TEST_CASE("a vision tower in a folder of its own: its mistakes are told with the others") {
  temporary_folder f("tower");
  f.copy(LLAVA_TEST_DATA "/goldens/original_folder");
  f.write("model.safetensors", replaced(f.read("model.safetensors"), "\"model.norm.weight", "\"model.nerm.weight"));
  f.write("tower/model.safetensors",
          replaced(f.read("tower/model.safetensors"), "layers.1.layer_norm2.bias", "layers.1.layer_norm2.bios"));
  const std::string sentence = error_of(f.path.string());
  INFO(sentence);
  CHECK(sentence.find("2 tensors of " + f.path.string()) != std::string::npos);
  CHECK(sentence.find("model.norm.weight: missing") != std::string::npos);
  CHECK(sentence.find("layers.1.layer_norm2.bias: missing, expected (32), of " + (f / "tower")) != std::string::npos);
}

TEST_CASE(
    "a tensor of whole numbers is no weight, and a tokenizer too large for the embeddings is none for this model") {
  CHECK(error_with_header(R"("multi_modal_projector.linear_2.weight":{"dtype":"F16")",
                          R"("multi_modal_projector.linear_2.weight":{"dtype":"U16")")
            .find("linear_2.weight") != std::string::npos);
  temporary_folder f("tokens");
  f.copy(golden);
  f.write("config.json", replaced(f.read("config.json"), "\"vocab_size\": 402", "\"vocab_size\": 300"));
  CHECK(error_of(f.path.string()).find("has 402 tokens, the model 300 rows of embeddings") != std::string::npos);
}

TEST_CASE("a folder opened as a fixed model that it is not says field by field what differs") {
  const auto opened =
      llava::pipeline<llava::llava_1_5_7b, llava::simd, llava::weights<llava::f16>>::try_open(golden, {});
  REQUIRE_FALSE(opened);
  const std::string sentence = opened.error().sentence();
  INFO(sentence);
  CHECK(opened.error().code() == llava::errc::mismatch);
  CHECK(sentence.find("vision.layers: the model has 24, the folder has 3") != std::string::npos);
  CHECK(sentence.find("text.hidden: the model has 4096, the folder has 48") != std::string::npos);
  CHECK(sentence.find("llava::any opens it") != std::string::npos);
}

TEST_CASE("absent folders, names of repositories and files in the place of folders give one sentence") {
  CHECK(error_of("/nowhere/at/all").find("there is no folder /nowhere/at/all") != std::string::npos);
  CHECK(error_of("liuhaotian/llava-v1.5-7b-absent").find("`hf download liuhaotian/llava-v1.5-7b-absent`") !=
        std::string::npos);
  CHECK(error_of(golden + "/config.json").find("config.json is a file; pass") != std::string::npos);
  temporary_folder f("empty");
  CHECK(error_of(f.path.string()).find(f.path.string() + " has no config.json") != std::string::npos);
}

TEST_CASE("R12: a memory budget is held before anything is allocated for it") {
  llava::open_options small = tiny::options();
  small.memory_budget = 100000;
  CHECK(error_of(golden, small).find("over the memory budget of 100000") != std::string::npos);
  const auto converted =
      tiny::model_type::try_open(LLAVA_TEST_DATA "/goldens/original_identity", small);  // f32 in the file
  REQUIRE_FALSE(converted);
  CHECK(converted.error().code() == llava::errc::out_of_memory);
}

TEST_CASE("loading reports its progress and can be ended") {
  llava::open_options o = tiny::options();
  std::vector<llava::progress> seen;
  o.report = [&](const llava::progress& p) {
    seen.push_back(p);
    return true;
  };
  CHECK(error_of(golden, o).empty());
  REQUIRE(seen.size() > 50);
  CHECK(seen.back().done == seen.back().total);
  CHECK(std::is_sorted(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.done < b.done; }));
  o.report = [](const llava::progress& p) { return p.done * 2 < p.total; };
  const auto ended = tiny::model_type::try_open(golden, o);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code() == llava::errc::cancelled);
}

TEST_CASE("a language model alone answers, and refuses pictures in one sentence") {
  auto model = tiny::model_type::try_open(LLAVA_TEST_DATA "/goldens/text_llama", tiny::options());
  REQUIRE(model);
  auto chat = model->session();
  chat.settings.max_new_tokens = 4;
  chat.settings.ignore_eos = true;
  CHECK(tiny::value(chat.try_ask("hello")).tokens.size() == 4);
  CHECK(chat.try_ask(tiny::picture(1), "hello").error().sentence().find("no vision tower") != std::string::npos);
}

TEST_CASE("what inference does not need may be missing: the tower's layers behind the selected one") {
  temporary_folder f("unused");
  f.copy(golden);
  f.write("model.safetensors", replaced(f.read("model.safetensors"), "encoder.layers.2.layer_norm1.weight",
                                        "encoder.layers.2.layer_nerm1.weight"));
  CHECK(error_of(f.path.string()).empty());
}
