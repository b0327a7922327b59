// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using ids = std::vector<std::int32_t>;
constexpr bool slow = true;

std::string read(const char* file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct folder : temporary_folder {
  using temporary_folder::temporary_folder;
  folder& copy(const std::string& from) {
    temporary_folder::copy(LLAVA_TEST_DATA "/text/" + from);
    return *this;
  }
  folder& write(const std::string& name, const std::string& text) {
    temporary_folder::write(name, text);
    return *this;
  }
  llava::tokenizer open(bool slowly = false) const {
    auto words = llava::try_open_tokenizer(path.string(), slowly);
    if (!words) FAIL(words.error().what());
    return *std::move(words);
  }
  std::string error(bool slowly = false) const {
    const auto words = llava::try_open_tokenizer(path.string(), slowly);
    REQUIRE(!words);
    INFO(words.error().sentence());
    CHECK(words.error().sentence().find(path.string()) != std::string::npos);
    return words.error().sentence();
  }
};

}  // namespace

TEST_CASE("tokenizer.json is preferred, but tokenizer.model if the slow tokenizer is requested") {
  folder f("order");
  f.copy("llama/tokenizer.json").copy("spm/tokenizer.model");
  CHECK(f.open().find("<image>") == 1000);      // an added token of tokenizer.json …
  CHECK(f.open(slow).find("<image>") == 1000);  // … which the slow tokenizer has too, if no config lists added tokens
  f.write("tokenizer_config.json", R"({"added_tokens_decoder": {}})");
  CHECK(!f.open(slow).find("<image>"));
}

TEST_CASE("tokens that tokenizer.json adds to the slow tokenizer must have ids") {
  folder f("added");
  f.copy("spm/tokenizer.model");
  for (const char* token :
       {R"({"content": "a"})", R"({"id": -1, "content": "a"})", R"({"id": 2147483648, "content": "a"})", "7"}) {
    f.write("tokenizer.json", std::string(R"({"added_tokens": [)") + token + "]}");
    CHECK(f.error(slow).find("a list of tokens with their ids") != std::string::npos);
  }
  f.write("tokenizer.json", R"({"added_tokens": [{"id": 1000, "content": "a b", "lstrip": true}]})");
  CHECK(f.open(slow).find("a b") == 1000);
  CHECK(f.open(slow).encode("x  a b") == f.open(slow).encode("xa b"));
}

TEST_CASE("tokenizer.model alone: fast and slow give the same ids, and each decodes bytes in its own way") {
  folder f("alone");
  f.copy("spm/tokenizer.model");
  const llava::tokenizer fast = f.open(), slowly = f.open(slow);
  CHECK(fast.encode("a  b é 🦙") == slowly.encode("a  b é 🦙"));
  const ids bytes{3 + 0x41, 3 + 0xff, 3 + 0x42};
  CHECK(fast.decode(bytes) == "\uFFFD\uFFFD\uFFFD");
  CHECK(slowly.decode(bytes) == "A\uFFFDB");
}

TEST_CASE("a folder without a tokenizer, or with a damaged one, is an error that names it") {
  folder f("none");
  CHECK(f.error().find("neither tokenizer.json nor tokenizer.model") != std::string::npos);
  f.write("tokenizer.json", "{");
  f.error();
  f.write("tokenizer.model", "x");
  f.error(slow);
}

TEST_CASE("a tokenizer.model alone is LLaMA's: BOS first, its three special tokens are split off, legacy") {
  folder f("model");
  f.copy("spm/tokenizer.model");
  const llava::tokenizer words = f.open(slow);
  CHECK((words.bos() == 1 && words.eos() == 2 && words.unk() == 0 && words.pad() == -1));
  CHECK(words.encode("").size() == 1);
  const ids made = words.encode("a</s>b");
  CHECK(std::count(made.begin(), made.end(), 2) == 1);
  CHECK(words.piece(made.back()).rfind("\u2581", 0) == 0);  // text after a token has the dummy prefix again
}

TEST_CASE("tokenizer_config.json sets the tokens around a text and the special tokens") {
  folder f("config");
  f.copy("spm/tokenizer.model");
  f.write("tokenizer_config.json",
          R"({"add_bos_token": false, "add_eos_token": true, "legacy": false, "pad_token": "<unk>",
    "added_tokens_decoder": {"1000": {"content": "<image>", "special": true, "lstrip": false}}, "additional_special_tokens": ["<image>"]})");
  const llava::tokenizer words = f.open(slow);
  CHECK(words.encode("") == ids{2});
  CHECK(words.pad() == 0);
  CHECK(words.is_special(1000));
  const ids made = words.encode("a<image>b");
  CHECK(std::count(made.begin(), made.end(), 1000) == 1);
  CHECK(words.piece(made[2]) == "b");  // not legacy: no dummy prefix after a token
}

