// SPDX-License-Identifier: Apache-2.0
/// What opening a folder checks, and the errors that it returns.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <temporary_folder.hpp>

#include <cmath>

#include "tiny_model.hpp"

namespace {

const std::string golden = LLAVA_TEST_DATA "/goldens/clip_mha";

std::string error_of(const std::string& folder, const llava::open_options& options = {}) {
  const auto opened = tiny::model_type::try_open(folder, options);
  return opened ? "" : opened.error().sentence();
}

/// The error of opening golden after `from` in the header of its weights is replaced by `to`, which is as long.
std::string error_with_header(std::string_view from, std::string_view to) {
  temporary_folder f("header");
  f.copy(golden);
  const std::string changed = replaced(f.read("model.safetensors"), from, to);
  REQUIRE_FALSE(changed.empty());
  REQUIRE(from.size() == to.size());
  f.write("model.safetensors", changed);
  return error_of(f.path.string());
}

struct extra_tensor {
  std::string name;
  std::vector<std::size_t> dims;
  std::vector<float> values;
};

/// Writes golden with more tensors.
void write_with(const temporary_folder& f, const std::vector<extra_tensor>& more) {
  std::filesystem::copy(golden, f.path);
  std::filesystem::remove(f / "model.safetensors");
  const auto from = llava::safetensors_folder::try_open(golden);
  REQUIRE(from);
  std::vector<llava::safetensors_plan> plan;
  for (const extra_tensor& t : more) plan.push_back({t.name, llava::dtype::float32, t.dims, {}});
  from->for_each([&](const llava::stored_tensor& t) { plan.push_back({t.name, t.type, t.dims, {}}); });
  auto to = llava::safetensors_writer::try_create(f / "model.safetensors", plan);
  REQUIRE(to);
  for (const extra_tensor& t : more) REQUIRE(to->try_write(std::as_bytes(std::span<const float>(t.values))));
  from->for_each([&](const llava::stored_tensor& t) { REQUIRE(to->try_write(t.bytes)); });
  REQUIRE(to->try_finish());
}

}  // namespace

TEST_CASE("all tensors that are missing or have the wrong shape or type are reported at once") {
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
  CHECK(sentence.find("4 tensors of " + f.path.string()) != std::string::npos);
  CHECK(sentence.find("language_model.model.nerm.weight: is in ") != std::string::npos);
  CHECK(sentence.find("language_model.model.norm.weight: missing, expected (48)") != std::string::npos);
  CHECK(sentence.find("linear_1.weight: expected (48, 32), found (32, 48) in ") != std::string::npos);
  CHECK(sentence.find("linear_2.bias: expected f32, f16 or bf16, found I16 in ") != std::string::npos);
}

TEST_CASE("mistakes in a separate vision tower are reported with the others") {
  temporary_folder f("tower");
  f.copy(LLAVA_TEST_DATA "/goldens/original_folder");
  f.write("model.safetensors", replaced(f.read("model.safetensors"), "\"model.norm.weight", "\"model.nerm.weight"));
  f.write("tower/model.safetensors",
          replaced(f.read("tower/model.safetensors"), "layers.1.layer_norm2.bias", "layers.1.layer_norm2.bios"));
  const std::string sentence = error_of(f.path.string());
  INFO(sentence);
  CHECK(sentence.find("4 tensors of " + f.path.string()) != std::string::npos);
  CHECK(sentence.find("layers.1.layer_norm2.bios: is in " + (f / "tower")) != std::string::npos);
  CHECK(sentence.find("model.norm.weight: missing") != std::string::npos);
  CHECK(sentence.find("layers.1.layer_norm2.bias: missing, expected (32), in " + (f / "tower")) != std::string::npos);
}

TEST_CASE("an integer tensor is refused as a weight, and so are embeddings that do not have the vocabulary's size") {
  CHECK(error_with_header(R"("multi_modal_projector.linear_2.weight":{"dtype":"F16")",
                          R"("multi_modal_projector.linear_2.weight":{"dtype":"U16")")
            .find("linear_2.weight") != std::string::npos);
  temporary_folder f("tokens");
  f.copy(golden);
  f.write("config.json", replaced(f.read("config.json"), "\"vocab_size\": 402", "\"vocab_size\": 300"));
  CHECK(error_of(f.path.string()).find("embed_tokens.weight: expected (300, 48), found (402, 48)") !=
        std::string::npos);
}

