// SPDX-License-Identifier: Apache-2.0
/// The published models as types, against config.json files with the keys of their uploads.
#include <llava.hpp>
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <set>
#include <temporary_folder.hpp>

namespace {

const std::string usual = R"("mm_hidden_size": 1024, "mm_vision_select_layer": -2, "mm_vision_tower": "tower", )",
                  untied = usual + R"("tie_word_embeddings": false, )";
const std::string shape_7b =
    R"("hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32, "num_hidden_layers": 32, )";
const std::string shape_13b =
    R"("hidden_size": 5120, "intermediate_size": 13824, "num_attention_heads": 40, "num_hidden_layers": 40, )";
const std::string llama_1 = R"("model_type": "llava", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06)";
const std::string llama_2 = R"("model_type": "llava", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05)";
const std::string mistral =
    R"("model_type": "llava_mistral", "num_key_value_heads": 8, "intermediate_size": 14336, "hidden_size": 4096,
       "num_attention_heads": 32, "num_hidden_layers": 32, "rms_norm_eps": 1e-05, "mm_projector_type": "mlp2x_gelu",
       "max_position_embeddings": 32768, )";

// Keys of LLaVA-1.6's config.json.
const std::string anyres =
    R"("image_aspect_ratio": "anyres", "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
       "mm_patch_merge_type": "spatial_unpad", "mm_projector_type": "mlp2x_gelu", )";

const std::string canvases_384 =
    R"("image_aspect_ratio": "anyres", "image_grid_pinpoints": [[384, 768], [768, 384], [768, 768], [1152, 384], [384, 1152]],
       "mm_patch_merge_type": "spatial_unpad", "mm_projector_type": "mlp2x_gelu", )";
// Keys of LLaVA-NeXT on Qwen1.5, whose uploads differ in model_type.
const std::string qwen =
    R"("architectures": ["LlavaQwenForCausalLM"], "model_type": "llava", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
       "rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": 32768, "max_window_layers": 70, )";
const std::string yi_34b =
    R"("num_key_value_heads": 8, "intermediate_size": 20480, "hidden_size": 7168, "num_attention_heads": 56,
       "num_hidden_layers": 60, "rms_norm_eps": 1e-05, "rope_theta": 5000000.0)";
const std::string video = R"("mm_resampler_type": "spatial_pool", "mm_spatial_pool_mode": "average",
       "mm_spatial_pool_stride": 2, "mm_spatial_pool_out_channels": 1024, )";

/// The error of opening a folder as M; empty if its numbers are M's.
template <class M>
std::string differences_of(const temporary_folder& f) {
  const auto d = llava::try_describe_model(f.path.string());
  if (!d) return d.error().sentence();
  const auto same = llava::try_confirm<M>(*d, "folder");
  return same ? "" : same.error().sentence();
}

/// The error of opening a folder with these keys as M; empty if its numbers are M's.
template <class M>
std::string differences(const std::string& keys, int pixels) {
  temporary_folder f("published");
  f.write("tower/config.json", replaced(R"({"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 224,
    "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14})",
                                        "224", std::to_string(pixels)));
  f.write("config.json", "{" + (keys.find("llava_mpt") == std::string::npos ? untied : usual) + keys + "}");
  return differences_of<M>(f);
}

/// The same of a folder in transformers' layout; `text`: keys of text_config, `more`: other keys.
template <class M>
std::string differences_in_llava_hf(const std::string& text, const std::string& more) {
  temporary_folder f("published");
  f.write("config.json", R"({"image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
    "projector_hidden_act": "gelu", "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
    "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14,
    "projection_dim": 768, "vocab_size": 32000}, "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
    "text_config": {)" + text +
                             "}, " + more + "}");
  return differences_of<M>(f);
}

/// The same of a SigLIP tower.
template <class M>
std::string differences_on_siglip(const std::string& keys) {
  temporary_folder f("published");
  f.write("tower/config.json", R"({"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384,
    "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14})");
  f.write("config.json", "{" + usual + keys + "}");
  return differences_of<M>(f);
}

/// Whether M has the conversation that the reference chooses for this name.
template <class M>
bool talks_as(std::string_view name) {
  return typename M::conversation().name() == llava::conversation_of_model(name);
}

}  // namespace