TEST_CASE("without added_tokens_decoder, special_tokens_map.json overrides the config and added_tokens.json adds") {
  folder f("older");
  f.copy("spm/tokenizer.model");
  f.write("tokenizer_config.json", R"({"pad_token": "<unk>"})");
  f.write("special_tokens_map.json",
          R"({"pad_token": {"content": "<pad>"}, "additional_special_tokens": ["<image>"]})");
  f.write("added_tokens.json", R"({"<image>": 1005, "<im_end>": 1004})");
  const llava::tokenizer words = f.open(slow);
  CHECK(words.find("<image>") == 1005);
  CHECK(words.find("<im_end>") == 1004);
  CHECK(words.is_special(1005));
  CHECK(!words.is_special(1004));
  CHECK(words.pad() == 1006);  // no file gives it an id: it comes last
  CHECK(words.size() == 1007);
}

TEST_CASE("a tokenizer.json puts BOS in front, unless the config says otherwise") {
  folder f("bos");
  f.copy("llama/tokenizer.json");
  CHECK(f.open().encode("").size() == 1);
  f.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>"})");
  CHECK(f.open().encode("") == ids{1});
  CHECK(f.open().eos() == 2);
  f.write(
      "tokenizer_config.json",
      R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": false, "add_eos_token": true})");
  CHECK(f.open().encode("") == ids{2});
}

TEST_CASE("add_bos_token and add_eos_token apply to LLaMA's classes only, as in transformers 4.57") {
  folder f("flags");
  f.write("tokenizer.json", read(LLAVA_TEST_DATA "/goldens/clip_mha/tokenizer.json"));
  const auto around = [&](const std::string& type, const std::string& flags) {
    f.write("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "</s>")" +
                                         (type.empty() ? "" : R"(, "tokenizer_class": ")" + type + "\"") +
                                         (flags.empty() ? "" : ", " + flags) + "}");
    return f.open().encode("");
  };
  const char *no_bos = R"("add_bos_token": false)", *bos = R"("add_bos_token": true)",
             *no_eos = R"("add_eos_token": false)", *eos = R"("add_eos_token": true)",
             *null = R"("add_bos_token": null)";
  for (const char* type : {"LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", ""}) {
    INFO(type);
    CHECK(around(type, "") == ids{1});
    CHECK(around(type, no_bos) == ids{});
    CHECK(around(type, bos) == ids{1});
    CHECK(around(type, no_eos) == ids{1});
    CHECK(around(type, eos) == ids{1, 2});
    CHECK(around(type, null) == ids{});
  }
  for (const char* flags : {"", no_bos, bos, no_eos, eos}) CHECK(around("PreTrainedTokenizerFast", flags) == ids{1});
  const std::string json = f.read("tokenizer.json");
  const auto from = json.find("\"post_processor\":"), to = json.find("\"decoder\":");
  REQUIRE((from != std::string::npos && to != std::string::npos && from < to));
  f.write("tokenizer.json", json.substr(0, from) + "\"post_processor\": null, " + json.substr(to));
  for (const char* flags : {"", no_bos, bos, no_eos, eos}) CHECK(around("PreTrainedTokenizerFast", flags).empty());
  CHECK(around("LlamaTokenizer", "") == ids{1});
  CHECK(around("LlamaTokenizer", no_eos) == ids{1});
  f.write("tokenizer.json", read(LLAVA_TEST_DATA "/text/qwen2/tokenizer.json"));
  for (const char* flags : {"", no_bos, bos, no_eos, eos})
    for (const char* type : {"Qwen2Tokenizer", "GPT2Tokenizer", ""}) CHECK(around(type, flags).empty());
}

