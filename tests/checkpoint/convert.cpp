// SPDX-License-Identifier: Apache-2.0
/// Folders written in other layouts: there and back every tensor has the same bytes and the description is the same;
/// the names are those of the target's own program. tests/oracle/converted_folders.py has transformers and LLaVA's
/// program open such folders.
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/original_folder.hpp>

#include <algorithm>
#include <set>

#include <conversions.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
using namespace conversions;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";

/// A value after it is stored in a type.
float stored_as(dtype type, float x) {
  return type == dtype::float16    ? to_float(from_float<f16>(x))
         : type == dtype::bfloat16 ? to_float(from_float<bf16>(x))
                                   : x;
}
void check_equal_tensors(const checkpoint& a, const checkpoint& b) {
  const auto all = tensors_of(a), others = tensors_of(b);
  CHECK(all.size() == others.size());
  for (const auto& [name, t] : all) {
    INFO(name);
    REQUIRE(others.contains(name));
    const stored_tensor& other = *others.at(name);
    CHECK((t->type == other.type && t->dims == other.dims && std::ranges::equal(t->bytes, other.bytes)));
  }
}
std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  const auto files = try_open_tensors(folder);
  if (!files) FAIL(files.error().what());
  (*files)->for_each([&](const stored_tensor& t) { names.insert(t.name); });
  return names;
}

}  // namespace

TEST_CASE("llava-hf to original and back: the same bytes, description, tokenizer and names") {
  for (const std::string& folder : {tiny, goldens + "clip_mha", goldens + "clip_qwen2", goldens + "next"}) {
    INFO(folder);
    const checkpoint from = opened(folder);
    temporary_folder f("there_and_back");
    convert(from, f / "llava-v1.5-there", checkpoint_layout::original);
    const checkpoint there = opened(f / "llava-v1.5-there");
    CHECK(there.description.spelling == tensor_spelling::original);
    CHECK(there.description.prompt == prompt_rule::original);
    CHECK(there.description.conversation.name == "llava_v1");
    check_equal_descriptions(from.description, there.description);
    check_equal_tensors(from, there);
    CHECK(std::filesystem::exists(f / "llava-v1.5-there/vision_tower/model.safetensors"));

    convert(there, f / "back", checkpoint_layout::llava_hf);
    const checkpoint back = opened(f / "back");
    check_equal_descriptions(from.description, back.description);
    check_equal_tensors(from, back);
    CHECK(back.description.image_token == from.description.image_token);
    CHECK(back.description.conversation.name == "chat_template");
    CHECK(back.tokenizer.size() == from.tokenizer.size());
    for (const char* text : {"Hello, <image> you!", "</s><s>", "one two  three"})
      CHECK(back.tokenizer.encode(text) == from.tokenizer.encode(text));
  }
}

TEST_CASE("SigLIP: original to llava-hf, and llava-hf to original and back") {
  const checkpoint from = opened(goldens + "original_siglip");
  temporary_folder f("siglip");
  convert(from, f / "hf", checkpoint_layout::llava_hf);
  const checkpoint hf = opened(f / "hf");
  model_description d = from.description;
  d.text.vocab = hf.description.text.vocab;  // with <image>
  check_equal_descriptions(d, hf.description);
  for (const auto& [name, t] : tensors_of(from))
    if (name.rfind("text.", 0) != 0) {
      INFO(name);
      REQUIRE(hf.tensors.find(name));
      CHECK(std::ranges::equal(hf.tensors.find(name)->bytes, t->bytes));
    }
  const checkpoint mistral = opened(goldens + "siglip_mistral");
  convert(mistral, f / "llava-v1.5-there", checkpoint_layout::original);
  const checkpoint there = opened(f / "llava-v1.5-there");
  check_equal_descriptions(mistral.description, there.description);
  check_equal_tensors(mistral, there);
  CHECK(std::filesystem::exists(f / "llava-v1.5-there/siglip_tower/model.safetensors"));
  convert(there, f / "back", checkpoint_layout::llava_hf);
  check_equal_descriptions(mistral.description, opened(f / "back").description);
  check_equal_tensors(mistral, opened(f / "back"));
  CHECK(opened(f / "back").description.image_token == mistral.description.image_token);
}