TEST_CASE("the published models as types have the numbers of their uploads' config.json") {
  CHECK(differences<llava::llava_1_7b>(shape_7b + llama_1, 224) == "");
  CHECK(differences<llava::llava_0_7b>(shape_7b + llama_1, 224) == "");
  CHECK(differences<llava::llava_1_13b>(shape_13b + llama_1, 224) == "");
  CHECK(differences<llava::llava_0_13b>(shape_13b + llama_1, 224) == "");
  CHECK(differences<llava::llava_1_336_13b>(shape_13b + llama_1, 336) == "");
  CHECK(differences<llava::llava_llama_2_7b>(shape_7b + llama_2, 224) == "");
  CHECK(differences<llava::llava_llama_2_13b>(shape_13b + llama_2, 224) == "");
  CHECK(differences<llava::llava_mpt_7b>(R"("model_type": "llava_mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32,
    "expansion_ratio": 4, "max_seq_len": 2048, "vocab_size": 50282, "attn_config": {"alibi": true, "alibi_bias_max": 8})",
                                         224) == "");
  CHECK(differences<llava::llava_rlhf_7b>(shape_7b + llama_2, 224) == "");
  CHECK(differences<llava::llava_rlhf_13b>(shape_13b + llama_2, 336) == "");
  CHECK(differences<llava::llava_med_1_5_7b>(mistral + R"("rope_theta": 1000000.0, "sliding_window": null)", 336) ==
        "");
  CHECK(differences<llava::bakllava_7b>(mistral + R"("rope_theta": 10000.0, "sliding_window": 4096)", 336) == "");
  CHECK(differences<llava::llava_1_6_vicuna_7b>(anyres + shape_7b + llama_2, 336) == "");
  CHECK(differences<llava::llava_1_6_vicuna_13b>(anyres + shape_13b + llama_2, 336) == "");
  CHECK(differences<llava::llava_1_6_mistral_7b>(
            anyres + mistral + R"("rope_theta": 1000000.0, "sliding_window": null)", 336) == "");
  CHECK(differences<llava::llava_1_6_34b>(anyres + yi_34b, 336) == "");
  const std::string s2 = R"("s2": true, "s2_scales": "336,672,1008", "mm_projector_type": "mlp2x_gelu", )";
  CHECK(differences<llava::llava_1_5_s2_7b>(s2 + shape_7b + llama_2, 336) == "");
  CHECK(differences<llava::llava_1_5_s2_13b>(s2 + shape_13b + llama_2, 336) == "");
  CHECK(differences<llava::llava_1_336_7b>(shape_7b + llama_1, 336) == "");
  CHECK(differences<llava::llava_llama_2_336_7b>(shape_7b + llama_2, 336) == "");
  CHECK(differences<llava::llava_llama_2_336_13b>(shape_13b + llama_2, 336) == "");
  CHECK(differences<llava::llava_1_7b>(shape_7b + llama_2, 224).find("text.eps: the model has 0.000001") !=
        std::string::npos);
}

TEST_CASE("the types of LLaVA-NeXT have the numbers of their uploads' config.json") {
  CHECK(differences<llava::llava_next_llama_3_8b>(
            anyres + R"("model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"], "hidden_size": 4096,
              "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
              "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "max_position_embeddings": 8192, "vocab_size": 128256)",
            336) == "");
  CHECK(differences<llava::llava_next_qwen_72b>(
            anyres + qwen + R"("hidden_size": 8192, "intermediate_size": 24576, "num_attention_heads": 64,
              "num_hidden_layers": 80, "num_key_value_heads": 64, "vocab_size": 152064)",
            336) == "");
  CHECK(differences<llava::llava_next_qwen_110b>(
            anyres + qwen + R"("hidden_size": 8192, "intermediate_size": 49152, "num_attention_heads": 64,
              "num_hidden_layers": 80, "num_key_value_heads": 8, "vocab_size": 152064)",
            336) == "");
  CHECK(differences_on_siglip<llava::llava_next_interleave_qwen_7b>(canvases_384 + qwen + shape_7b +
                                                                    R"("vocab_size": 151936)") == "");
  CHECK(differences_on_siglip<llava::llava_next_interleave_qwen_0_5b>(
            replaced(canvases_384 + qwen, "1000000.0", "1000000.0, \"tie_word_embeddings\": true") +
            R"("hidden_size": 1024, "intermediate_size": 2816, "num_attention_heads": 16, "num_hidden_layers": 24)") ==
        "");
  CHECK(differences<llava::llava_next_video_7b>(anyres + video + shape_7b + llama_2, 336) == "");
  CHECK(differences<llava::llava_next_video_34b>(anyres + video + yi_34b, 336) == "");
  CHECK(differences_on_siglip<llava::llava_next_video_qwen_32b>(canvases_384 + qwen + video +
                                                                R"("hidden_size": 5120, "intermediate_size": 27392,
              "num_attention_heads": 40, "num_hidden_layers": 64, "num_key_value_heads": 8, "vocab_size": 152064)") ==
        "");
  CHECK(differences<llava::llava_next_video_7b_hf>(
            anyres + video + shape_7b + llama_2 + R"(, "rope_scaling": {"factor": 2.5, "type": "linear"})", 336) == "");
}

