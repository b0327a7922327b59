// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/tensor_names.hpp>

#include <map>

#include <llava_catch.hpp>

namespace {

using namespace llava;

/// Tensors that have a name and nothing else.
struct named_tensors {
  std::map<std::string, stored_tensor, std::less<>> all;
  named_tensors(std::initializer_list<const char*> names) {
    for (const char* name : names) all[name].name = name;
  }
  const stored_tensor* find(std::string_view name) const {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, t] : all) f(t);
  }
};

const named_tensors of_llava_hf{"language_model.model.norm.weight", "language_model.lm_head.weight",
                                "multi_modal_projector.linear_1.weight",
                                "vision_tower.vision_model.embeddings.patch_embedding.weight"};
const named_tensors of_original{"model.norm.weight", "lm_head.weight", "model.mm_projector.0.weight",
                                "model.vision_tower.vision_tower.vision_model.embeddings.patch_embedding.weight"};

}  // namespace

TEST_CASE("every name is a name of the file, whatever it is") {
  const tensor_names hf(naming::llava_hf, of_llava_hf), original(naming::original, of_original);
  for (const auto& [ours, in_hf, in_original] : {
           std::tuple{"text.norm.weight", "language_model.model.norm.weight", "model.norm.weight"},
           {"text.lm_head.weight", "language_model.lm_head.weight", "lm_head.weight"},
           {"projector.0.weight", "multi_modal_projector.linear_1.weight", "model.mm_projector.0.weight"},
           {"projector.4.bias", "multi_modal_projector.linear_3.bias", "model.mm_projector.4.bias"},
           {"projector.weight", "multi_modal_projector.weight", "model.mm_projector.weight"},
           // Of projectors of one's own: shorter than "projector.", numbers that are none, numbers without a name.
           {"projector.", "multi_modal_projector.", "model.mm_projector."},
           {"projector.1.weight", "multi_modal_projector.1.weight", "model.mm_projector.1.weight"},
           {"projector.0", "multi_modal_projector.0", "model.mm_projector.0"},
           {"projector.0x.weight", "multi_modal_projector.0x.weight", "model.mm_projector.0x.weight"},
           {"projector.-2.weight", "multi_modal_projector.-2.weight", "model.mm_projector.-2.weight"},
           {"projector.99999999999.weight", "multi_modal_projector.99999999999.weight",
            "model.mm_projector.99999999999.weight"},
           {"projector.2147483646.w", "multi_modal_projector.linear_1073741824.w", "model.mm_projector.2147483646.w"},
           {"w", "w", "w"},
           {"text", "text", "text"},
           {"", "", ""},
       }) {
    INFO(ours);
    CHECK(hf.file_name(ours) == in_hf);
    CHECK(original.file_name(ours) == in_original);
  }
}

TEST_CASE("llava-hf: a projector is as deep as the files have layers, and never less than two") {
  const auto depth_of = [](naming n, const named_tensors& tensors) {
    model_description d;
    d.projector.depth = 1, d.projector_type = "mlp_gelu";
    tensor_names(n, tensors).read_depth(tensors, d);
    return d.projector.depth;
  };
  CHECK(depth_of(naming::llava_hf, of_llava_hf) == 2);
  CHECK(depth_of(naming::llava_hf, {}) == 2);
  CHECK(depth_of(naming::llava_hf, {"multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_2.weight",
                                    "multi_modal_projector.linear_3.weight"}) == 3);
  CHECK(depth_of(naming::llava_hf,
                 {"model.multi_modal_projector.linear_1.weight", "model.multi_modal_projector.linear_3.weight",
                  "model.multi_modal_projector.linear_4.weight", "model.multi_modal_projector.linear_6.weight"}) == 4);
  CHECK(depth_of(naming::original, {"model.mm_projector.4.weight"}) == 1);
}

TEST_CASE("what a model would miss is told from what no program reads") {
  model_description d;
  d.vision.layers = 24, d.vision.select_layer = -2;
  const tensor_names hf(naming::llava_hf, of_llava_hf), original(naming::original, of_original);
  const std::string hf_tower = "vision_tower.vision_model.",
                    original_tower = "model.vision_tower.vision_tower.vision_model.";
  for (const char* name :
       {"language_model.model.layers.32.mlp.up_proj.weight", "language_model.model.layers.0.self_attn.q_proj.bias",
        "language_model.lm_head.weight", "language_model.lm_head.bias", "multi_modal_projector.linear_3.weight",
        "multi_modal_projector.norm.weight"}) {
    INFO(name);
    CHECK(hf.must_be_read(name, d, true));
    CHECK(hf.must_be_read(name, d, false));
  }
  for (const char* name : {"model.layers.32.mlp.up_proj.weight", "model.mm_projector.4.weight", "lm_head.weight",
                           "model.image_newline", "model.vision_resampler.layers.0.weight"})
    CHECK(original.must_be_read(name, d, false));
  for (const char* name : {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
                           "vision_tower.vision_model.embeddings.position_ids", "optimizer.step", "logit_scale"})
    CHECK_FALSE(hf.must_be_read(name, d, true));
  for (const auto& [rest, must] : {std::pair<const char*, bool>{"encoder.layers.22.mlp.fc1.weight_scale", true},
                                   {"encoder.layers.x.mlp.fc1.weight", true},
                                   {"encoder.layers.23.mlp.fc1.weight", false},
                                   {"embeddings.patch_embedding.bias", true},
                                   {"pre_layrnorm.weight", true},
                                   {"post_layernorm.weight", false},
                                   {"head.mlp.fc1.weight", false}}) {
    INFO(rest);
    CHECK(hf.must_be_read(hf_tower + rest, d, true) == must);
    CHECK(original.must_be_read(original_tower + rest, d, true) == must);
    CHECK_FALSE(hf.must_be_read(hf_tower + rest, d, false));  // the tower is read from a folder of its own
    CHECK_FALSE(original.must_be_read(original_tower + rest, d, false));
  }
  d.text.tied = true;
  CHECK_FALSE(hf.must_be_read("language_model.lm_head.weight", d, true));
  CHECK(hf.must_be_read("language_model.lm_head.bias", d, true));
}
