// SPDX-License-Identifier: Apache-2.0
/// Models written as GGUF files and opened again: the same values bit for bit, the same description, prompts and
/// tokens. tests/oracle/converted_gguf.py has gguf and llama.cpp read such files.
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/gguf.hpp>
#include <llava/llm/rope.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include <conversions.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
using namespace conversions;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";
const char* const convertible[] = {
    "clip_mha",        "clip_qwen2",      "clip_llama3_new_names", "next",           "original_folder",
    "original_anyres", "original_siglip", "original_llama3",       "original_qwen2", "siglip_last_layer",
    "text_llama",      "text_qwen2",      "bitsandbytes_nf4"};

/// Whether a tensor makes no features, or belongs to a layer of the tower that does not run.
bool is_left_out(const std::string& name, const model_description& d) {
  if (name.starts_with("vision.post_layernorm.") || name.starts_with("vision.head.")) return true;
  const int layer = detail::number_after(name, "vision.encoder.layers.");
  return layer >= d.vision.layers_run() || !detail::belongs_to_model(name, d);
}

/// The type of a tensor in GGUF: vectors are f32, and so are the tower's embeddings instead of bf16.
dtype type_in_gguf(const std::string& name, const stored_tensor& t) {
  const bool is_embedding = name.starts_with("vision.embeddings.") && t.type == dtype::bfloat16;
  return t.dims.size() == 1 || is_embedding ? dtype::float32 : t.type;
}

/// The description of `from` as a GGUF file states it.
model_description as_in_gguf(const checkpoint& from, const model_description& read) {
  model_description expected = from.description;
  expected.bos = from.tokenizer.bos();  // config.json has one by default, which may be another
  if (!expected.has_vision) expected.projector = read.projector;
  if (expected.text_family == "mistral") expected.text_family = "llama";
  vision_config& v = expected.vision;
  const vision_config& w = read.vision;
  CHECK((v.selected() == w.selected() && v.features() == w.features() && v.feature_width() == w.feature_width()));
  for (int i = 0; i < (std::min)(v.selected(), w.selected()); ++i) CHECK(v.selected_state(i) == w.selected_state(i));
  v.layers = w.layers, v.select_layer = w.select_layer, v.select = w.select;
  const std::vector<float> f = rope_frequencies(expected.text), g = rope_frequencies(read.text);
  REQUIRE(f.size() == g.size());
  for (std::size_t i = 0; i < f.size(); ++i) CHECK(std::fabs(g[i] - f[i]) <= 1e-6f * f[i]);
  if (expected.text.scaling == rope_scaling::llama3) {  // rope_freqs.weight has its divisors
    CHECK(read.text.scaling == rope_scaling::longrope);
    expected.text.scaling = read.text.scaling, expected.text.rope_factor = read.text.rope_factor;
  }
  return expected;
}

}  // namespace

TEST_CASE("a model written in GGUF has the same values, description, prompts and tokens") {
  std::vector<std::string> folders{tiny};
  for (const char* name : convertible) folders.push_back(goldens + name);
  for (const std::string& folder : folders) {
    INFO(folder);
    const checkpoint from = opened(folder);
    temporary_folder f("gguf");
    convert(from, f / "new", checkpoint_layout::gguf);
    CHECK(std::filesystem::exists(f / "new/mmproj.gguf") == from.description.has_vision);
    const checkpoint to = opened(f / "new");
    std::size_t written = 0, expected = 0;
    for (const auto& [name, t] : tensors_of(from)) {
      INFO(name);
      if (is_left_out(name, from.description)) {
        CHECK(to.tensors.find(name) == nullptr);
        continue;
      }
      ++expected;
      const stored_tensor* own = to.tensors.find(name);
      REQUIRE(own);
      CHECK(own->dims == t->dims);
      CHECK(own->type == type_in_gguf(name, *t));
      std::vector<float> values = values_of(*t);
      if (t->rows && t->type == dtype::float16)  // computed: rounded to the type that holds them best
        for (float& x : values) x = to_float(from_float<f16>(x));
      CHECK(values_of(*own) == values);
    }
    to.tensors.for_each([&](const std::string&, const stored_tensor&) { ++written; });
    CHECK(written == expected);
    const model_description &d = from.description, &e = to.description;
    check_equal_descriptions(as_in_gguf(from, e), e);
    const std::int32_t eos = from.tokenizer.eos();
    CHECK(to.tokenizer.eos() == (std::ranges::count(d.eos, eos) > 0 ? eos : d.eos.front()));
    CHECK((e.prompt == d.prompt && e.image_token == d.image_token && e.longest_prompt == d.longest_prompt));
    CHECK((e.image.pillow == d.image.pillow && e.image.tiling == d.image.tiling));
    const bool as_template = d.conversation.name == "chat_template" || !d.has_vision;
    CHECK(e.conversation.name == d.conversation.name);
    CHECK(e.conversation.guessed == d.conversation.guessed);
    if (as_template) CHECK(e.conversation.own.text == d.conversation.own.text);
    check_equal_tokenizers(from.tokenizer, to.tokenizer);
  }
}