TEST_CASE("a token beyond the rows of embeddings is an error only if a prompt contains it") {
  temporary_folder f("beyond");
  f.copy(golden);
  f.write("tokenizer.json", replaced(f.read("tokenizer.json"), "\"added_tokens\": [",
                                     R"("added_tokens": [{"id": 402, "content": "<extra>", "special": true},)"));
  const auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
  if (!model) FAIL(model.error().what());
  auto chat = model->session();
  chat.settings.max_new_tokens = 2;
  CHECK(chat.try_ask("hello"));
  for (const auto& answered : {chat.try_ask("hello <extra>"), chat.try_generate("<extra>", {}),
                               chat.try_ask(tiny::test_image(1), "<extra>")}) {
    REQUIRE_FALSE(answered);
    CHECK(answered.error().code() == llava::errc::mismatch);
    CHECK(answered.error().sentence() ==
          "llava: the prompt has the token 402, '<extra>', but the model has embeddings of 402 tokens; remove it");
  }
  CHECK_FALSE(chat.try_logits("<extra>", {}));
  CHECK(chat.save().turns.size() == 2);
  auto several = model->batch();
  CHECK_FALSE(several.try_add("<extra>", {}));
}

TEST_CASE("a folder whose <image> id differs from its tokenizer's is an error about the folder") {
  temporary_folder f("image_token");
  f.copy(golden);
  const std::string config = f.read("config.json"), words = f.read("tokenizer.json");
  f.write("config.json", replaced(config, "\"image_token_index\": 400", "\"image_token_index\": 401"));
  CHECK(error_of(f.path.string()) == "llava: " + f.path.string() +
                                         "/config.json says that <image> is the token 401, but its tokenizer says 400; "
                                         "take config.json and the tokenizer's files from one upload");
  f.write("config.json", config);
  f.write("tokenizer.json", replaced(words, "\"<image>\"", "\"<omage>\""));
  f.write("tokenizer_config.json", "{}");
  CHECK(error_of(f.path.string()).find("the token 400, but its tokenizer has no such token") != std::string::npos);
  f.write("tokenizer.json", words);
  f.write("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast", "split_special_tokens": true})");
  CHECK(error_of(f.path.string()).find("does tokenizer_config.json say \"split_special_tokens\": true?") !=
        std::string::npos);
}