TEST_CASE("a folder that names Google's SigLIP and holds its weights needs no other folder") {
  temporary_folder f("siglip_named");
  f.copy(goldens + "original_siglip");
  f.write("config.json", replaced(f.read("config.json"), "\"mm_vision_tower\": \"tower\"",
                                  "\"mm_vision_tower\": \"google/siglip-so400m-patch14-384\""));
  CHECK_FALSE(try_describe_model(f.path.string()));  // not inside
  f.write("config.json",
          replaced(f.read("config.json"), "\"unfreeze_mm_vision_tower\": false", "\"unfreeze_mm_vision_tower\": true"));
  const auto d = try_describe_model(f.path.string());
  REQUIRE(d);
  const vision_config& v = d->vision;
  CHECK((v.hidden == 1152 && v.layers == 27 && v.layers_run() == 26 && v.heads == 16 && v.ffn == 4304));
  CHECK((v.image == 384 && v.patch == 14 && v.eps == 1e-6f && v.features() == 729 && !v.class_token));
  CHECK((d->vision_activation == "gelu_pytorch_tanh" && d->image.mean[0] == 0.5 && d->vision_folder.empty()));
  CHECK(detail::published_tower(*d) == "google/siglip-so400m-patch14-384");
  model_description kept = *d;  // as in llava-hf's uploads: the layers that run and no others
  kept.vision.layers = 26, kept.vision.select_layer = -1;
  CHECK(detail::published_tower(kept) == "google/siglip-so400m-patch14-384");
  kept.vision.select_layer = -2;
  CHECK(detail::published_tower(kept).empty());
}

TEST_CASE("the names are those of the target's own program") {
  temporary_folder f("names");
  convert(opened(goldens + "original_folder"), f / "hf", checkpoint_layout::llava_hf);
  // transformers' names on the hub; the golden clip_mha was saved with them.
  const std::set<std::string> hf = names_in(f / "hf"), saved = names_in(goldens + "clip_mha");
  for (const std::string& name : hf) {
    INFO(name);
    CHECK(saved.contains(name));
  }
  CHECK(hf.size() > 50);
  convert(opened(goldens + "clip_mha"), f / "llava-v1.5", checkpoint_layout::original);
  const std::set<std::string> own = names_in(f / "llava-v1.5"), by_program = names_in(goldens + "original_folder");
  for (const std::string& name : by_program) {
    INFO(name);
    CHECK(own.contains(name));
  }
  for (const std::string& name : names_in(f / "llava-v1.5/vision_tower")) CHECK(name.rfind("vision_model.", 0) == 0);
}

TEST_CASE("original to llava-hf: <image> gets an id, and its rows are the mean of the others") {
  for (const char* name : {"original_folder", "original_anyres"}) {
    INFO(name);
    const checkpoint from = opened(goldens + name);
    temporary_folder f("image_token");
    convert(from, f / "hf", checkpoint_layout::llava_hf);
    const checkpoint to = opened(f / "hf");
    const auto id = static_cast<std::int32_t>(from.tokenizer.size());
    CHECK(to.description.image_token == id);
    CHECK(to.tokenizer.find("<image>") == id);
    CHECK(to.tokenizer.is_special(id));
    CHECK(to.tokenizer.size() == from.tokenizer.size() + 1);
    const std::vector<std::int32_t> ids = to.tokenizer.encode("a <image> b");
    CHECK(std::count(ids.begin(), ids.end(), id) == 1);
    CHECK(to.description.text.vocab ==
          (id < from.description.text.vocab ? from.description.text.vocab : (id / 64 + 1) * 64));
    for (const char* table : {"text.embed_tokens.weight", "text.lm_head.weight"}) {
      const stored_tensor &a = *from.tensors.find(table), &b = *to.tensors.find(table);
      CHECK(b.dims[0] == static_cast<std::size_t>(to.description.text.vocab));
      const std::vector<float> old = values_of(a), grown = values_of(b);
      REQUIRE(std::equal(old.begin(), old.end(), grown.begin()));
      const std::size_t columns = static_cast<std::size_t>(a.columns()), rows = a.dims[0];
      if (b.dims[0] == rows) continue;
      for (std::size_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (std::size_t r = 0; r < rows; ++r) sum += static_cast<double>(old[r * columns + c]);
        CHECK(grown[rows * columns + c] == stored_as(b.type, static_cast<float>(sum / static_cast<double>(rows))));
        CHECK(grown[(b.dims[0] - 1) * columns + c] == grown[rows * columns + c]);
      }
    }
  }
}

TEST_CASE("tokenizer.json is written from tokenizer.model: transformers' merges, and the same ids") {
  temporary_folder f("tokenizer_json");
  convert(opened(goldens + "original_folder"), f / "hf", checkpoint_layout::llava_hf);
  // The golden has the file that transformers made of the same tokenizer.model.
  const auto own = json_document::try_read(f / "hf/tokenizer.json"),
             golden = json_document::try_read(goldens + "clip_mha/tokenizer.json");
  REQUIRE((own && golden));
  const auto part = [](const result<json_document>& d, const char* key) {
    const json_value* v = d->value().find(key);
    if (!v) v = d->value().find("model")->find(key);
    REQUIRE(v);
    return json_text(*v);
  };
  for (const char* key : {"vocab", "merges", "normalizer", "pre_tokenizer", "decoder"}) {
    INFO(key);
    CHECK(part(own, key) == part(golden, key));
  }
  std::filesystem::remove(f / "hf/tokenizer.json");
  const tokenizer by_model = opened(f / "hf").tokenizer;  // the fast one that transformers converts the model to
  const auto again = try_convert(opened(goldens + "original_folder"), f / "again", checkpoint_layout::llava_hf);
  REQUIRE(again);
  const tokenizer by_json = opened(f / "again").tokenizer;
  for (const char* text :
       {"", " ", "Hello there,  two   spaces", "a</s>USER: <image>\nWhat? ", "ünï©ode 🦙\n", "<s>x"}) {
    INFO(text);
    CHECK(by_json.encode(text) == by_model.encode(text));
    CHECK(by_json.decode(by_json.encode(text)) == by_model.decode(by_model.encode(text)));
  }
}