TEST_CASE("the bytes of a matrix are copied, and the rows of q and k have llama.cpp's order") {
  const checkpoint from = opened(goldens + "clip_mha");
  temporary_folder f("gguf_bytes");
  convert(from, f / "new", checkpoint_layout::gguf);
  const auto file = gguf_file::try_open(f / "new/model.gguf");
  REQUIRE(file);
  const stored_tensor &down = *from.tensors.find("text.layers.0.mlp.down_proj.weight"),
                      &k = *from.tensors.find("text.layers.1.self_attn.k_proj.weight"),
                      &down_in_file = *file->find("blk.0.ffn_down.weight"),
                      &k_in_file = *file->find("blk.1.attn_k.weight");
  CHECK(std::ranges::equal(down.bytes, down_in_file.bytes));
  const text_config& c = from.description.text;
  const auto row = static_cast<std::size_t>(c.hidden) * size_of(k.type),
             half = static_cast<std::size_t>(c.head_dim / 2);
  for (std::size_t h = 0; h < static_cast<std::size_t>(c.kv_heads); ++h)
    for (std::size_t j = 0; j < half; ++j)
      for (const std::size_t p : {std::size_t{0}, std::size_t{1}}) {
        const std::size_t original = h * 2 * half + p * half + j, neighbour = h * 2 * half + 2 * j + p;
        CHECK(std::ranges::equal(k.bytes.subspan(original * row, row), k_in_file.bytes.subspan(neighbour * row, row)));
      }
}

TEST_CASE("the type of the weights may be stated; vectors and the tower's embeddings stay in f32") {
  temporary_folder f("gguf_types");
  convert_options o;
  o.type = dtype::bfloat16;
  convert(opened(goldens + "clip_mha"), f / "new", checkpoint_layout::gguf, o);
  const checkpoint made = opened(f / "new");
  for (const auto& [name, t] : tensors_of(made)) {
    INFO(name);
    const bool wide = t->dims.size() == 1 || name.find("embeddings.") != std::string::npos;
    CHECK(t->type == (wide ? dtype::float32 : dtype::bfloat16));
  }
}

TEST_CASE("features of several layers in ascending order are written and read") {
  temporary_folder f("gguf_layers"), g("gguf_layers_new");
  f.copy(goldens + "clip_layers");
  const std::string config = f.read("config.json"), key = "\"vision_feature_layer\"";
  const std::size_t at = config.find(key), end = config.find(']', at);
  REQUIRE(at != std::string::npos);
  f.write("config.json", config.substr(0, at) + key + ": [0, 1, -2" + config.substr(end));
  const checkpoint from = opened(f.path.string());
  convert(from, g / "new", checkpoint_layout::gguf);
  const checkpoint to = opened(g / "new");
  const vision_config &v = from.description.vision, &w = to.description.vision;
  CHECK((w.selected() == 3 && w.feature_width() == v.feature_width()));
  for (int i = 0; i < 3; ++i) CHECK(w.selected_state(i) == v.selected_state(i));
  CHECK(to.description.projector.vision_hidden == 3 * v.hidden);
  CHECK(values_of(*to.tensors.find("projector.0.weight")) == values_of(*from.tensors.find("projector.0.weight")));
}

TEST_CASE("yarn: the keys say what config.json does") {
  temporary_folder f("gguf_yarn");
  f.copy(goldens + "text_llama");
  const std::string config = f.read("config.json");
  const auto with_yarn = [&](const std::string& more) {
    const std::size_t end = config.rfind('}');
    f.write("config.json", config.substr(0, end) +
                               R"(, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.25,
                                  "original_max_position_embeddings": 64)" +
                               more + "}}");
    return opened(f.path.string());
  };
  const checkpoint from = with_yarn("");
  REQUIRE(from.description.text.scaling == rope_scaling::yarn);
  temporary_folder g("gguf_yarn_new");
  convert(from, g / "new", checkpoint_layout::gguf);
  const text_config read = opened(g / "new").description.text;
  CHECK((read.scaling == rope_scaling::yarn && read.rope_original_context == 64 && read.rope_factor == 4.f));
  CHECK(std::fabs(read.rope_attention - 1.25f) < 1e-6f);
  CHECK(rope_frequencies(read) == rope_frequencies(from.description.text));
  CHECK(error_of(with_yarn(R"(, "beta_fast": 16)"), g / "other", checkpoint_layout::gguf)
            .find("which has no yarn with other bounds") != std::string::npos);
}

TEST_CASE("an existing empty folder is filled, the language model last") {
  temporary_folder f("gguf_inside");
  std::filesystem::create_directories(f / "empty");
  convert(opened(goldens + "clip_mha"), f / "empty", checkpoint_layout::gguf);
  std::set<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator(f / "empty")) names.insert(e.path().filename().string());
  CHECK(names == std::set<std::string>{"mmproj.gguf", "model.gguf"});
  CHECK(error_of(opened(goldens + "clip_mha"), f / "empty", checkpoint_layout::gguf).find("is not an empty folder") !=
        std::string::npos);
}

TEST_CASE("scores follow from the merges of a tokenizer.json without tokenizer.model") {
  for (const std::string& folder : {tiny, goldens + "text_llama"}) {
    INFO(folder);
    temporary_folder f("gguf_scores"), g("gguf_scores_new");
    f.copy(folder);
    std::filesystem::remove(f / "tokenizer.model");
    const checkpoint from = opened(f.path.string());
    convert(from, g / "new", checkpoint_layout::gguf);
    check_equal_tokenizers(from.tokenizer, opened(g / "new").tokenizer);
  }
}
