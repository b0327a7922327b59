// SPDX-License-Identifier: Apache-2.0
/// Models in GGUF files: their weights, compared with gguf's values in the original layout
/// (tests/oracle/gguf_models.py), and their descriptions. tests/goldens compares the outputs of their stages.
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/quant/ggml_formats.hpp>

#include <algorithm>

#include <crc32.hpp>
#include <gguf_models.hpp>
#include <llava_catch.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using llava::checkpoint;
using namespace gguf_models;

const std::string goldens = LLAVA_TEST_DATA "/goldens/";

checkpoint opened(const std::string& path, const llava::gguf_options& options = {}) {
  auto c = llava::try_open_checkpoint(path, {}, options);
  if (!c) FAIL(c.error().what());
  return *std::move(c);
}
std::string error_of(const std::string& path, const llava::gguf_options& options = {}) {
  const auto c = llava::try_open_checkpoint(path, {}, options);
  return c ? std::string() : c.error().sentence();
}

}  // namespace

TEST_CASE("every weight of a GGUF model has the original layout's name and the values of its blocks") {
  for (const char* name : {"gguf_llama", "gguf_qwen2"}) {
    INFO(name);
    const checkpoint c = opened(goldens + name);
    const auto json = llava::json_document::try_read(goldens + name + "/golden_weights.json");
    REQUIRE(json);
    std::size_t compared = 0;
    for (const auto& [weight, sum] : json->value().members()) {
      INFO(weight);
      const llava::stored_tensor* t = c.tensors.files().find(weight);
      REQUIRE(t);
      std::int64_t columns = 1;
      for (std::size_t a = 1; a < t->dims.size(); ++a) columns *= static_cast<std::int64_t>(t->dims[a]);
      const auto rows = static_cast<std::int64_t>(t->dims[0]);
      std::vector<float> all(static_cast<std::size_t>(rows * columns));
      t->with_rows(columns, [&](const llava::row_source& from) {
        CHECK(from.unreadable().empty());
        from.read(0, rows, all.data());
      });
      CHECK(crc32(std::as_bytes(std::span(all))) == static_cast<std::uint32_t>(*sum.integer()));
      std::vector<float> last(static_cast<std::size_t>(columns));
      t->with_rows(columns, [&](const llava::row_source& from) { from.read(rows - 1, 1, last.data()); });
      CHECK(std::equal(last.begin(), last.end(), all.end() - columns));
      ++compared;
    }
    CHECK(compared > 60);
    std::size_t files = 0;
    c.tensors.files().for_each([&](const llava::stored_tensor&) { ++files; });
    CHECK(files == compared);
  }
}

TEST_CASE("rows in a weight format are used where they are mapped, parts of a fused tensor too") {
  const checkpoint c = opened(goldens + "gguf_llama");
  const auto place_of = [&](const char* name) {
    const llava::stored_tensor* t = c.tensors.find(name);
    REQUIRE(t);
    return t->with_rows(static_cast<std::int64_t>(t->dims[1]), [](const llava::row_source& r) { return r.in_place(); });
  };
  CHECK(place_of("text.embed_tokens.weight").format == "q8_0");
  CHECK(place_of("text.layers.0.mlp.up_proj.weight").format == "q4_0");
  CHECK(place_of("text.layers.0.self_attn.q_proj.weight").bytes == nullptr);  // its rows are in another order
  CHECK(place_of("text.layers.1.self_attn.v_proj.weight").format == "q5_1");
  CHECK(place_of("text.layers.0.mlp.gate_proj.weight").bytes == nullptr);  // IQ4_NL is decoded

  gguf_bytes g = language();
  std::string fused;
  for (int row = 0; row < 24; ++row) fused += std::string(16, static_cast<char>(row));  // f16, (24, 8)
  g.tensor("blk.0.attn_qkv.weight", {8, 24}, 1, fused);
  temporary_folder f("gguf_fused");
  f.write("x.gguf", g.bytes());
  const checkpoint small = opened(f / "x.gguf");
  const llava::stored_tensor* v = small.tensors.find("text.layers.0.self_attn.v_proj.weight");
  REQUIRE(v);
  CHECK(v->dims == std::vector<std::size_t>{8, 8});
  CHECK((v->stored_type == "f16" && v->stored_bytes == 128));
  const llava::host_values values = v->with_rows(8, [](const llava::row_source& r) { return r.in_place(); });
  REQUIRE(values.bytes);
  CHECK(values.bytes[0] == std::byte{16});
}

