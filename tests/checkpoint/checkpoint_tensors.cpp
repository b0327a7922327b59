// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/tensor_facts.hpp>

#include <llava_catch.hpp>

#include <initializer_list>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace llava;

/// Tensors in memory, each with a name and a few bytes.
struct memory_tensors final : tensor_source {
  std::map<std::string, stored_tensor, std::less<>> all;

  memory_tensors() = default;
  memory_tensors(std::initializer_list<const char*> names) {
    for (const char* name : names) add(name, "ab");
  }
  memory_tensors& add(const std::string& name, std::string_view bytes, dtype type = dtype::float16) {
    all[name] = {name, type, {}, {2, 1}, std::as_bytes(std::span(bytes.data(), bytes.size())), "file"};
    return *this;
  }
  const stored_tensor* find(std::string_view name) const override {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : all) visit(t);
  }
  std::string identity() const override { return "some tensors"; }
};

checkpoint_tensors tensors_of(tensor_spelling spelling, const memory_tensors& model,
                              const memory_tensors* tower = nullptr) {
  return {spelling, std::make_unique<memory_tensors>(model), tower ? std::make_unique<memory_tensors>(*tower) : nullptr,
          tower ? "beside" : ""};
}

bool stays_tied(const memory_tensors& files, tensor_spelling spelling, prompt_rule rule) {
  model_description d;
  d.spelling = spelling, d.prompt = rule;
  d.text.tied = true;
  detail::resolve_tied_head(tensors_of(spelling, files), d);
  return d.text.tied;
}

}  // namespace

TEST_CASE("checkpoint tensors have the library's names, and a separate tower replaces the one in the model's files") {
  const memory_tensors model{"model.norm.weight", "lm_head.weight", "model.mm_projector.0.weight", "optimizer.step",
                             "model.vision_tower.vision_tower.vision_model.embeddings.patch_embedding.weight"};
  const memory_tensors tower{"vision_model.embeddings.patch_embedding.weight",
                             "vision_model.encoder.layers.0.norm.weight", "text_model.norm.weight",
                             "model.norm.weight"};
  const auto names_of = [](const checkpoint_tensors& t) {
    std::map<std::string, std::string> names;
    t.for_each([&](const std::string& name, const stored_tensor& stored) { names[name] = stored.name; });
    return names;
  };
  using map = std::map<std::string, std::string>;
  CHECK(names_of(tensors_of(tensor_spelling::original, model)) ==
        map{{"projector.0.weight", "model.mm_projector.0.weight"},
            {"text.lm_head.weight", "lm_head.weight"},
            {"text.norm.weight", "model.norm.weight"},
            {"vision.embeddings.patch_embedding.weight",
             "model.vision_tower.vision_tower.vision_model.embeddings.patch_embedding.weight"}});
  const auto both = tensors_of(tensor_spelling::original, model, &tower);
  CHECK(names_of(both) ==
        map{{"projector.0.weight", "model.mm_projector.0.weight"},
            {"text.lm_head.weight", "lm_head.weight"},
            {"text.norm.weight", "model.norm.weight"},
            {"vision.embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight"},
            {"vision.encoder.layers.0.norm.weight", "vision_model.encoder.layers.0.norm.weight"}});
  CHECK(both.find("text.norm.weight")->name == "model.norm.weight");
  CHECK(both.find("optimizer.step"));  // names of the files are found too
  CHECK(both.find("text.layers.0.mlp.up_proj.weight") == nullptr);
  CHECK(both.file_name("vision.pre_layrnorm.bias") == "vision_model.pre_layrnorm.bias");
  CHECK(both.folder_of("vision.pre_layrnorm.bias") == "beside");
  CHECK(both.folder_of("text.norm.weight").empty());
}

