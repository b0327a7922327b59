// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// A folder whose files contain only what a test writes.
class small_folder {
 public:
  small_folder() : folder_("generation_config") { config("", ""); }
  void config(const std::string& root, const std::string& text) {
    folder_.write("config.json", R"({"model_type": "llava", "vision_config": {"image_size": 336, "patch_size": 14}, )" +
                                     root + R"("text_config": {)" + text + "}}");
  }
  void generation(const std::string& json) { folder_.write("generation_config.json", json); }
  auto opened() const { return llava::try_describe_model(folder_.path.string()); }
  llava::model_description described() const {
    auto d = opened();
    if (!d) FAIL(d.error().what());
    return *std::move(d);
  }
  std::string error() const {
    const auto d = opened();
    return d ? "" : d.error().sentence();
  }

 private:
  temporary_folder folder_;
};

/// do_sample, temperature, top_p, top_k, repetition_penalty, max_new_tokens.
using settings = std::tuple<bool, float, float, int, float, int>;
settings settings_of(const small_folder& f) {
  const llava::generation_defaults g = f.described().generation;
  return {g.do_sample, g.temperature, g.top_p, g.top_k, g.repetition_penalty, g.max_new_tokens};
}
using ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("end-of-answer ids: generation_config.json alone, or config.json, then its text_config, then the defaults") {
  small_folder f;
  const auto read = [&](const std::string& root, const std::string& text) {
    f.config(root, text);
    return f.described().eos;
  };
  // Values of transformers 4.57, from from_pretrained(…).generation_config.
  CHECK(read("", "") == ids{2});
  CHECK(read("", R"("model_type": "mistral")") == ids{2});
  CHECK(read("", R"("model_type": "qwen2")").empty());
  CHECK(read(R"("eos_token_id": 9, )", R"("eos_token_id": 5)") == ids{9});
  CHECK(read(R"("eos_token_id": null, )", R"("eos_token_id": 5)") == ids{5});
  CHECK(read("", R"("eos_token_id": null)").empty());
  CHECK(read("", R"("eos_token_id": [5, 6])") == ids{5, 6});
  f.generation(R"({"eos_token_id": [7, 8]})");
  CHECK(read("", R"("eos_token_id": 5)") == ids{7, 8});
  f.generation(R"({"max_new_tokens": 20})");
  CHECK(read(R"("eos_token_id": 9, )", R"("eos_token_id": 5)").empty());
  CHECK(f.described().bos == -1);
}

TEST_CASE("generation_config.json sets the generation defaults") {
  // Values of transformers 4.57, from GenerationConfig.from_pretrained; a max_new_tokens of 0 stands for its None.
  small_folder f;
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 50, 1.f, 0});
  f.generation("{}");
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 50, 1.f, 0});
  f.generation(R"({"do_sample": true, "temperature": 0.9, "top_p": 0.6, "top_k": 20, "repetition_penalty": 1.1,
                   "max_new_tokens": 20, "suppress_tokens": [5, 3], "max_length": 4096, "num_beams": 4})");
  CHECK(settings_of(f) == settings{true, 0.9f, 0.6f, 20, 1.1f, 20});
  CHECK(f.described().generation.suppress_tokens == ids{5, 3});
  CHECK(f.described().generation.min_p == 0.f);
  f.generation(R"({"do_sample": true, "min_p": 0.05})");
  CHECK(f.described().generation.min_p == 0.05f);
  f.generation(R"({"do_sample": null, "temperature": null, "top_p": null, "top_k": null, "repetition_penalty": null,
                   "min_p": null, "max_new_tokens": null, "suppress_tokens": null})");
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 0, 1.f, 0});
  CHECK(f.described().generation.suppress_tokens.empty());
  f.generation(R"({"temperature": 0, "top_k": 0})");  // without do_sample the temperature is unused
  CHECK(settings_of(f) == settings{false, 0.f, 1.f, 0, 1.f, 0});
}

