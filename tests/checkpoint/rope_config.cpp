// SPDX-License-Identifier: Apache-2.0
/// The values of right configurations are compared in tests/llm/rope.cpp.
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// The error of a text-only folder with these keys in its config.json; empty if there is none.
std::string error_of(const std::string& keys) {
  temporary_folder f("rope_refused");
  f.write("config.json", R"({"model_type": "llama", "head_dim": 4, "max_position_embeddings": 512, )" + keys + "}");
  const auto d = llava::try_describe_model(f.path.string());
  return d ? "" : d.error().sentence();
}

}  // namespace

TEST_CASE("R1: numbers of rope scaling that cannot be are errors that name the key") {
  for (const auto& [scaling, fragment] : {
           std::pair{
               R"("rope_type": "mrope")",
               "\"rope_scaling.rope_type\" is mrope, expected default, linear, dynamic, yarn, longrope or llama3"},
           {R"("rope_type": "linear")", "\"rope_scaling.factor\" must be a number of at least 1"},
           {R"("rope_type": "dynamic")", "\"rope_scaling.factor\" must be a number of at least 1"},
           {R"("rope_type": "llama3")", "\"rope_scaling.factor\" must be a number of at least 1"},
           {R"("rope_type": "dynamic", "factor": 0.5)", "text.rope_factor must be"},
           {R"("rope_type": "yarn", "factor": -1)", "text.rope_factor must be"},
           {R"("rope_type": "yarn", "factor": 4, "beta_fast": 0)", "text.rope_beta_fast"},
           {R"("rope_type": "yarn", "factor": 4, "beta_slow": -1)", "text.rope_beta_slow"},
           {R"("rope_type": "yarn", "factor": 4, "rope_theta": 1)", "text.rope_theta must exceed 1"},
           {R"("rope_type": "yarn", "factor": 4, "attention_factor": 0)", "text.rope_attention must be"},
           {R"("rope_type": "yarn", "factor": 4, "attention_factor": 1e30)", "text.rope_attention must be"},
           {R"("rope_type": "yarn", "factor": 4, "truncate": 1)", "\"rope_scaling.truncate\" must be true or false"},
           {R"("rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 0)",
            "\"rope_scaling.original_max_position_embeddings\" must be at least 1"},
           {R"("rope_type": "longrope")",
            "\"rope_scaling.short_factor\" must be a list of head_dim / 2 (2) positive numbers"},
           {R"("rope_type": "longrope", "short_factor": [1])", "\"rope_scaling.short_factor\" must be a list"},
           {R"("rope_type": "longrope", "short_factor": [1, 0])", "\"rope_scaling.short_factor\" must be a list"},
           {R"("rope_type": "longrope", "short_factor": [1, "2"])", "\"rope_scaling.short_factor\" must be a list"},
           {R"("rope_type": "longrope", "short_factor": [1, 1e-30])", "text.rope_short must have"},
           {R"("rope_type": "longrope", "short_factor": [1, 1], "original_max_position_embeddings": 1)",
            "\"rope_scaling.original_max_position_embeddings\" must be at least 2"},
           {R"("full_attention": {"rope_type": "default"})",
            "\"rope_scaling\" is one for each kind of layer, expected one for all layers"},
       }) {
    INFO(scaling);
    const std::string sentence = error_of(R"("rope_scaling": {)" + std::string(scaling) + "}");
    INFO(sentence);
    CHECK(sentence.find(fragment) != std::string::npos);
    CHECK(sentence.find("config.json") != std::string::npos);
  }
  CHECK(
      error_of(
          R"("rope_scaling": {"rope_type": "longrope", "short_factor": [1, 2], "factor": 2}, "num_attention_heads": 8)")
          .empty());
  CHECK(error_of(R"("rope_scaling": {"type": "yarn"})").empty());  // the ratio of the contexts, 1
}

TEST_CASE("longrope: a conversation ends where transformers would change its frequencies") {
  temporary_folder f("longrope");
  f.write("config.json", R"({"model_type": "llama", "head_dim": 4, "max_position_embeddings": 4096, "rope_parameters":
      {"rope_type": "longrope", "short_factor": [1, 2], "long_factor": [3, 4], "original_max_position_embeddings": 256}})");
  const auto d = llava::try_describe_model(f.path.string());
  if (!d) FAIL(d.error().what());
  CHECK(d->text.context == 256);
  CHECK(d->text.rope_short.of[1] == 2.f);
  CHECK(std::fabs(d->text.rope_attention - 1.2247449f) < 1e-6f);  // √(1 + ln 16 / ln 256)
}