TEST_CASE("the types of LLaVA-NeXT have the numbers of llava-hf's config.json") {
  const std::string next = R"("model_type": "llava_next", "image_token_index": 7)";
  CHECK(differences_in_llava_hf<llava::llava_next_llama_3_8b>(
            R"("model_type": "llama", "intermediate_size": 14336, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
               "rope_theta": 500000.0, "max_position_embeddings": 8192, "vocab_size": 128320)",
            next) == "");
  CHECK(differences_in_llava_hf<llava::llava_next_qwen_110b>(
            R"("model_type": "qwen2", "hidden_size": 8192, "intermediate_size": 49152, "max_position_embeddings": 32768,
               "max_window_layers": 70, "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
               "rope_theta": 1000000.0, "sliding_window": 32768, "use_sliding_window": false, "vocab_size": 152064)",
            next) == "");
  const std::string pool = R"(, "spatial_pool_mode": "average", "spatial_pool_out_channels": 1024,
      "spatial_pool_stride": 2)";  // with a model_type of images, as uploads have
  CHECK(differences_in_llava_hf<llava::llava_next_video_34b>(R"("model_type": "llama", )" + yi_34b, next + pool) == "");
  CHECK(differences_in_llava_hf<llava::llava_next_video_7b_hf>(
            R"("model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "vocab_size": 32064,
               "rope_scaling": {"factor": 2.5, "type": "linear"})",
            R"("model_type": "llava_next_video", "image_token_index": 32001)" + pool) == "");
}

namespace {
struct longrope : llava::llava_1_5_7b {
  static constexpr auto text = llava::with(llava::llava_1_5_7b::text, [](llava::text_config& c) {
    c.scaling = llava::rope_scaling::longrope;
    for (int i = 0; i < 64; ++i) c.rope_short.of[i] = 1.f;
  });
};
}  // namespace

TEST_CASE("of two lists of numbers, the first that differs is named") {
  llava::model_description d;
  d.has_vision = true, d.vision = longrope::vision, d.projector = longrope::projection, d.text = longrope::text;
  CHECK(llava::try_confirm<longrope>(d, "folder"));
  d.text.rope_short.of[3] = 2.f, d.text.rope_short.of[5] = 3.f;
  const auto other = llava::try_confirm<longrope>(d, "folder");
  REQUIRE_FALSE(other);
  CHECK(other.error().sentence() ==
        "llava: folder is not the model that it was opened as (llava::any opens it by its config.json):\n"
        "  text.rope_short[3]: the model has 1.000000, the folder has 2.000000");
  d.text = longrope::text, d.vision.more_layers = {1, {0}}, d.vision.scales = {2, {336, 672}};
  d.projector.vision_hidden = d.vision.feature_width();
  CHECK(llava::try_confirm<longrope>(d, "folder")
            .error()
            .sentence()
            .ends_with("  vision.more_layers.count: the model has 0, the folder has 1\n"
                       "  vision.scales.count: the model has 0, the folder has 2\n"
                       "  projector.vision_hidden: the model has 1024, the folder has 4096"));
}