/// Whether each row in memory in format F decodes to the values that are read.
template <class F>
bool stored_rows_are_read(const llava::row_source& rows, std::int64_t count, std::int64_t columns) {
  bool same = rows.coded_as() == F::name;
  std::vector<float> expected(static_cast<std::size_t>(columns)), found(expected.size());
  for (std::int64_t r = 0; same && r < count; ++r) {
    rows.read(r, 1, expected.data());
    for (std::int64_t k = 0; k < columns; k += F::elements)
      llava::decode_affine<F>(rows.stored_row(r) + k / F::elements * F::block_bytes, found.data() + k);
    same = found == expected;
  }
  return same;
}

TEST_CASE("rows whose order changes, and parts of a fused tensor, keep their stored bytes") {
  const checkpoint c = opened(goldens + "gguf_llama");
  const auto check = [&]<class F>(const char* name) {
    INFO(name);
    const llava::stored_tensor* t = c.tensors.find(name);
    REQUIRE(t);
    const auto columns = static_cast<std::int64_t>(t->dims[1]);
    t->with_rows(columns, [&](const llava::row_source& rows) {
      CHECK(stored_rows_are_read<F>(rows, static_cast<std::int64_t>(t->dims[0]), columns));
    });
  };
  check.operator()<llava::q5_0>("text.layers.0.self_attn.q_proj.weight");
  check.operator()<llava::q4_0_a16>("text.layers.0.self_attn.k_proj.weight");
  for (const char* part : {"q", "k", "v"})
    check.operator()<llava::q5_1>(("text.layers.1.self_attn." + std::string(part) + "_proj.weight").c_str());
  check.operator()<llava::q4_k>("text.layers.0.mlp.down_proj.weight");
  check.operator()<llava::q6_k>("text.layers.1.mlp.down_proj.weight");
}

TEST_CASE("a GGUF model has the numbers, the preparation and the prompt of the original model") {
  const llava::model_description d = opened(goldens + "gguf_llama").description;
  CHECK(d.has_vision);
  CHECK(d.prompt == llava::prompt_rule::original);
  CHECK((d.vision.layers == 3 && d.vision.select_layer == -2 && d.vision.class_token && d.vision.pre_norm));
  CHECK(d.vision_activation == "quick_gelu");
  CHECK((d.image.shape == llava::aspect::pad && d.image.crop == 28));
  CHECK(d.image.mean[0] == llava::image_config().mean[0]);
  CHECK((d.text.kv_heads == 2 && d.text.head_dim == 8 && !d.text.tied && !d.text.qkv_bias));
  CHECK((d.projector_type == "mlp_gelu" && d.projector.depth == 2));
  CHECK((d.bos == 1 && d.eos == std::vector<std::int32_t>{2}));
  CHECK((d.conversation.name == "llava_v1" && !d.conversation.guessed));
  CHECK(d.conversation.reason == "general.name is llava-v1.5-random");

  const llava::model_description q = opened(goldens + "gguf_qwen2").description;
  CHECK((!q.vision.class_token && q.vision.patch_bias && q.vision.layers == 3 && q.vision.select_layer == -2));
  CHECK((q.vision_activation == "gelu_pytorch_tanh" && q.image.shape == llava::aspect::stretch));
  CHECK((q.text.tied && q.text.qkv_bias && !q.text.o_bias && q.text.scaling == llava::rope_scaling::linear));
  CHECK((q.text.rope_factor == 2.f && q.text.rope_theta == 1000000.f && q.conversation.guessed));
}

