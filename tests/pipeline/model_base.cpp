// SPDX-License-Identifier: Apache-2.0
/// Folders that hold a projector alone, or an adapter, opened over their base, against LLaVA's own program
/// (tests/oracle/projector_over_base.py, adapter_over_base.py).
#include <closeness.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/pipeline/quantise.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

#include "tiny_model.hpp"

namespace {

using namespace llava;
using model_f32 = pipeline<any, simd, weights<f32>>;

const std::string projector_folder = LLAVA_TEST_DATA "/torch/projector", adapter_folder = LLAVA_TEST_DATA "/lora/llava",
                  base = LLAVA_TEST_DATA "/goldens/original_folder";

/// A copy of a folder under the name that the program was given, with the tower that it names.
struct folder_copy {
  temporary_folder scratch{"model_base"};
  std::string path;

  explicit folder_copy(const std::string& of)
      : path(scratch / (of == adapter_folder ? "llava-v1.5-lora" : "llava-v1.5-projector")) {
    std::filesystem::copy(of, path);
    for (const char* file : {"answer.json", "answer.safetensors"}) std::filesystem::remove(path + "/" + file);
    std::filesystem::copy(base + "/tower", path + "/tower");
  }
};

open_options over(const std::string& model_base) {
  open_options options = tiny::options();
  options.model_base = model_base;
  return options;
}

std::string error_of(const std::string& folder, const std::string& model_base) {
  const auto opened = model_f32::try_open(folder, over(model_base));
  return opened ? std::string() : opened.error().sentence();
}

std::vector<std::int32_t> ids_of(const json_value& list) {
  std::vector<std::int32_t> ids;
  for (const json_value& id : list.items()) ids.push_back(static_cast<std::int32_t>(*id.integer()));
  return ids;
}

image test_image(const std::string& name) {
  const auto images = safetensors_file::try_open(base + "/golden.safetensors");
  const stored_tensor* t = images->find("picture." + name);
  REQUIRE(t);
  return *try_image_from_rgb(static_cast<int>(t->dims[1]), static_cast<int>(t->dims[0]), t->bytes);
}

std::vector<float> expected_image_tokens() {
  const auto file = safetensors_file::try_open(projector_folder + "/answer.safetensors");
  const stored_tensor* t = file->find("image_tokens");
  REQUIRE(t);
  std::vector<float> values(t->bytes.size() / sizeof(float));
  std::memcpy(values.data(), t->bytes.data(), t->bytes.size());
  return values;
}

/// Checks a model against what the program answered with the folder `of`: prompt, ids, greedy answer.
void check_answer(const model_f32& model, const std::string& of) {
  const auto file = json_document::try_read(of + "/answer.json");
  REQUIRE(file);
  const auto text = [&](const char* key) { return *file->value().find(key)->text(); };
  CHECK(*model.try_prompt(1, text("query")) == text("prompt"));
  CHECK(prompt_ids(model.tokenizer(), model.description(), text("prompt"), true) ==
        ids_of(*file->value().find("input_ids")));
  const image img = test_image(text("picture"));
  auto chat = model.session();
  chat.settings.max_new_tokens = 24;
  const answer a = tiny::value(chat.try_ask(img, text("query")));
  CHECK(a.tokens == ids_of(*file->value().find("tokens")));
  CHECK(a.text == text("text"));
}

}  // namespace

TEST_CASE("a projector over its base has the ids, image tokens and greedy answer of LLaVA's program", "[pipeline]") {
  const folder_copy f(projector_folder);
  const auto model = model_f32::try_open(f.path, over(base));
  if (!model) FAIL(model.error().what());
  check_answer(*model, projector_folder);
  // Not rounded to f16, the projector gives image tokens that differ by more than 1e-4.
  CHECK(largest_error(*model->try_image_tokens(test_image("wide")), expected_image_tokens()) <= 1e-5);
  CHECK(model->description().conversation.name == "llava_v1");
}

TEST_CASE("an adapter and the projector beside it have the ids and greedy answer of LLaVA's program", "[pipeline]") {
  const folder_copy f(adapter_folder);
  const auto model = model_f32::try_open(f.path, over(base));
  if (!model) FAIL(model.error().what());
  check_answer(*model, adapter_folder);

  const std::string made = f.scratch / "merged";
  const auto done = try_quantise<any, scalar, weights<f32>>(f.path, made, over(base));
  if (!done) FAIL(done.error().what());
  const auto merged = model_f32::try_open(made, tiny::options());
  if (!merged) FAIL(merged.error().what());
  check_answer(*merged, adapter_folder);
}