TEST_CASE("a tower with OpenAI's numbers stays among the weights") {
  model_description d;
  d.vision_activation = "quick_gelu";
  CHECK(detail::published_tower(d) == "openai/clip-vit-large-patch14-336");
  d.vision.image = d.image.resize = d.image.crop = 224;
  CHECK(detail::published_tower(d) == "openai/clip-vit-large-patch14");
  for (const auto change :
       {+[](model_description& m) { m.vision.layers = 23; },
        +[](model_description& m) { m.vision_activation = "gelu"; },
        +[](model_description& m) { m.image.mean[1] = 0.5; }, +[](model_description& m) { m.image.resize = 256; },
        +[](model_description& m) { m.vision.image = m.image.resize = m.image.crop = 448; }}) {
    model_description other = d;
    change(other);
    CHECK(detail::published_tower(other).empty());
  }
}

TEST_CASE("as stored: a folder of the same layout, in another type and in shards") {
  const checkpoint from = opened(goldens + "clip_qwen2");  // three shards
  temporary_folder f("as_stored");
  convert(from, f / "one", checkpoint_layout::as_stored);
  CHECK(std::filesystem::exists(f / "one/model.safetensors"));
  CHECK_FALSE(std::filesystem::exists(f / "one/model.safetensors.index.json"));
  check_equal_tensors(from, opened(f / "one"));
  convert_options o;
  o.type = dtype::bfloat16, o.shard_bytes = 50000;
  convert(from, f / "many", checkpoint_layout::llava_hf, o);
  const checkpoint many = opened(f / "many");
  CHECK(std::filesystem::exists(f / "many/model.safetensors.index.json"));
  const auto config = json_document::try_read(f / "many/config.json");
  const json_value* type =
      config->value().find("dtype") ? config->value().find("dtype") : config->value().find("torch_dtype");
  REQUIRE(type);
  CHECK(*type->text() == "bfloat16");
  for (const auto& [name, t] : tensors_of(many)) {
    INFO(name);
    CHECK(t->type == dtype::bfloat16);
    const std::vector<float> now = values_of(*t), before = values_of(*from.tensors.find(name));
    REQUIRE(now.size() == before.size());
    bool equal = true;
    for (std::size_t i = 0; i < now.size(); ++i) equal = equal && now[i] == to_float(from_float<bf16>(before[i]));
    CHECK(equal);
  }
}

TEST_CASE("as stored: an adapter, a projector and torch's files become whole folders") {
  const std::string base = goldens + "original_folder";
  temporary_folder f("whole");
  std::filesystem::copy(LLAVA_TEST_DATA "/lora/llava", f / "llava-lora");
  std::filesystem::copy(base + "/tower", f / "llava-lora/tower");
  const checkpoint adapted = opened(f / "llava-lora", base);
  convert(adapted, f / "llava-merged", checkpoint_layout::as_stored);
  const checkpoint merged = opened(f / "llava-merged");
  CHECK(merged.tokenizer.size() == adapted.tokenizer.size());
  std::size_t changed = 0;
  for (const auto& [name, t] : tensors_of(adapted)) {
    INFO(name);
    const stored_tensor* written = merged.tensors.find(name);
    REQUIRE(written);
    CHECK_FALSE(written->rows);
    std::vector<float> expected = values_of(*t);
    for (float& x : expected) x = stored_as(t->type, x);
    CHECK(values_of(*written) == expected);
    changed += t->rows != nullptr;
  }
  CHECK(changed > 10);
  CHECK_FALSE(std::filesystem::exists(f / "llava-merged/adapter_config.json"));
}

TEST_CASE("weights that bitsandbytes has quantised are written as floats, and config.json says so") {
  const checkpoint from = opened(goldens + "bitsandbytes_nf4");
  temporary_folder f("floats");
  convert(from, f / "floats", checkpoint_layout::as_stored);
  CHECK(f.read("floats/config.json").find("quantization_config") == std::string::npos);
  const checkpoint to = opened(f / "floats");
  for (const auto& [name, t] : tensors_of(from)) {
    INFO(name);
    REQUIRE(to.tensors.find(name));
    CHECK_FALSE(to.tensors.find(name)->rows);
  }
}

TEST_CASE("the name of an original model may be stated") {
  temporary_folder f("named");
  convert_options o;
  o.model_name = "llava-v1.6-34b";
  convert(opened(goldens + "clip_mha"), f / "new", checkpoint_layout::original, o);
  CHECK(opened(f / "new").description.conversation.name == "chatml_direct");
}