TEST_CASE("the mmproj is found beside the language model, or named; without one the model answers text only") {
  temporary_folder f("gguf_mmproj");
  const std::string model = f / "model.gguf", other = f / "elsewhere/mmproj.gguf";
  std::filesystem::create_directories(f.path / "elsewhere");
  std::filesystem::copy(goldens + "gguf_llama/model.gguf", model);
  std::filesystem::copy(goldens + "gguf_llama/mmproj.gguf", other);
  const checkpoint text = opened(model);
  CHECK_FALSE(text.description.has_vision);
  CHECK(text.description.prompt == llava::prompt_rule::tokenizer);
  CHECK(text.path == model);
  CHECK(opened(model, {other}).description.has_vision);
  CHECK(opened(f.path.string()).path == model);
  f.write("notes.txt", "").write("broken.gguf", "GGUF");
  CHECK(opened(f.path.string()).path == model);

  std::filesystem::copy(other, f.path / "a.gguf");
  CHECK(opened(model).description.has_vision);
  CHECK(opened(f.path.string()).description.has_vision);
  std::filesystem::copy(other, f.path / "b.gguf");
  CHECK(error_of(model).find("has 2 files of vision towers (mmproj): a.gguf, b.gguf; name the right one as "
                             "mmproj (--mmproj)") != std::string::npos);
  CHECK(opened(model, {other}).description.has_vision);
  CHECK(error_of(f / "a.gguf").find("holds a vision tower and projector (mmproj); open the file of its language") !=
        std::string::npos);
  CHECK(error_of(model, {model}).find("has no key \"clip.has_vision_encoder\"") != std::string::npos);
  CHECK(error_of(model, {f / "none.gguf"}).find("cannot open " + (f / "none.gguf")) != std::string::npos);
  std::filesystem::copy(model, f.path / "second.gguf");
  CHECK(error_of(f.path.string()).find("has 2 language models: model.gguf, second.gguf; pass the path of one") !=
        std::string::npos);
  CHECK(error_of(f / "absent.gguf").find("there is no file") != std::string::npos);
  CHECK(error_of(goldens + "text_llama", {other}).find("is not a GGUF file, so it has no mmproj") != std::string::npos);
  CHECK(error_of(goldens + "text_llama", {"", true}) ==
        "llava: " + goldens + "text_llama is not a GGUF file, so legacy_tokenizer (--legacy-tokenizer) " +
            "has no meaning; its own files say whether its tokenizer is legacy");
  CHECK(error_of(f / "elsewhere").find("has no GGUF file of a language model") != std::string::npos);
}

TEST_CASE("the prompt follows the model's name, then the file's chat template") {
  temporary_folder f("gguf_prompt");
  const auto choice = [&](const std::string& file, key_map keys, bool images) {
    f.write(file, language(keys).bytes());
    f.write("mm/mmproj.gguf", vision().bytes());
    return opened(f / file, images ? llava::gguf_options{f / "mm/mmproj.gguf"} : llava::gguf_options{})
        .description.conversation;
  };
  const key_map named = with(language_keys(), "general.name", value("LLaVA V1.6 Mistral"));
  const key_map own = with(language_keys(), "tokenizer.chat_template", value("{{ messages[0].content }}"));
  CHECK(choice("x.gguf", named, true).name == "mistral_instruct");
  CHECK(choice("llava-v1.6-34b.Q4_K_M.gguf", with(own, "general.name", value("LLaMA v2")), true).name ==
        "chatml_direct");
  CHECK(choice("x.gguf", own, true).own.parts_first);
  CHECK(choice("x.gguf", own, false).own.text == "{{ messages[0].content }}");
  CHECK(choice("x.gguf", with(own, "general.name", value("llava-v1.5")), false).name == "chat_template");
  const llava::conversation_choice guess = choice("x.gguf", language_keys(), true);
  CHECK((guess.guessed && guess.name == "llava_v0"));
  CHECK(guess.reason == "the file is called x, which matches no known model");
  CHECK(choice("y.gguf", language_keys(), false).guessed);
  for (const char* v0 : {"v0.gguf", "LLaVA-7b-V0.gguf", "llava_v0-q4.gguf"}) {
    const llava::conversation_choice known = choice(v0, own, true);
    CHECK((!known.guessed && known.name == "llava_v0"));
  }
  for (const char* other : {"tiny-v0.5.gguf", "conv0.gguf", "x-v02.gguf"})
    CHECK(choice(other, language_keys(), true).guessed);
}