TEST_CASE("the published models as types have the reference's conversation for their names") {
  CHECK(talks_as<llava::llava_1_7b>("LLaVA-Lightning-7B-delta-v1-1"));
  CHECK(talks_as<llava::llava_1_13b>("LLaVA-13b-delta-v1-1"));
  CHECK(talks_as<llava::llava_1_336_13b>("llava-v1-0719-336px-lora-merge-vicuna-13b-v1.3"));
  CHECK(talks_as<llava::llava_0_13b>("LLaVA-13b-delta-v0"));
  CHECK(talks_as<llava::llava_0_7b>("LLaVA-7b-delta-v0"));
  CHECK(talks_as<llava::llava_llama_2_13b>("llava-llama-2-13b-chat-lightning-preview"));
  CHECK(talks_as<llava::llava_mpt_7b>("LLaVA-Lightning-MPT-7B-preview"));
  CHECK(talks_as<llava::llava_rlhf_7b>("LLaVA-RLHF-7b-v1.5-224"));
  CHECK(talks_as<llava::llava_med_1_5_7b>("llava-med-v1.5-mistral-7b"));
  CHECK(talks_as<llava::bakllava_7b>("BakLLaVA-1"));
  CHECK(talks_as<llava::llava_1_6_vicuna_7b>("llava-v1.6-vicuna-7b"));
  CHECK(talks_as<llava::llava_1_6_vicuna_13b>("llava-v1.6-vicuna-13b"));
  CHECK(talks_as<llava::llava_1_6_mistral_7b>("llava-v1.6-mistral-7b"));
  CHECK(talks_as<llava::llava_1_6_34b>("llava-v1.6-34b"));
  CHECK(talks_as<llava::llava_1_5_s2_7b>("llava-v1.5-7b-s2-lora"));
  CHECK(talks_as<llava::llava_1_5_s2_13b>("llava-v1.5-13b-s2-lora"));
  CHECK(talks_as<llava::llava_1_336_7b>("llava-336px-pretrain-vicuna-7b-v1.3"));
  CHECK(talks_as<llava::llava_llama_2_336_7b>("llava-336px-pretrain-llama-2-7b-chat"));
  CHECK(talks_as<llava::llava_llama_2_336_13b>("llava-336px-pretrain-llama-2-13b-chat"));
  CHECK(talks_as<llava::llava_next_llama_3_8b>("llama3-llava-next-8b"));
  CHECK(talks_as<llava::llava_next_qwen_72b>("llava-next-72b"));
  CHECK(talks_as<llava::llava_next_qwen_110b>("llava-next-110b"));
  CHECK(talks_as<llava::llava_next_interleave_qwen_7b>("llava-next-interleave-qwen-7b"));
  CHECK(talks_as<llava::llava_next_interleave_qwen_0_5b>("llava-next-interleave-qwen-0.5b"));
  CHECK(talks_as<llava::llava_next_video_7b>("LLaVA-NeXT-Video-7B-DPO"));
  CHECK(talks_as<llava::llava_next_video_34b>("LLaVA-NeXT-Video-34B"));
  CHECK(talks_as<llava::llava_next_video_qwen_32b>("LLaVA-NeXT-Video-32B-Qwen"));
  CHECK(talks_as<llava::llava_1_6_mistral_7b>("LLaVA-NeXT-Video-7B-32K"));
}

TEST_CASE("a published model is found by its name, in any case of letters and with an owner or a path") {
  for (const llava::published_model& m : llava::published_models) {
    CHECK(llava::find_published(m.name) == &m);
    CHECK_FALSE(m.base.empty());
    CHECK_FALSE(name_of(m.form).empty());
    CHECK_FALSE(m.licence.empty());
    CHECK(llava::any_conversation::try_named(llava::conversation_of_model(m.name)));
  }
  REQUIRE(llava::find_published("liuhaotian/llava-lightning-mpt-7b-PREVIEW"));
  CHECK(llava::find_published("liuhaotian/llava-lightning-mpt-7b-PREVIEW")->type == "llava_mpt_7b");
  CHECK(llava::find_published("/models/llava-v1.5-7b/")->tower == "openai/clip-vit-large-patch14-336");
  for (const char* other : {"", "/", "llava", "llava-v1.5-7b/x", "llava-v1.5-7b-xyz"})
    CHECK_FALSE(llava::find_published(other));
}

TEST_CASE("every type of the table of published models is one of the library's") {
  const std::set<std::string_view> types{"llava_0_7b",
                                         "llava_0_13b",
                                         "llava_1_7b",
                                         "llava_1_13b",
                                         "llava_1_336_13b",
                                         "llava_1_5_7b",
                                         "llava_1_5_13b",
                                         "llava_1_6_vicuna_7b",
                                         "llava_1_6_vicuna_13b",
                                         "llava_1_6_mistral_7b",
                                         "llava_1_6_34b",
                                         "llava_llama_2_7b",
                                         "llava_llama_2_13b",
                                         "llava_mpt_7b",
                                         "llava_rlhf_7b",
                                         "llava_rlhf_13b",
                                         "llava_med_1_5_7b",
                                         "llava_1_5_s2_7b",
                                         "llava_1_5_s2_13b",
                                         "llava_1_336_7b",
                                         "llava_llama_2_336_7b",
                                         "llava_llama_2_336_13b",
                                         "llava_next_llama_3_8b",
                                         "llava_next_qwen_72b",
                                         "llava_next_qwen_110b",
                                         "llava_next_interleave_qwen_0_5b",
                                         "llava_next_interleave_qwen_7b",
                                         "llava_next_video_7b",
                                         "llava_next_video_34b",
                                         "llava_next_video_qwen_32b",
                                         "bakllava_7b"};
  for (const llava::published_model& m : llava::published_models) CHECK(types.count(m.type) == 1);
}
