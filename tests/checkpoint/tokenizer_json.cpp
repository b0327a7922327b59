// SPDX-License-Identifier: Apache-2.0
#include <concepts>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <llava/checkpoint/tokenizer_json.hpp>
#include <llava/text/tokenizer.hpp>
#include <llava_catch.hpp>

namespace {

/// A tokenizer.json with parts replaced.
struct file {
  std::string model =
      R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4}, "merges": ["a b", ["\u0120", "a"]]})";
  std::string added = R"([{"id": 5, "content": "<s>", "special": true}])";
  std::string normalizer = "null";
  std::string pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";
  std::string post_processor = "null";
  std::string decoder = R"({"type": "ByteLevel"})";
  std::string text() const {
    return R"({"version": "1.0", "truncation": null, "added_tokens": )" + added + R"(, "normalizer": )" + normalizer +
           R"(, "pre_tokenizer": )" + pre_tokenizer + R"(, "post_processor": )" + post_processor + R"(, "decoder": )" +
           decoder + R"(, "model": )" + model + "}";
  }
};

llava::result<llava::tokenizer> try_open(const std::string& text) {
  LLAVA_TRY(parts, llava::try_read_tokenizer_json("folder/tokenizer.json", text));
  return llava::tokenizer::try_make(std::move(parts.model), std::move(parts.rules));
}

void refused(const std::string& text, llava::errc code, std::string_view why) {
  const auto read = try_open(text);
  REQUIRE(!read);
  INFO(read.error().sentence());
  CHECK(read.error().code() == code);
  CHECK(read.error().sentence().find(why) != std::string::npos);
}
template <std::invocable<file&> Change>
void refused(Change&& change, llava::errc code, std::string_view why) {
  file f;
  change(f);
  refused(f.text(), code, why);
}

std::string split_by(const std::string& regex, const std::string& rest) {
  return R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" + regex + R"("}, )" +
         rest + R"(}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
}
const std::string qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";

}  // namespace

TEST_CASE("merges may be strings or pairs") {
  const auto words = try_open(file().text());
  if (!words) FAIL(words.error().what());
  CHECK(words->encode("ab a<s>") == std::vector<std::int32_t>{2, 4, 5});
  CHECK(words->size() == 6);
}

TEST_CASE("patterns are recognised by their text; others are errors that quote it") {
  file f;
  f.pre_tokenizer = split_by(qwen2, R"("behavior": "Isolated", "invert": false)");
  CHECK(try_open(f.text()));
  f.pre_tokenizer = split_by(qwen2, R"("behavior": "Removed", "invert": true)");
  CHECK(try_open(f.text()));
  using llava::errc;
  refused([](file& g) { g.pre_tokenizer = split_by(qwen2, R"("behavior": "Removed", "invert": false)"); },
          errc::unsupported, "Removed");
  refused([](file& g) { g.pre_tokenizer = split_by("[a-z]+|.", R"("behavior": "Isolated")"); }, errc::unsupported,
          "[a-z]+|.");
}

TEST_CASE("unsupported components are errors that name them") {
  using llava::errc;
  refused([](file& f) { f.model = R"({"type": "Unigram", "vocab": []})"; }, errc::unsupported, "Unigram");
  refused(
      [](file& f) { f.model = R"({"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {"a": 0}, "merges": []})"; },
      errc::unsupported, "end_of_word_suffix");
  refused([](file& f) { f.model = R"({"type": "BPE", "dropout": 0.1, "vocab": {"a": 0}, "merges": []})"; },
          errc::unsupported, "dropout");
  refused([](file& f) { f.normalizer = R"({"type": "NFKD"})"; }, errc::unsupported, "NFKD");
  refused(
      [](file& f) {
        f.normalizer = R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "StripAccents"}]})";
      },
      errc::unsupported, "StripAccents");
  const std::string many = R"({"type": "Digits", "individual_digits": true}, )";
  const auto sequence = [](const std::string& parts) {
    return R"({"type": "Sequence", "pretokenizers": [)" + parts +
           R"({"type": "ByteLevel", "add_prefix_space": false}]})";
  };
  std::string seventeen;
  for (int i = 0; i < 17; ++i) seventeen += many;
  refused([&](file& f) { f.pre_tokenizer = sequence(seventeen); }, errc::unsupported, "more than 16 steps");
  refused([&](file& f) { f.pre_tokenizer = sequence(R"({"type": "Punctuation", "behavior": "Removed"}, )"); },
          errc::unsupported, R"("pre_tokenizer.behavior" is Removed)");
  refused(
      [&](file& f) {
        f.pre_tokenizer = sequence(R"({"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated"}, )");
      },
      errc::unsupported, "Split by the text ' '");
  refused(
      [&](file& f) {
        f.pre_tokenizer = sequence(
            R"({"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Removed", "invert": true}, )");
      },
      errc::unsupported, "Removed and invert");
  refused(
      [&](file& f) {
        f.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false},
            {"type": "Split", "pattern": {"Regex": ")" +
                          qwen2 + R"("}, "behavior": "Isolated"}]})";
      },
      errc::unsupported, "after ByteLevel");
  refused(
      [](file& f) {
        f.pre_tokenizer =
            R"({"type": "Sequence", "pretokenizers": [{"type": "Metaspace", "replacement": "\u2581"}, {"type": "Punctuation"}]})";
      },
      errc::unsupported, "Punctuation after Metaspace");
  refused([](file& f) { f.normalizer = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "b"})"; },
          errc::unsupported, "'a' by 'b'");
  refused([](file& f) { f.normalizer = R"({"type": "Replace", "pattern": {"Regex": " "}, "content": "\u2581"})"; },
          errc::unsupported, "Replace");
  refused([](file& f) { f.pre_tokenizer = R"({"type": "Whitespace"})"; }, errc::unsupported, "Whitespace");
  refused(
      [](file& f) {
        f.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": []}]})";
      },
      errc::unsupported, "Sequence");
  refused([](file& f) { f.pre_tokenizer = R"({"type": "Metaspace", "replacement": "_"})"; }, errc::unsupported, "_");
  refused(
      [](file& f) { f.pre_tokenizer = R"({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "often"})"; },
      errc::unsupported, "often");
  refused([](file& f) { f.post_processor = R"({"type": "BertProcessing"})"; }, errc::unsupported, "BertProcessing");
  refused([](file& f) { f.decoder = R"({"type": "WordPiece"})"; }, errc::unsupported, "WordPiece");
  refused([](file& f) { f.decoder = "null"; }, errc::unsupported, "decoder");
  refused(
      [](file& f) { f.decoder = R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]})"; },
      errc::unsupported, "Fuse ByteFallback");
  refused([](file& f) { f.decoder = R"({"type": "Strip", "content": " ", "start": 1, "stop": 1})"; }, errc::unsupported,
          "Strip");
}