TEST_CASE("an adapter without a config.json takes its base's, and finds the base by its own file", "[pipeline]") {
  folder_copy f(adapter_folder);
  const std::string path = f.scratch / "adapter";
  std::filesystem::create_directory(path);
  std::filesystem::copy_file(adapter_folder + "/adapter_model.bin", path + "/adapter_model.bin");
  const auto write = [&](const std::string& of) {
    f.scratch.write("adapter/adapter_config.json",
                    R"({"r": 4, "lora_alpha": 8, "base_model_name_or_path": ")" + of + "\"}");
  };
  write("lmsys/vicuna-7b-v1.5");
  CHECK(error_of(path, "") == "llava: " + path +
                                  " holds an adapter (LoRA) of lmsys/vicuna-7b-v1.5; give its base as model_base "
                                  "(--model-base), or fetch it with `llava pull`");
  write("");
  CHECK(error_of(path, "").find("holds an adapter (LoRA); give its base as model_base (--model-base)") !=
        std::string::npos);
  write(base);
  const auto model = model_f32::try_open(path, tiny::options());
  if (!model) FAIL(model.error().what());
  const auto plain = model_f32::try_open(base, tiny::options());
  const auto logits = *model->session().try_logits("USER: Hello ASSISTANT:", {});
  CHECK(largest_error(logits, *plain->session().try_logits("USER: Hello ASSISTANT:", {})) > 0.1);
  const std::string made = f.scratch / "made";
  REQUIRE(try_quantise<any, scalar, weights<f32>>(path, made, tiny::options()));
  CHECK(*model_f32::try_open(made, tiny::options())->session().try_logits("USER: Hello ASSISTANT:", {}) == logits);
}

TEST_CASE("quantise writes a projector and its base as one folder, which opens by itself", "[pipeline]") {
  const folder_copy f(projector_folder);
  const std::string made = f.scratch / "made";
  const auto done = try_quantise<any, scalar, weights<f32>>(f.path, made, over(base));
  if (!done) FAIL(done.error().what());
  const auto model = model_f32::try_open(made, tiny::options());
  if (!model) FAIL(model.error().what());
  check_answer(*model, projector_folder);
  CHECK(std::filesystem::exists(made + "/tokenizer.model"));
  CHECK_FALSE(std::filesystem::exists(made + "/mm_projector.bin"));
}

TEST_CASE("the base has the generation settings; the name of the projector's folder chooses the template only") {
  const folder_copy f(projector_folder);
  temporary_folder below("base_settings");
  below.copy(base);
  below.write("generation_config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 7], "do_sample": true})");
  std::filesystem::rename(f.path, f.scratch / "llava-mistral-projector");
  const auto d = try_describe_model(f.scratch / "llava-mistral-projector", below.path.string());
  REQUIRE(d);
  CHECK(d->eos == std::vector<std::int32_t>{2, 7});
  CHECK(d->generation.do_sample);
  CHECK(d->slow_tokenizer);  // alone, the name would ask for the fast one
  CHECK(d->conversation.name == "mistral_instruct");
  for (const auto& [name, slow] :
       {std::pair<const char*, bool>{"llava-MPT-projector", false}, {"llava-mpt-lora", true}}) {
    std::filesystem::copy(f.scratch / "llava-mistral-projector", f.scratch / name);
    std::filesystem::copy(base + "/tower", f.scratch / (std::string(name) + "/tower"));
    const auto other = try_describe_model(f.scratch / name, below.path.string());
    REQUIRE(other);
    CHECK(other->slow_tokenizer == slow);
  }
}

TEST_CASE("errors of a projector without a base, of a whole model with one, and of a base that does not fit") {
  folder_copy f(projector_folder);
  CHECK(error_of(f.path, "") == "llava: " + f.path +
                                    " holds only a projector, mm_projector.bin; give its language model as "
                                    "model_base (--model-base)");
  CHECK(error_of(base, base).find("holds a whole model, neither an adapter nor a projector alone; open it without") !=
        std::string::npos);
  CHECK(error_of(f.path, "no/such-base").find("no/such-base is neither a folder nor in the Hugging Face cache") !=
        std::string::npos);
  CHECK(error_of(f.path, f.path).find("holds only a projector") != std::string::npos);
  CHECK(error_of(f.path, LLAVA_TEST_DATA "/goldens/text_qwen2").find("do not fit this model") != std::string::npos);

  std::vector<torch_writer::tensor> twice{{"model.x", "FloatStorage", "0"},
                                          {"base_model.model.x", "FloatStorage", "1"}};
  for (torch_writer::tensor& t : twice) t.data = std::string(16, '\0');
  f.scratch.write("llava-v1.5-projector/mm_projector.bin", torch_writer::torch_zip(twice));
  CHECK(error_of(f.path, base).find(" twice, with the prefix of peft and without it") != std::string::npos);
  f.scratch.write("llava-v1.5-projector/mm_projector.bin", torch_writer::torch_zip({{"odd", "LongStorage", "0", 1}}));
  CHECK(error_of(f.path, base).find("tensor odd: it ends at element 3 of a storage of 1") != std::string::npos);
  std::filesystem::remove(f.path + "/mm_projector.bin");
  CHECK(error_of(f.path, base) == "llava: " + f.path + " has no mm_projector.bin");
  f.scratch.write("llava-v1.5-projector/adapter_config.json", "{}");
  CHECK(error_of(f.path, base).find("holds an adapter (LoRA) without its tensors") != std::string::npos);
}