TEST_CASE("without generation_config.json, text_config is read where config.json has the default") {
  // Values of transformers 4.57, from GenerationConfig.from_model_config.
  small_folder f;
  f.config("", R"("top_k": 20, "repetition_penalty": 1.3, "do_sample": true)");
  CHECK(settings_of(f) == settings{true, 1.f, 1.f, 20, 1.3f, 0});
  f.config(R"("top_k": 50, "do_sample": false, "repetition_penalty": 1.2, )",
           R"("top_k": 20, "repetition_penalty": 1.3, "do_sample": true, "suppress_tokens": [3])");
  CHECK(settings_of(f) == settings{true, 1.f, 1.f, 20, 1.2f, 0});
  CHECK(f.described().generation.suppress_tokens == ids{3});
  f.config(R"("top_k": null, )", R"("top_k": null)");
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 0, 1.f, 0});
  f.config(R"("min_p": 0.2, )", R"("min_p": 0.1)");
  CHECK(f.described().generation.min_p == 0.2f);
  f.config(R"("min_p": 0.0, )", R"("min_p": 0.1)");
  CHECK(f.described().generation.min_p == 0.f);
  f.config(R"("min_p": null, )", R"("min_p": 0.1)");
  CHECK(f.described().generation.min_p == 0.1f);
  f.config(R"("max_new_tokens": 7, "suppress_tokens": [], )", R"("suppress_tokens": [3])");
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 50, 1.f, 7});
  CHECK(f.described().generation.suppress_tokens.empty());
  f.generation("{}");
  CHECK(settings_of(f) == settings{false, 1.f, 1.f, 50, 1.f, 0});
}

TEST_CASE("an invalid setting is an error that names file and key") {
  small_folder f;
  for (const auto& [json, key] :
       std::vector<std::pair<std::string, std::string>>{{R"("do_sample": true, "temperature": 0)", "temperature"},
                                                        {R"("do_sample": true, "temperature": -0.5)", "temperature"},
                                                        {R"("temperature": "hot")", "temperature"},
                                                        {R"("do_sample": 1)", "do_sample"},
                                                        {R"("top_p": 1.1)", "top_p"},
                                                        {R"("top_p": -0.1)", "top_p"},
                                                        {R"("min_p": 1.1)", "min_p"},
                                                        {R"("min_p": -0.1)", "min_p"},
                                                        {R"("min_p": [0.1])", "min_p"},
                                                        {R"("top_k": -1)", "top_k"},
                                                        {R"("top_k": 2.5)", "top_k"},
                                                        {R"("repetition_penalty": 0)", "repetition_penalty"},
                                                        {R"("repetition_penalty": -1)", "repetition_penalty"},
                                                        {R"("max_new_tokens": 0)", "max_new_tokens"},
                                                        {R"("suppress_tokens": 5)", "suppress_tokens"},
                                                        {R"("suppress_tokens": [5, "a"])", "suppress_tokens"}}) {
    INFO(json);
    f.generation("{" + json + "}");
    CHECK(f.error().find("generation_config.json: \"" + key + "\" must be ") != std::string::npos);
  }
}

TEST_CASE("unsupported settings that would change the logits are refused; with neutral values they are accepted") {
  small_folder f;
  for (const char* json :
       {R"("no_repeat_ngram_size": 3)", R"("min_new_tokens": 1)", R"("typical_p": 0.9)", R"("bad_words_ids": [[5]])",
        R"("begin_suppress_tokens": [1])", R"("forced_eos_token_id": 0)", R"("sequence_bias": {"a": 1})",
        R"("stop_strings": "end")", R"("guidance_scale": 2)"}) {
    INFO(json);
    f.generation("{" + std::string(json) + "}");
    CHECK(f.error().find("is set, expected none; remove the key from the file") != std::string::npos);
  }
  f.generation(R"({"no_repeat_ngram_size": 0, "min_length": 0, "typical_p": 1.0, "encoder_repetition_penalty": 1,
                   "guidance_scale": null, "bad_words_ids": [], "stop_strings": null, "num_beams": 3})");
  CHECK(f.error().empty());
}
