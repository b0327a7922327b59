// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/tensor_names.hpp>

#include <map>

#include <llava_catch.hpp>

namespace {

using namespace llava;

/// Tensors with a name and nothing else.
struct named_tensors final : tensor_source {
  std::map<std::string, stored_tensor, std::less<>> all;
  named_tensors(std::initializer_list<const char*> names) {
    for (const char* name : names) all[name].name = name;
  }
  const stored_tensor* find(std::string_view name) const override {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : all) visit(t);
  }
  std::string identity() const override { return {}; }
};

const named_tensors of_llava_hf{"language_model.model.norm.weight", "language_model.lm_head.weight",
                                "multi_modal_projector.linear_1.weight",
                                "vision_tower.vision_model.embeddings.patch_embedding.weight"};
const named_tensors of_original{"model.norm.weight", "lm_head.weight", "model.mm_projector.0.weight",
                                "model.vision_tower.vision_tower.vision_model.embeddings.patch_embedding.weight"};

}  // namespace

TEST_CASE("every name of the library maps to a name of the file") {
  const tensor_names hf(tensor_spelling::llava_hf, of_llava_hf), original(tensor_spelling::original, of_original);
  for (const auto& [ours, in_hf, in_original] : {
           std::tuple{"text.norm.weight", "language_model.model.norm.weight", "model.norm.weight"},
           {"text.lm_head.weight", "language_model.lm_head.weight", "lm_head.weight"},
           {"projector.0.weight", "multi_modal_projector.linear_1.weight", "model.mm_projector.0.weight"},
           {"projector.4.bias", "multi_modal_projector.linear_3.bias", "model.mm_projector.4.bias"},
           {"projector.weight", "multi_modal_projector.weight", "model.mm_projector.weight"},
           // Names of custom projectors: nothing after "projector.", invalid layer numbers, a number without a name.
           {"projector.", "multi_modal_projector.", "model.mm_projector."},
           {"projector.1.weight", "multi_modal_projector.1.weight", "model.mm_projector.1.weight"},
           {"projector.0", "multi_modal_projector.0", "model.mm_projector.0"},
           {"projector.0x.weight", "multi_modal_projector.0x.weight", "model.mm_projector.0x.weight"},
           {"projector.-2.weight", "multi_modal_projector.-2.weight", "model.mm_projector.-2.weight"},
           {"projector.99999999999.weight", "multi_modal_projector.99999999999.weight",
            "model.mm_projector.99999999999.weight"},
           {"projector.2147483646.w", "multi_modal_projector.linear_1073741824.w", "model.mm_projector.2147483646.w"},
           {"image_newline", "image_newline", "model.image_newline"},
           {"w", "w", "w"},
           {"text", "text", "text"},
           {"", "", ""},
       }) {
    INFO(ours);
    CHECK(hf.file_name(ours) == in_hf);
    CHECK(original.file_name(ours) == in_original);
  }
}

TEST_CASE("names of the files map back to the library's") {
  const tensor_names hf(tensor_spelling::llava_hf, of_llava_hf), original(tensor_spelling::original, of_original);
  for (const char* ours :
       {"text.norm.weight", "text.layers.31.mlp.up_proj.weight", "text.embed_tokens.weight", "text.lm_head.weight",
        "image_newline", "projector.0.weight", "projector.4.bias", "projector.weight", "projector.1.weight",
        "projector.norm.weight", "vision.embeddings.patch_embedding.weight", "vision.encoder.layers.3.mlp.fc1.bias"}) {
    INFO(ours);
    CHECK(hf.name_of(hf.file_name(ours)) == ours);
    CHECK(original.name_of(original.file_name(ours)) == ours);
  }
  for (const char* theirs : {"optimizer.step", "logit_scale", "vision_tower.vision_projection.weight", "model"}) {
    INFO(theirs);
    CHECK(hf.name_of(theirs).empty());
    CHECK(original.name_of(theirs).empty());
  }
  CHECK(original.name_of("model.scale") == "text.scale");  // an unknown tensor of the language model
  // A separate tower, whose names have no prefix.
  const named_tensors alone{"embeddings.patch_embedding.weight", "encoder.layers.0.mlp.fc1.bias"};
  CHECK(tensor_names(tensor_spelling::original, alone).name_of("encoder.layers.0.mlp.fc1.bias") ==
        "vision.encoder.layers.0.mlp.fc1.bias");
}

TEST_CASE("the tensors of MPT have names of their own, in both directions") {
  const named_tensors of_mpt{"transformer.norm_f.weight", "lm_head.weight", "transformer.mm_projector.weight"};
  const tensor_names names(tensor_spelling::mpt, of_mpt);
  for (const auto& [ours, theirs] : {
           std::pair{"text.embed_tokens.weight", "transformer.wte.weight"},
           {"text.layers.11.input_layernorm.weight", "transformer.blocks.11.norm_1.weight"},
           {"text.layers.0.self_attn.qkv_proj.weight", "transformer.blocks.0.attn.Wqkv.weight"},
           {"text.layers.0.self_attn.o_proj.weight", "transformer.blocks.0.attn.out_proj.weight"},
           {"text.layers.0.post_attention_layernorm.weight", "transformer.blocks.0.norm_2.weight"},
           {"text.layers.0.mlp.up_proj.weight", "transformer.blocks.0.ffn.up_proj.weight"},
           {"text.layers.0.mlp.down_proj.weight", "transformer.blocks.0.ffn.down_proj.weight"},
           {"text.norm.weight", "transformer.norm_f.weight"},
           {"text.lm_head.weight", "lm_head.weight"},
           {"projector.0.weight", "transformer.mm_projector.0.weight"},
       }) {
    CHECK(names.file_name(ours) == theirs);
    CHECK(names.name_of(theirs) == ours);
  }
  CHECK(names.name_of("transformer.wpe.weight") == "text.wpe.weight");  // no part of the model reads it
  CHECK(names.name_of("transformer.vision_tower.vision_tower.vision_model.post_layernorm.bias").empty());
}
