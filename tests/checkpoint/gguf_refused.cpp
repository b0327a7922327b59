// SPDX-License-Identifier: Apache-2.0
/// GGUF files that describe no model, or none that is supported.
#include <llava/checkpoint/checkpoint.hpp>

#include <gguf_models.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace gguf_models;

std::string error_of(const std::string& path) {
  const auto c = llava::try_open_checkpoint(path);
  return c ? std::string() : c.error().sentence();
}

}  // namespace

TEST_CASE("a GGUF language model that is not supported, or contradicts itself, is refused with a sentence") {
  struct row {
    const char* key;
    key_adder add;
    const char* fragment;
  };
  const row rows[] = {
      {"general.architecture", nullptr, "has no key \"general.architecture\""},
      {"general.architecture", value(1u), "\"general.architecture\" must be a text"},
      {"general.architecture", value("mpt"), "\"general.architecture\" is mpt, expected llama or qwen2"},
      {"general.architecture", value(std::string(100000, '\xff')), "expected llama or qwen2"},
      {"general.architecture", value("qwen2"), "has no key \"qwen2.context_length\""},
      {"llama.context_length", nullptr, "has no key \"llama.context_length\""},
      {"llama.context_length", value(0u), "text.context must be"},
      {"llama.embedding_length", value("8"), "\"llama.embedding_length\" must be a 32-bit integer"},
      {"llama.embedding_length", value(0u), "text.hidden must be"},
      {"llama.embedding_length", value(~0u), "must be a 32-bit integer"},
      {"llama.block_count", value(0u), "text.layers must be"},
      {"llama.block_count", value(0x7fffffffu), "text.layers must be"},
      {"llama.block_count", value(-1), "text.layers must be"},
      {"llama.feed_forward_length", value(std::vector<std::int32_t>{16, 32}), "is different in each layer"},
      {"llama.feed_forward_length", value(std::vector<std::int32_t>{}), "must be a 32-bit integer"},
      {"llama.attention.head_count", value(0u), "text.heads must be"},
      {"llama.attention.head_count_kv", value(0u), "text.kv_heads"},
      {"llama.attention.head_count_kv", value(3u), "text.kv_heads"},
      {"llama.attention.key_length", value(1024u), "text.head_dim must be"},
      {"llama.attention.value_length", value(2u), "\"llama.attention.value_length\" is 2, expected 4"},
      {"llama.attention.layer_norm_rms_epsilon", value(-1.f), "text.eps must"},
      {"llama.attention.layer_norm_rms_epsilon", value(std::vector<float>{1e-5f}), "must be a finite number"},
      {"llama.rope.dimension_count", value(2u), "\"llama.rope.dimension_count\" is 2, expected 4"},
      {"llama.rope.freq_base", value(0.f), "text.rope_theta must"},
      {"llama.rope.freq_base",
       [](gguf_bytes& g, const std::string& n) {
         g.raw(n, 6, {"\0\0\xc0\x7f", 4});
       },
       "must be a finite number"},
      {"llama.rope.scaling.type", value("longrope"), "is longrope, expected none, linear or yarn"},
      {"llama.rope.scaling.type", value("yarn"), "has no key \"llama.rope.scaling.factor\""},
      {"llama.rope.scaling.factor", value(-2.f), "text.rope_factor must"},
      {"llama.expert_count", value(8u), "\"llama.expert_count\" is 8, expected 0"},
      {"tokenizer.ggml.tokens", value(std::vector<std::string>{"a"}), "expected one for each of the 1 tokens"},
      {"tokenizer.chat_template", value(1u), "\"tokenizer.chat_template\" must be a text"},
      {"general.name", value(1u), "\"general.name\" must be a text"},
      {"llava.tokenizer", value("odd"), "\"llava.tokenizer\" is odd, expected fast, slow or slow_legacy"},
      {"llava.longest_prompt", value(0u), "\"llava.longest_prompt\" must be at least 1"},
  };
  temporary_folder f("gguf_bad");
  for (const row& r : rows) {
    INFO(r.key << ": " << r.fragment);
    f.write("x.gguf", language(with(language_keys(), r.key, r.add)).bytes());
    const std::string sentence = error_of(f / "x.gguf");
    INFO(sentence);
    CHECK(sentence.find("x.gguf") != std::string::npos);
    CHECK(sentence.find(r.fragment) != std::string::npos);
  }
  const auto refused = [&](const gguf_bytes& g) {
    f.write("x.gguf", g.bytes());
    return error_of(f / "x.gguf");
  };
  gguf_bytes g = file_of(language_keys());
  CHECK(refused(g).find("has no matrix token_embd.weight") != std::string::npos);
  g = language();
  CHECK(refused(add_f32(g, "blk.0.ssm_in.weight", {8, 8})).find("has the tensor blk.0.ssm_in.weight, which no") !=
        std::string::npos);
  g = language();
  CHECK(refused(add_f32(g, "blk.0.attn_qkv.weight", {8, 8})).find("expected 24 rows, those of q, k and v") !=
        std::string::npos);
  g = language();
  add_f32(g, "blk.0.attn_qkv.weight", {8, 24});
  CHECK(refused(add_f32(g, "blk.0.attn_k.weight", {8, 8})).find("is a second ") != std::string::npos);
  g = language();
  CHECK(refused(add_f32(g, "rope_freqs.weight", {2})).find("expected positive numbers up to 1e6") != std::string::npos);
  g = language();
  CHECK(refused(add_f32(g, "rope_freqs.weight", {3})).find("expected 2 f32, half the size of a head") !=
        std::string::npos);
}

