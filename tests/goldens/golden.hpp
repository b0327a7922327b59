// SPDX-License-Identifier: Apache-2.0
/// Compares every stage of a pipeline with the results of transformers for the same folder in fp32
/// (tests/oracle/goldens.py), with the tolerances of R15: pixels equal, features within a cosine of 0.9999, logits
/// within 1e-4 of the largest, 64 greedy tokens equal.
#pragma once
#include <closeness.hpp>
#include <llava.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava_catch.hpp>
#include <pipelines.hpp>

#include <string>
#include <vector>

namespace golden {

inline std::string folder(const std::string& model) { return std::string(LLAVA_TEST_DATA "/goldens/").append(model); }

/// The results of transformers for one model.
class record {
 public:
  explicit record(const std::string& model) {
    auto file = llava::safetensors_file::try_open(folder(model) + "/golden.safetensors");
    if (!file) FAIL(file.error().what());
    tensors_ = *std::move(file);
    auto json = llava::json_document::try_read(folder(model) + "/golden.json");
    if (!json) FAIL(json.error().what());
    about_ = json->value();
  }
  bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const llava::stored_tensor* t = tensors_.find(name);
    if (!t) FAIL(name << " is missing");
    std::vector<T> v(t->bytes.size() / sizeof(T));
    std::memcpy(v.data(), t->bytes.data(), t->bytes.size());
    return v;
  }
  llava::image test_image(const std::string& name) const {
    const llava::stored_tensor* t = tensors_.find("picture." + name);
    if (!t) FAIL(name << " is missing");
    return *llava::try_image_from_rgb(static_cast<int>(t->dims[1]), static_cast<int>(t->dims[0]), t->bytes);
  }
  const std::vector<llava::json_value>& cases() const { return about_.find("cases")->items(); }

 private:
  llava::safetensors_file tensors_;
  llava::json_value about_;
};

/// The next n of the values of a case's images, which follow each other.
class values_in_order {
 public:
  explicit values_in_order(std::vector<float> all) : all_(std::move(all)) {}
  std::vector<float> next(std::size_t n) {
    REQUIRE(at_ + n <= all_.size());
    at_ += n;
    return {all_.begin() + static_cast<std::ptrdiff_t>(at_ - n), all_.begin() + static_cast<std::ptrdiff_t>(at_)};
  }
  bool at_end() const { return at_ == all_.size(); }

 private:
  std::vector<float> all_;
  std::size_t at_ = 0;
};

/// Bounds on the difference from transformers: R15 for products in f32, and this test's bounds for bf16 with f32 sums.
struct bounds {
  double cosine, error;
  bool same_tokens;
};
inline constexpr bounds in_f32{0.9999, 1e-4, true}, in_bf16{0.999, 2.5e-2, false};

/// The rows of logits in a golden: those of the last positions.
inline constexpr std::size_t logit_rows = 4;

/// Checks the stages of one prompt.
template <class Pipeline>
void check_case(const Pipeline& model, const record& expected, const llava::json_value& about, const bounds& b) {
  const std::string name = *about.find("name")->text(), &prompt = *about.find("prompt")->text();
  INFO("case " << name);
  std::vector<llava::image> images;
  for (const llava::json_value& img : about.find("pictures")->items())
    images.push_back(expected.test_image(*img.text()));

  if (expected.has(name + ".pixel_values")) {
    values_in_order expected_pixels(expected.template values<float>(name + ".pixel_values"));
    for (const llava::image& img : images) {
      const auto pixels = *model.try_pixels(img);
      CHECK(pixels == expected_pixels.next(pixels.size()));
    }
    CHECK(expected_pixels.at_end());
  }
  if (expected.has(name + ".features")) {
    values_in_order all_features(expected.template values<float>(name + ".features")),
        all_tokens(expected.template values<float>(name + ".image_tokens"));
    for (const llava::image& img : images) {
      const auto features = *model.try_features(img), tokens = *model.try_image_tokens(img);
      const auto expected_features = all_features.next(features.size());
      CHECK(cosine(features, expected_features) >= b.cosine);
      CHECK(largest_error(features, expected_features) <= b.error);
      CHECK(largest_error(tokens, all_tokens.next(tokens.size())) <= b.error);
      CHECK(tokens.size() == static_cast<std::size_t>(*model.try_count_image_tokens(img.width(), img.height()) *
                                                      model.description().text.hidden));
    }
    CHECK((all_features.at_end() && all_tokens.at_end()));
  }
  CHECK(llava::prompt_ids(model.tokenizer(), model.description(), prompt, !images.empty()) ==
        expected.template values<std::int32_t>(name + ".input_ids"));

  auto chat = model.session();
  const auto logits = chat.try_logits(prompt, images);
  if (!logits) FAIL(logits.error().what());
  const auto last = expected.template values<float>(name + ".logits");
  const auto tokens = static_cast<std::size_t>(*about.find("tokens")->integer());
  REQUIRE(logit_rows * logits->size() == tokens * last.size());
  CHECK(largest_error({logits->end() - static_cast<std::ptrdiff_t>(last.size()), logits->end()}, last) <= b.error);
  if (!b.same_tokens) return;

  const auto greedy = expected.template values<std::int32_t>(name + ".greedy");
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = static_cast<int>(greedy.size());
  const auto answer = chat.try_generate(prompt, images);
  if (!answer) FAIL(answer.error().what());
  CHECK(greedy.size() == 64);
  CHECK(answer->tokens == greedy);
}

/// Checks all prompts of one folder, in chunks of `chunk` tokens.
template <class Pipeline>
void check(const std::string& name, int chunk = 64, const bounds& b = in_f32) {
  INFO("model " << name);
  llava::open_options options;
  options.threads = 2;
  options.max_batch_tokens = chunk;
  options.kv_tokens = 2048;
  auto model = Pipeline::try_open(folder(name), options);
  if (!model) FAIL(model.error().what());
  const record expected(name);
  REQUIRE(expected.cases().size() >= 2);
  for (const llava::json_value& about : expected.cases()) check_case(*model, expected, about, b);
}

inline constexpr const char* models[] = {"clip_mha",
                                         "clip_gqa_crop",
                                         "clip_llama3_new_names",
                                         "siglip_mistral",
                                         "siglip_last_layer",
                                         "clip_qwen2",
                                         "next",
                                         "clip_layers",
                                         "original_anyres",
                                         "original_folder",
                                         "original_inside",
                                         "original_linear",
                                         "original_identity",
                                         "original_siglip",
                                         "text_llama",
                                         "text_qwen2",
                                         "text_qwen2_window",
                                         "original_llama3",
                                         "original_qwen2",
                                         "original_slices",
                                         "original_five_layers",
                                         "original_s2",
                                         "original_mpt",
                                         "text_mpt",
                                         "gguf_llama",
                                         "gguf_qwen2"};

/// Checks the dynamic pipeline of one backend. The weights are f32: exact for every stored type.
template <class B>
void check_all() {
  for (const char* name : models) check<llava::pipeline<llava::any, B, llava::weights<llava::f32>>>(name);
}

}  // namespace golden
