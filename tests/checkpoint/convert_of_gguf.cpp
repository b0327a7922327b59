// SPDX-License-Identifier: Apache-2.0
/// GGUF files written as folders and as GGUF files. A folder that becomes GGUF and a folder again is the same as the
/// folder itself, or as the folder written in the other layout: bits, description, ids, prompts. Blocks become their
/// values. tests/oracle/converted_folders.py has transformers open such folders.
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/llm/rope.hpp>
#include <llava/text/chat_conversation.hpp>
#include <llava/text/decoding.hpp>

#include <algorithm>
#include <cmath>

#include <conversions.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
using namespace conversions;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";

/// Compares two folders: the one that was written from GGUF files, and the one that was not. The first lacks the layers
/// of the tower that do not run, and has ones and zeros in the norm behind them.
void check_equal_folders(const checkpoint& made, const checkpoint& expected) {
  const auto a = tensors_of(made), b = tensors_of(expected);
  std::size_t compared = 0;
  for (const auto& [name, t] : b) {
    INFO(name);
    const int layer = detail::number_after(name, "vision.encoder.layers.");
    if (layer >= expected.description.vision.layers_run() || !detail::belongs_to_model(name, expected.description))
      continue;
    if (name.starts_with("vision.head.")) continue;
    REQUIRE(a.contains(name));
    const stored_tensor& own = *a.at(name);
    CHECK((own.type == t->type && own.dims == t->dims));
    ++compared;
    if (name.starts_with("vision.post_layernorm."))
      for (const float x : values_of(own)) CHECK(x == (name.ends_with("weight") ? 1.f : 0.f));
    else
      CHECK(std::ranges::equal(own.bytes, t->bytes));
  }
  CHECK(a.size() == compared);
  model_description d = expected.description;
  const model_description& e = made.description;
  const vision_config& w = e.vision;
  CHECK((w.layers_run() == d.vision.layers_run() && w.selected_state(0) == d.vision.selected_state(0)));
  CHECK(w.layers == (w.select_layer == -2 ? d.vision.layers : d.vision.layers_run()));
  d.vision.layers = w.layers, d.vision.select_layer = w.select_layer;
  if (e.text_family == "mistral") d.text_family = e.text_family;  // by the folder's name
  d.bos = expected.tokenizer.bos(), d.eos = e.eos;
  CHECK(rope_frequencies(d.text) == rope_frequencies(e.text));
  check_equal_descriptions(d, e);
  CHECK((d.image_token == e.image_token && d.prompt == e.prompt && d.spelling == e.spelling));
  CHECK((d.longest_prompt == e.longest_prompt && d.image.pillow == e.image.pillow && d.image.tiling == e.image.tiling));
  CHECK((d.conversation.name == e.conversation.name && d.conversation.guessed == e.conversation.guessed));
  CHECK(d.conversation.own.text == e.conversation.own.text);
  CHECK(d.conversation.own.parts_first == e.conversation.own.parts_first);
  const bool both_ways = made.tokenizer.decoding().how == expected.tokenizer.decoding().how;
  check_equal_tokenizers(expected.tokenizer, made.tokenizer, both_ways);
}

std::string prompt_of(const checkpoint& c) {
  const auto text = [&](std::int32_t id) { return c.tokenizer.piece(id); };
  const chat_conversation own(c.description.conversation.own,
                              {{"bos_token", text(c.tokenizer.bos())}, {"eos_token", text(c.tokenizer.eos())}});
  const auto prompt = own.try_prompt(std::vector<message>{{role::user, "<image>\nWhat is it?"}, {role::assistant, ""}});
  if (!prompt) FAIL(prompt.error().what());
  return *prompt;
}

}  // namespace

TEST_CASE("llava-hf to GGUF and back: the same bits, description, ids and prompts") {
  for (const std::string& folder :
       {tiny, goldens + "clip_mha", goldens + "clip_qwen2", goldens + "clip_llama3_new_names", goldens + "next"}) {
    INFO(folder);
    const checkpoint from = opened(folder);
    temporary_folder f("hf_gguf_hf");
    convert(from, f / "gguf", checkpoint_layout::gguf);
    const checkpoint between = opened(f / "gguf");
    convert(between, f / "back", checkpoint_layout::llava_hf);
    const checkpoint back = opened(f / "back");
    check_equal_folders(back, from);
    if (!from.description.conversation.own.text.empty()) CHECK(prompt_of(back) == prompt_of(from));
    const auto config = json_document::try_read(f / "back/config.json");
    REQUIRE(config);
    const json_value* vision = config->value().find("vision_config");
    REQUIRE(vision);
    CHECK(*vision->find("num_hidden_layers")->integer() == from.description.vision.layers_run());
    CHECK(*config->value().find("vision_feature_layer")->integer() == -1);
  }
}