TEST_CASE("a projector whose depth config.json does not state has as many layers as the files") {
  const auto depth_of = [](tensor_spelling spelling, const memory_tensors& files, const char* type = "mlp_gelu") {
    model_description d;
    d.spelling = spelling;
    d.projector.depth = 1, d.projector_type = type;
    detail::detect_projector_depth(tensors_of(spelling, files), d);
    return d.projector.depth;
  };
  constexpr auto hf = tensor_spelling::llava_hf;
  CHECK(depth_of(hf, {"multi_modal_projector.linear_1.weight"}) == 2);
  CHECK(depth_of(hf, {}) == 2);
  CHECK(depth_of(hf, {"multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_2.weight",
                      "multi_modal_projector.linear_3.weight"}) == 3);
  CHECK(depth_of(hf, {"model.language_model.norm.weight", "model.multi_modal_projector.linear_1.weight",
                      "model.multi_modal_projector.linear_3.weight", "model.multi_modal_projector.linear_4.weight",
                      "model.multi_modal_projector.linear_6.weight"}) == 4);
  CHECK(depth_of(tensor_spelling::original, {"model.mm_projector.4.weight"}) == 1);

  const memory_tensors two{"multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_2.weight"};
  CHECK(depth_of(hf, two, "mine") == 2);
  CHECK(depth_of(hf, two, "linear") == 1);
  CHECK(depth_of(tensor_spelling::original, {"model.mm_projector.0.weight", "model.mm_projector.2.weight"}, "mine") ==
        2);
  CHECK(depth_of(hf, {"multi_modal_projector.query.weight"}, "mine") == 1);
}

TEST_CASE("a head in the files replaces a tied one, except in original folders") {
  constexpr auto original = tensor_spelling::original;
  const auto table = [] { return memory_tensors().add("model.embed_tokens.weight", "abcd"); };
  CHECK(stays_tied(table(), original, prompt_rule::tokenizer));
  CHECK(stays_tied(table().add("lm_head.weight", "abcd"), original, prompt_rule::tokenizer));
  CHECK_FALSE(stays_tied(table().add("lm_head.weight", "abce"), original, prompt_rule::tokenizer));
  CHECK_FALSE(stays_tied(table().add("lm_head.weight", "abcd", dtype::bfloat16), original, prompt_rule::tokenizer));
  CHECK(stays_tied(table().add("lm_head.weight", "abce"), original, prompt_rule::original));
  for (const char* prefix : {"language_model.model.", "model.language_model."})
    for (const char* head : {"language_model.lm_head.weight", "lm_head.weight"})
      CHECK_FALSE(stays_tied(memory_tensors()
                                 .add(std::string(prefix) + "norm.weight", "ab")
                                 .add(std::string(prefix) + "embed_tokens.weight", "abcd")
                                 .add(head, "abce"),
                             tensor_spelling::llava_hf, prompt_rule::processor));
}

TEST_CASE("unread tensors: those that a model needs are distinguished from those that no program reads") {
  model_description d;
  d.has_vision = true;
  d.vision.layers = 24, d.vision.select_layer = -2;
  for (const char* name : {"text.layers.32.mlp.up_proj.weight", "text.layers.0.self_attn.q_proj.bias",
                           "text.lm_head.weight", "text.lm_head.bias", "projector.4.weight", "projector.norm.weight",
                           "text.image_newline", "multi_modal_projector.0.weight"}) {
    INFO(name);
    CHECK(detail::is_required(name, d));
  }
  for (const char* name : {"text.layers.0.self_attn.rotary_emb.inv_freq", "vision.embeddings.position_ids"})
    CHECK_FALSE(detail::is_required(name, d));
  for (const auto& [rest, must] : {std::pair<const char*, bool>{"encoder.layers.22.mlp.fc1.weight_scale", true},
                                   {"encoder.layers.x.mlp.fc1.weight", true},
                                   {"encoder.layers.23.mlp.fc1.weight", false},
                                   {"embeddings.patch_embedding.bias", true},
                                   {"pre_layrnorm.weight", true},
                                   {"post_layernorm.weight", false},
                                   {"head.mlp.fc1.weight", false}}) {
    INFO(rest);
    CHECK(detail::is_required(std::string("vision.") + rest, d) == must);
  }
  d.text.tied = true;
  CHECK_FALSE(detail::is_required("text.lm_head.weight", d));
  CHECK(detail::is_required("text.lm_head.bias", d));
  // This name maps to one of the library's by chance: the files call layer 0 linear_1, so nothing reads "0".
  const memory_tensors by_chance{"multi_modal_projector.linear_1.weight", "multi_modal_projector.0.weight"};
  std::vector<std::string> mistakes;
  detail::add_unread(tensors_of(tensor_spelling::llava_hf, by_chance), d, {"projector.0.weight"}, mistakes);
  CHECK(mistakes ==
        std::vector<std::string>{"multi_modal_projector.0.weight: is in file, but no part of this model reads it"});
}