// Values of transformers 4.57.1 (fast) and 4.37.2 (slow), whose ids have a BOS in front.
TEST_CASE("split_special_tokens: special tokens are text; for the slow tokenizer all added tokens are") {
  folder fast("split_fast");
  fast.copy("llama/tokenizer.json");
  fast.write("tokenizer_config.json",
             R"({"tokenizer_class": "PreTrainedTokenizerFast", "split_special_tokens": true})");
  const llava::tokenizer words = fast.open();
  CHECK(words.encode("a</s>b <image> c") == ids{1, 259, 413, 416, 383, 407, 396, 296, 387, 295, 311, 407, 281});
  CHECK(words.encode("a [word] b usr def") == ids{1, 259, 379, 1004, 379, 267, 1006});
  CHECK(words.decode(ids{1, 259, 2}) == "a");

  folder f("split_slow");
  f.copy("slow/tokenizer.model");
  for (const char* legacy : {"true", "false"}) {
    f.write("tokenizer_config.json", std::string(R"({"split_special_tokens": true, "legacy": )") + legacy +
                                         R"(, "added_tokens_decoder": {"1000": {"content": "[w]"}},
                                              "additional_special_tokens": ["<x>"]})");
    CHECK(f.open(slow).encode("a</s>b") == ids{1, 259, 413, 416, 383, 407, 396});
    CHECK(f.open(slow).encode("a [w] b<x>") == ids{1, 259, 361, 412, 463, 267, 413, 410, 407});
  }
}

TEST_CASE("extra_special_tokens may be an object, which the program with the slow tokenizer does not know") {
  folder f("extra");
  f.copy("llama/tokenizer.json");
  f.write("tokenizer_config.json",
          R"({"additional_special_tokens": ["<x>"], "extra_special_tokens": {"image_token": "<image>",
              "video_token": "<video>", "end": {"content": "<y>", "lstrip": true, "special": true}}})");
  const llava::tokenizer words = f.open();
  CHECK(words.encode("a<video>b <y>c<x>", {.add_special = false}) == ids{259, 1008, 267, 1009, 281, 1007});
  CHECK((words.size() == 1010 && words.is_special(1008) && words.is_special(1009)));
  f.copy("spm/tokenizer.model");
  f.write("tokenizer_config.json",
          R"({"added_tokens_decoder": {}, "extra_special_tokens": {"image_token": "<image>"}})");
  CHECK(f.open(slow).encode("a<image>") == ids{1, 259, 413, 387, 295, 311, 407});
  CHECK(f.open(slow).size() == 1000);
}

TEST_CASE("a special token that a program adds comes behind those of the files") {
  folder f("behind");
  f.copy("slow/tokenizer.model").copy("slow/tokenizer_config.json");
  const auto words = llava::try_open_tokenizer(f.path.string(), slow, "<im_patch>");
  REQUIRE(words);
  CHECK((words->size() == f.open(slow).size() + 1 && words->find("<im_patch>") == 1004 && words->is_special(1004)));
  CHECK(f.open(slow).find("<im_patch>") == std::nullopt);
}

TEST_CASE("R1: invalid tokenizer settings are errors that name the folder") {
  folder f("nonsense");
  f.copy("spm/tokenizer.model");
  for (const char* config :
       {"", "[]", R"({"legacy": 1})", R"({"add_bos_token": "yes"})", R"({"bos_token": 7})",
        R"({"bos_token": {"content": 7}})", R"({"split_special_tokens": "yes"})", R"({"extra_special_tokens": 7})",
        R"({"extra_special_tokens": {"image_token": 7}})", R"({"additional_special_tokens": "x"})",
        R"({"additional_special_tokens": [1]})", R"({"added_tokens_decoder": []})",
        R"({"added_tokens_decoder": {"x": {"content": "y"}}})", R"({"added_tokens_decoder": {"-1": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"99999999999": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"2000000000": {"content": "y"}}})"}) {
    INFO(config);
    f.write("tokenizer_config.json", config);
    f.error();
  }
  f.write("tokenizer_config.json", "{}");
  f.open();
  for (const char* added : {"[]", R"({"a": "b"})", R"({"a": -1})", R"({"a": 2147483647})", R"({"": 1000})"}) {
    INFO(added);
    f.write("added_tokens.json", added);
    f.error();
  }
}

TEST_CASE("the bundled model's two tokenizers agree on prompts") {
  const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny";
  const auto json = llava::try_open_tokenizer(tiny), model = llava::try_open_tokenizer(tiny, slow);
  REQUIRE(json);
  REQUIRE(model);
  for (const char* text :
       {"USER: What is there? ASSISTANT: A red circle.</s>USER: And left of it? ASSISTANT:", "a  b", ""})
    CHECK(json->encode(text) == model->encode(text));
}