TEST_CASE("R1: files with wrong types, ids or merges are errors that say what was expected") {
  using llava::errc;
  const auto bad = errc::invalid_format;
  refused("", bad, "not JSON");
  refused("[]", bad, "expected an object");
  refused("{}", bad, "vocab");
  refused(file().text().substr(0, 200), bad, "not JSON");
  refused(std::string(3000, '['), bad, "64");
  refused(std::string(1000000, '['), bad, "64");
  refused(R"({"model":)" + std::string(100, '{'), bad, "");
  for (const char* vocab : {"[]", "{}", "7", R"({"a": -1})", R"({"a": 1.5})", R"({"a": "0"})", R"({"a": 4000000000})",
                            R"({"a": 90000})", R"({"a": 0, "b": 0})"})
    refused([&](file& f) { f.model = R"({"type": "BPE", "merges": [], "vocab": )" + std::string(vocab) + "}"; }, bad,
            "");
  for (const char* merges : {"{}", R"(["ab"])", R"(["a b c"])", R"([["a"]])", R"([["a", 1]])", R"(["a x"])",
                             R"(["b a"])", R"([""])", R"(["a "])", "[null]"})
    refused(
        [&](file& f) { f.model = R"({"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": )" + std::string(merges) + "}"; },
        bad, "");
  refused([](file& f) { f.model = R"({"vocab": {"a": 0}, "merges": [], "unk_token": "<unk>"})"; }, bad, "unk_token");
  for (const char* added : {"{}", "[1]", R"([{"id": 5}])", R"([{"content": "x"}])", R"([{"id": -1, "content": "x"}])",
                            R"([{"id": 9999999, "content": "x"}])", R"([{"id": "5", "content": "x"}])",
                            R"([{"id": 5, "content": ""}])", R"([{"id": 5, "content": "x", "special": 1}])"})
    refused([&](file& f) { f.added = added; }, bad, "");
  refused([](file& f) { f.pre_tokenizer = R"("ByteLevel")"; }, bad, "pre_tokenizer");
  refused([](file& f) { f.pre_tokenizer = R"({"type": "Sequence"})"; }, bad, "pretokenizers");
  for (
      const char* post :
      {R"({"type": "TemplateProcessing"})", R"({"type": "TemplateProcessing", "single": [1], "special_tokens": {}})",
       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {}})",
       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {"<s>": {"ids": [-5]}}})",
       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {"<s>": {"ids": [9999999]}}})"})
    refused([&](file& f) { f.post_processor = post; }, bad, "");
}

TEST_CASE("a repeated vocabulary entry has its last id, as in the tokenizers library") {
  file f;
  f.model = R"({"vocab": {"a": 0, "b": 1, "ab": 2, "a": 3}, "merges": ["a b"]})";
  const auto words = try_open(f.text());
  if (!words) FAIL(words.error().what());
  CHECK(words->encode("ab", {false}) == std::vector<std::int32_t>{2});
  CHECK(words->encode("a", {false}) == std::vector<std::int32_t>{3});
}

TEST_CASE("a template adds tokens before and after a text") {
  file f;
  f.post_processor =
      R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "y"}}], "special_tokens": {"x": {"id": "x", "ids": [5], "tokens": ["<s>"]}, "y": {"ids": [0, 1]}}}]})";
  const auto words = try_open(f.text());
  if (!words) FAIL(words.error().what());
  CHECK(words->encode("ab") == std::vector<std::int32_t>{5, 2, 0, 1});
}

TEST_CASE("R1: a damaged tokenizer.json is read or is an error") {
  for (const char* name : {"llama", "qwen2"}) {
    std::ifstream in(std::string(LLAVA_TEST_DATA "/text/") + name + "/tokenizer.json", std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    REQUIRE(try_open(whole));
    std::uint64_t x = 29;
    for (int i = 0; i < 500; ++i) {
      std::string damaged = whole;
      for (int n = 0; n < 2; ++n) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        const std::size_t at = (x >> 33) % damaged.size();
        if (i % 2)
          damaged[at] = static_cast<char>(x >> 25);
        else
          damaged.erase(at, 1 + (x >> 20) % 40);
      }
      const auto read = try_open(damaged);
      if (!read) continue;
      for (const std::int32_t id : read->encode("The quick \u6f22 <s> \n"))
        CHECK((id >= 0 && static_cast<std::size_t>(id) < read->size()));
    }
  }
}