TEST_CASE("divisors of the rotary embedding are llama3 scaling, or longrope for sequences of every length") {
  temporary_folder f("divisors"), g("divisors_other");
  g.copy(goldens + "clip_llama3_new_names");
  for (const char* high : {"4.0", "3.0"}) {
    INFO(high);
    const std::string config = g.read("config.json"), key = "\"high_freq_factor\": ";
    const std::size_t at = config.find(key) + key.size(), end = config.find_first_of(",\n}", at);
    g.write("config.json", config.substr(0, at) + high + config.substr(end));
    const checkpoint from = opened(g.path.string());
    REQUIRE(from.description.text.scaling == rope_scaling::llama3);
    convert(from, f / (std::string(high) + "/gguf"), checkpoint_layout::gguf);
    convert(opened(f / (std::string(high) + "/gguf")), f / (std::string(high) + "/hf"), checkpoint_layout::llava_hf);
    const text_config a = from.description.text, b = opened(f / (std::string(high) + "/hf")).description.text;
    const bool is_usual = high[0] == '4';
    CHECK(b.scaling == (is_usual ? rope_scaling::llama3 : rope_scaling::longrope));
    CHECK((b.context == a.context && (!is_usual || b.rope_original_context == a.rope_original_context)));
    const std::vector<float> expected = rope_frequencies(a), found = rope_frequencies(b);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::fabs(found[i] - expected[i]) <= 1e-6f * expected[i]);
    const std::string written = f.read(std::string(high) + "/hf/config.json");
    CHECK((written.find("long_factor") != std::string::npos) == !is_usual);
  }
}

TEST_CASE("an original folder that was GGUF becomes the same llava-hf folder as without") {
  for (const char* name :
       {"original_folder", "original_anyres", "original_llama3", "original_qwen2", "original_siglip"}) {
    INFO(name);
    const checkpoint from = opened(goldens + name);
    temporary_folder f("original_gguf_hf");
    convert(from, f / "gguf", checkpoint_layout::gguf);
    convert(from, f / "expected", checkpoint_layout::llava_hf);
    convert(opened(f / "gguf"), f / "made", checkpoint_layout::llava_hf);
    check_equal_folders(opened(f / "made"), opened(f / "expected"));
  }
}

TEST_CASE("GGUF to the original layout: the same as without GGUF") {
  const std::pair<const char*, const char*> rows[] = {{"original_folder", "llava-v1.5"},
                                                      {"original_anyres", "llava-v1.6-vicuna"},
                                                      {"clip_mha", "llava-v1.5"},
                                                      {"clip_mha", "llava-v1.6-mistral"},
                                                      {"original_llama3", "llama3-llava-next"},
                                                      {"original_qwen2", "llava-next-72b"}};
  for (const auto& [name, to] : rows) {
    INFO(name << " to " << to);
    const checkpoint from = opened(goldens + name);
    temporary_folder f("gguf_original");
    convert(from, f / "gguf", checkpoint_layout::gguf);
    const std::string made = f / (std::string("made/") + to);
    convert(opened(f / "gguf"), made, checkpoint_layout::original);
    if (from.description.prompt == prompt_rule::processor) {
      const std::string expected = f / (std::string("expected/") + to);
      convert(from, expected, checkpoint_layout::original);
      check_equal_folders(opened(made), opened(expected));
      continue;
    }
    checkpoint expected = opened(goldens + name);  // already in this layout; the names choose the conversation
    const checkpoint written = opened(made);
    expected.description.conversation = written.description.conversation;
    check_equal_folders(written, expected);
  }
  const checkpoint from = opened(goldens + "clip_mha");
  temporary_folder f("gguf_mistral");
  convert(from, f / "gguf", checkpoint_layout::gguf);
  convert(opened(f / "gguf"), f / "llava-v1.6-mistral-7b", checkpoint_layout::original);
  CHECK(opened(f / "llava-v1.6-mistral-7b").description.text_family == "mistral");
}

TEST_CASE("blocks become f16, or the type that is asked for") {
  for (const char* name : {"gguf_llama", "gguf_qwen2"}) {
    INFO(name);
    const checkpoint from = opened(goldens + name);
    for (const auto layout : {checkpoint_layout::llava_hf, checkpoint_layout::original, checkpoint_layout::gguf,
                              checkpoint_layout::as_stored})
      for (const bool wide : {false, true}) {
        if (layout == checkpoint_layout::original && !from.description.vision.class_token) continue;  // refused
        temporary_folder f("blocks");
        convert_options o;
        if (wide) o.type = dtype::float32;
        convert(from, f / "llava-v1.5", layout, o);
        const checkpoint to = opened(f / "llava-v1.5");
        std::size_t compared = 0;
        for (const auto& [own, t] : tensors_of(from)) {
          INFO(own);
          if (!detail::belongs_to_model(own, from.description)) continue;
          const stored_tensor* written = to.tensors.find(own);
          REQUIRE(written);
          const bool blocks = !t->stored_type.empty() && t->stored_type != name_of(t->type);
          if (blocks) CHECK(written->type == (wide ? dtype::float32 : dtype::float16));
          CHECK(written->bytes.empty() == (written->rows != nullptr));
          std::vector<float> expected = values_of(*t), found = values_of(*written);
          if (blocks && !wide)
            for (float& x : expected) x = to_float(from_float<f16>(x));
          REQUIRE(found.size() >= expected.size());  // rows of <image>
          CHECK(std::equal(expected.begin(), expected.end(), found.begin()));
          ++compared;
        }
        CHECK(compared > 60);
        if (to.tokenizer.decoding().how == from.tokenizer.decoding().how)
          check_equal_tokenizers(from.tokenizer, to.tokenizer);
        for (const char* text : {"", "USER: What is  this?\nASSISTANT:", "a</s>b", "ünï 🦙", "12345 I'm"})
          CHECK(to.tokenizer.encode(text) == from.tokenizer.encode(text));
      }
  }
}