TEST_CASE("opening a folder as another fixed model is an error that names each differing field") {
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

TEST_CASE("absent folders, repository names and files in place of folders give one error") {
  CHECK(error_of("/nowhere/at/all").find("there is no folder /nowhere/at/all") != std::string::npos);
  CHECK(error_of("liuhaotian/llava-v1.5-7b-absent").find("`llava pull liuhaotian/llava-v1.5-7b-absent`") !=
        std::string::npos);
  CHECK(error_of(golden + "/config.json").find("config.json is a file; pass") != std::string::npos);
  temporary_folder f("empty");
  CHECK(error_of(f.path.string()).find(f.path.string() + " has no config.json") != std::string::npos);
}

TEST_CASE("R12: a memory budget bounds weights, KV cache and activations together") {
  llava::open_options small = tiny::options();
  small.memory_budget = 100000;
  CHECK(error_of(golden, small).find("bytes) exceed the memory budget of 100000 bytes; set") != std::string::npos);
  const std::string f32_folder = LLAVA_TEST_DATA "/goldens/original_identity";  // its weights are converted
  const auto converted = tiny::model_type::try_open(f32_folder, small);
  REQUIRE_FALSE(converted);
  CHECK(converted.error().code() == llava::errc::out_of_memory);

  // Every number of the sentence counts: the sum of all three is the least budget with which the folder opens.
  std::uint64_t weights = 0, cache = 0, activations = 0;
  const auto opens_with = [&](std::uint64_t budget) {
    small.memory_budget = budget;
    const auto model = tiny::model_type::try_open(f32_folder, small);
    if (!model)
      REQUIRE(std::sscanf(model.error().what() + std::strlen("llava: ") + f32_folder.size(),
                          ": weights (%lu bytes), KV cache (%lu bytes), activations (%lu bytes)", &weights, &cache,
                          &activations) >= 2);
    return model.has_value();
  };
  CHECK_FALSE(opens_with(1));
  CHECK((weights > 0 && cache > 0 && activations == 0));
  CHECK_FALSE(opens_with(weights + cache));
  CHECK(activations > 0);
  CHECK_FALSE(opens_with(weights + cache + activations - 1));
  CHECK(opens_with(weights + cache + activations));
}

TEST_CASE("loading reports its progress and can be cancelled") {
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

TEST_CASE("a language model alone answers text and refuses images") {
  auto model = tiny::model_type::try_open(LLAVA_TEST_DATA "/goldens/text_llama", tiny::options());
  REQUIRE(model);
  auto chat = model->session();
  chat.settings.max_new_tokens = 4;
  chat.settings.ignore_eos = true;
  CHECK(tiny::value(chat.try_ask("hello")).tokens.size() == 4);
  CHECK(chat.try_ask(tiny::test_image(1), "hello").error().sentence().find("no vision tower") != std::string::npos);
}

TEST_CASE("a projector of llava-hf with three layers runs all three") {
  constexpr std::size_t width = 48;
  extra_tensor weight{"multi_modal_projector.linear_3.weight", {width, width}, std::vector<float>(width * width)};
  const extra_tensor bias{"multi_modal_projector.linear_3.bias", {width}, std::vector<float>(width, 0.25f)};
  for (std::size_t i = 0; i < width; ++i) weight.values[i * width + i] = 2.f;
  temporary_folder f("three");
  write_with(f, {weight, bias});
  const auto two = tiny::model_type::try_open(golden, tiny::options());
  const auto three = tiny::model_type::try_open(f.path.string(), tiny::options());
  if (!three) FAIL(three.error().what());
  CHECK(three->description().projector.depth == 3);
  const auto before = two->try_image_tokens(tiny::test_image(1)), after = three->try_image_tokens(tiny::test_image(1));
  REQUIRE((before && after && before->size() == after->size()));
  double largest = 0;
  for (std::size_t i = 0; i < before->size(); ++i) {
    const double x = static_cast<double>((*before)[i]), gelu = 0.5 * x * (1 + std::erf(x / std::sqrt(2.)));
    largest = std::max(largest, std::abs(2 * gelu + 0.25 - static_cast<double>((*after)[i])));
  }
  CHECK(largest < 1e-5);
}

TEST_CASE("a tensor of the model that nothing reads is an error; one that no program reads is not") {
  const std::vector<float> one(1, 1.f);
  temporary_folder f("unread");
  write_with(f, {{"multi_modal_projector.linear_4.weight", {1}, one},
                 {"language_model.model.layers.2.input_layernorm.weight", {1}, one},
                 {"vision_tower.vision_model.embeddings.patch_embedding.bias", {1}, one},
                 {"vision_tower.vision_model.embeddings.position_ids", {1}, one},
                 {"vision_tower.vision_model.head.probe", {1}, one},
                 {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq", {1}, one}});
  const std::string sentence = error_of(f.path.string());
  INFO(sentence);
  CHECK(sentence.find("3 tensors of " + f.path.string() + " do not fit this model") != std::string::npos);
  const std::string there = ": is in " + (f / "model.safetensors") + ", but no part of this model reads it";
  CHECK(sentence.find("multi_modal_projector.linear_4.weight" + there) != std::string::npos);
  CHECK(sentence.find("language_model.model.layers.2.input_layernorm.weight" + there) != std::string::npos);
  CHECK(sentence.find("vision_tower.vision_model.embeddings.patch_embedding.bias" + there) != std::string::npos);
}

TEST_CASE("tensors that inference does not need may be missing: the tower's layers after the selected one") {
  temporary_folder f("unused");
  f.copy(golden);
  f.write("model.safetensors", replaced(f.read("model.safetensors"), "encoder.layers.2.layer_norm1.weight",
                                        "encoder.layers.2.layer_nerm1.weight"));
  CHECK(error_of(f.path.string()).empty());
}

TEST_CASE("tie_word_embeddings with a stored head: the head is used, as in transformers 5") {
  temporary_folder f("tied");
  f.copy(LLAVA_TEST_DATA "/goldens/text_llama");
  f.write("config.json",
          replaced(f.read("config.json"), "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"));
  const auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE(model);
  CHECK_FALSE(model->description().text.tied);
}