TEST_CASE("an mmproj that is not supported, or contradicts itself, is refused with a sentence") {
  struct row {
    const char* key;
    key_adder add;
    const char* fragment;
  };
  const std::vector<std::int32_t> two_layers{2, 1}, layer{3};
  const row rows[] = {
      {"clip.has_vision_encoder", value(false), "\"clip.has_vision_encoder\" is false, expected true"},
      {"clip.vision.image_size", nullptr, "has no key \"clip.vision.image_size\""},
      {"clip.vision.image_size", value(0u), "vision.image must"},
      {"clip.vision.patch_size", value(0u), "vision.patch must"},
      {"clip.vision.patch_size", value(0x80000000u), "must be a 32-bit integer"},
      {"clip.vision.embedding_length", value(0u), "vision.hidden must"},
      {"clip.vision.attention.head_count", value(0u), "vision.hidden must"},
      {"clip.vision.attention.head_count", value(3u), "vision.hidden must"},
      {"clip.vision.block_count", value(0u), "\"clip.vision.block_count\" must be 1 to 512"},
      {"clip.vision.block_count", value(0x7fffffffu), "\"clip.vision.block_count\" must be 1 to 512"},
      {"clip.vision.feature_layer", value(two_layers), "in ascending order"},
      {"clip.vision.feature_layer", value(std::vector<std::int32_t>{}), "is 0 layers, expected 1 to 16 layers"},
      {"clip.vision.feature_layer", value(layer), "must be 0 to 2, the layers in this file"},
      {"clip.vision.feature_layer", value(std::vector<std::int32_t>{-1}), "must be 0 to 2"},
      {"clip.vision.image_mean", value(std::vector<float>{0.5f}), "\"clip.vision.image_mean\" must be three numbers"},
      {"clip.vision.image_std", nullptr, "has no key \"clip.vision.image_std\""},
      {"clip.vision.image_std", value(std::vector<float>{0.5f, 0.f, 0.5f}), "image.std must be positive"},
      {"clip.projector_type", value("ldpv2"), "\"clip.projector_type\" is ldpv2, expected mlp"},
      {"clip.use_silu", value(true), "\"clip.use_silu\" is true, expected false"},
      {"clip.vision.mm_patch_merge_type", value("spatial_unpad"), "is spatial_unpad without canvases, expected flat"},
      {"clip.vision.image_aspect_ratio", value("anyres"), "has no key \"clip.vision.image_grid_pinpoints\""},
      {"clip.vision.image_grid_pinpoints", value(layer), "must be 1 to 64 pairs of a width and a height"},
      {"clip.vision.image_grid_pinpoints", value(std::vector<std::int32_t>{28, -28}), "must be 1 to 64 pairs"},
      {"clip.vision.image_grid_pinpoints", value(std::vector<std::int32_t>(130, 28)), "must be 1 to 64 pairs"},
      {"clip.vision.image_grid_pinpoints", value(two_layers), "must be multiples of image.crop"},
  };
  temporary_folder f("gguf_bad_vision");
  f.write("x.gguf", language().bytes());
  for (const row& r : rows) {
    INFO(r.key << ": " << r.fragment);
    f.write("mmproj.gguf", vision(with(vision_keys(), r.key, r.add)).bytes());
    const std::string sentence = error_of(f / "x.gguf");
    INFO(sentence);
    CHECK(sentence.find("mmproj.gguf") != std::string::npos);
    CHECK(sentence.find(r.fragment) != std::string::npos);
  }
  const auto refused = [&](gguf_bytes g, const char* name) {
    f.write("mmproj.gguf", add_f32(g, name, {8}).bytes());
    return error_of(f / "x.gguf");
  };
  CHECK(refused(vision(), "v.blk.0.attn_extra.weight").find("has the tensor v.blk.0.attn_extra.weight, which") !=
        std::string::npos);
  CHECK(refused(vision(), "v.blk.2.ln1.weight").find("has the tensor v.blk.2.ln1.weight") != std::string::npos);
  CHECK(refused(vision(), "mm.1.weight").find("has the tensor mm.1.weight") != std::string::npos);
  CHECK(refused(vision(), "mm.weight").find("has no projector mm.0.weight") != std::string::npos);
  CHECK(refused(vision(), "v.head.ffn_up.weight").empty());
  CHECK(refused(file_of(vision_keys()), "v.class_embd").find("has no projector mm.0.weight") != std::string::npos);
  f.write("mmproj.gguf", vision().bytes());
  f.write("x.gguf", language(with(language_keys(), "llava.image_token_id", value(6u))).bytes());
  CHECK(error_of(f / "x.gguf").find("\"llava.image_token_id\" must be a token's id, 0 to 5") != std::string::npos);
}

TEST_CASE("R1: a GGUF model with any damaged byte is opened or refused") {
  temporary_folder f("gguf_damage");
  gguf_bytes g = language();
  add_f32(g, "blk.0.attn_qkv.weight", {8, 24});
  const std::string text = g.bytes(), images = vision().bytes();
  const std::string model = f / "x.gguf";
  const auto try_all = [&](const char* file, const std::string& whole, std::size_t step) {
    for (std::size_t i = 0; i < whole.size(); i += step) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (i % 3 == 0 ? 0xff : i % 3 == 1 ? 0x01 : 0x20));
      f.write(file, damaged);
      error_of(model);
    }
    f.write(file, whole);
  };
  f.write("x.gguf", text).write("mmproj.gguf", images);
  try_all("x.gguf", text, 2);
  try_all("mmproj.gguf", images, 2);
  CHECK(error_of(model).empty());
}