TEST_CASE("GGUF to GGUF: the same bytes of floats, keys and prompts") {
  for (const char* name :
       {"clip_mha", "next", "clip_llama3_new_names", "original_folder", "text_llama", "text_qwen2"}) {
    INFO(name);
    temporary_folder f("gguf_gguf");
    convert(opened(goldens + name), f / "first", checkpoint_layout::gguf);
    const checkpoint first = opened(f / "first");
    for (const auto layout : {checkpoint_layout::gguf, checkpoint_layout::as_stored}) {
      const std::string to = f / ("second" + std::to_string(static_cast<int>(layout)));
      convert(first, to, layout);
      for (const char* file : {"model.gguf", "mmproj.gguf"}) {
        INFO(file);
        if (!std::filesystem::exists((f / "first/") + file)) continue;
        const auto a = gguf_file::try_open((f / "first/") + file), b = gguf_file::try_open(to + "/" + file);
        REQUIRE((a && b));
        std::size_t tensors = 0, keys = 0;
        a->for_each([&](const stored_tensor& t) {
          INFO(t.name);
          const stored_tensor* own = b->find(t.name);
          REQUIRE(own);
          CHECK((own->type == t.type && own->dims == t.dims && std::ranges::equal(own->bytes, t.bytes)));
          ++tensors;
        });
        b->for_each([&](const stored_tensor&) { --tensors; });
        CHECK(tensors == 0);
        a->keys().for_each([&](std::string_view key, const gguf_value& v) {
          INFO(key);
          const gguf_value* own = b->keys().find(key);
          REQUIRE(own);
          CHECK((own->type() == v.type() && own->size() == v.size() && own->stored() == v.stored()));
          ++keys;
        });
        b->keys().for_each([&](std::string_view, const gguf_value&) { --keys; });
        CHECK(keys == 0);
      }
      check_equal_tokenizers(first.tokenizer, opened(to).tokenizer);
    }
  }
}

TEST_CASE("what a GGUF file cannot say is refused by name, and nothing is written") {
  temporary_folder f("of_gguf_refused");
  convert(opened(goldens + "text_llama"), f / "text", checkpoint_layout::gguf);
  convert(opened(goldens + "clip_llama3_new_names"), f / "llama3", checkpoint_layout::gguf);
  convert(opened(goldens + "clip_mha"), f / "clip", checkpoint_layout::gguf);
  const std::string to = f / "llava-v1.5";
  const auto refused = [&](const checkpoint& from, checkpoint_layout layout, const char* sentence) {
    const std::string found = error_of(from, to, layout);
    INFO(found);
    CHECK(found.find(sentence) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(to));
  };
  for (const auto layout : {checkpoint_layout::llava_hf, checkpoint_layout::original})
    refused(opened(f / "text"), layout, "which has no place for a language model alone");
  refused(opened(f / "llama3"), checkpoint_layout::original, "which has no scaling of the rotary embedding but linear");
  refused(opened(goldens + "gguf_qwen2"), checkpoint_layout::original,
          "which has no SigLIP tower without its last layer, which LLaVA-NeXT's program takes away");
  checkpoint changed = opened(f / "clip");
  changed.description.conversation.own.text = "{{ messages[0].content }}";
  refused(changed, checkpoint_layout::llava_hf, "which has no chat template that takes texts alone, and no images");
  changed.description.image_token = 5;
  refused(changed, checkpoint_layout::llava_hf, "which has no token for images but <image>");
  checkpoint biased = opened(f / "clip");
  biased.description.text.qkv_bias = true;
  refused(biased, checkpoint_layout::llava_hf, "which has no such biases for a language model of the family llama");
  biased.description.text_family = "qwen2", biased.description.text.o_bias = true;
  refused(biased, checkpoint_layout::original, "which has no such biases for a language model of the family qwen2");
}

TEST_CASE("a refused allocation is an error, and leaves no folder of a GGUF file") {
  temporary_folder f("of_gguf_memory");
  convert(opened(goldens + "clip_mha"), f / "gguf", checkpoint_layout::gguf);
  const checkpoint from = opened(f / "gguf");
  const std::string to = f / "new";
  for (const auto layout : {checkpoint_layout::llava_hf, checkpoint_layout::gguf}) {
    const auto converted = [&] {
      detail::remove_folder(to);
      auto done = try_convert(from, to, layout);
      if (!done && detail::folder_exists(to)) FAIL(to);
      return done;
    };
    CHECK(refuse_each(converted, 60, 97) > 10);
    detail::remove_folder(to);
  }
}