TEST_CASE("divisors of the rotary frequencies, and where a prompt ends, are read") {
  temporary_folder f("gguf_more");
  key_map keys = with(language_keys(), "tokenizer.ggml.eot_token_id", value(3u));
  keys["llama.rope.scale_linear"] = value(4.f);
  gguf_bytes g = language(keys);
  g.tensor("rope_freqs.weight", {2}, 0, gguf_bytes::number(1.f) + gguf_bytes::number(8.f));
  g.tensor("blk.0.attn_rot_embd", {2}, 0, gguf_bytes::number(1.f) + gguf_bytes::number(8.f));
  f.write("x.gguf", g.bytes());
  const llava::model_description d = opened(f / "x.gguf").description;
  CHECK((d.text.rope_short.of[0] == 4.f && d.text.rope_short.of[1] == 32.f));
  CHECK(d.eos == std::vector<std::int32_t>{2, 3});
  CHECK(d.text.scaling == llava::rope_scaling::longrope);
}

TEST_CASE("which layers of a tower run follows the file") {
  const auto run = [](key_map keys, bool complete) {
    temporary_folder f("gguf_layers");
    gguf_bytes g = vision(keys);
    if (complete) add_f32(g, "v.post_ln.weight", {8});
    f.write("x.gguf", language().bytes()).write("mmproj.gguf", g.bytes());
    return opened(f / "x.gguf").description.vision.layers_run();
  };
  CHECK(run(vision_keys(), false) == 2);
  CHECK(run(vision_keys(), true) == 1);
  for (const int k : {0, 1, 2})
    CHECK(run(with(vision_keys(), "clip.vision.feature_layer", value(std::vector<std::int32_t>{k})), true) == k);
}

TEST_CASE("an mmproj with canvases is of any resolution, under the old name of its newline and the new one") {
  const std::vector<std::int32_t> pairs{28, 56, 56, 28, 56, 56};
  for (const char* newline : {"model.image_newline", "v.image_newline"})
    for (const auto& [merge, expected] :
         {std::pair{"spatial_unpad", llava::tile_merge::unpad}, std::pair{"spatial", llava::tile_merge::spatial},
          std::pair{"flat", llava::tile_merge::flat}}) {
      INFO(newline << " " << merge);
      temporary_folder f("gguf_tiles");
      gguf_bytes g = vision(with(with(vision_keys(), "clip.vision.image_grid_pinpoints", value(pairs)),
                                 "clip.vision.mm_patch_merge_type", value(merge)));
      f.write("x.gguf", language().bytes()).write("mmproj.gguf", add_f32(g, newline, {8}).bytes());
      const checkpoint c = opened(f / "x.gguf");
      const llava::tiling_config& t = c.description.image.tiling;
      REQUIRE(t.count == 3);
      CHECK((t.canvases[0] == llava::canvas_size{28, 56} && t.canvases[1] == llava::canvas_size{56, 28}));
      CHECK((t.merge == expected && t.whole_image && t.rounds_to_zero && t.shrinks_to == 0));
      CHECK(c.tensors.find("image_newline") != nullptr);
    }
}

TEST_CASE("R12: memory is refused while a GGUF model is opened") {
  const std::string folder = goldens + "gguf_llama";
  CHECK(refuse_each([&] { return llava::try_open_checkpoint(folder); }, 300, 13) > 100);
}
