// SPDX-License-Identifier: Apache-2.0
/// Tokenizers in GGUF files, compared with the same tokenizers in their own files, which text/tokenizer_vectors.cpp
/// compares with SentencePiece, transformers and the tokenizers library.
#include <llava/checkpoint/gguf_part.hpp>
#include <llava/checkpoint/gguf_tokenizer.hpp>

#include <cstdlib>
#include <cstring>
#include <map>

#include <gguf_bytes.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string data = LLAVA_TEST_DATA "/text/";
using types = std::vector<std::int32_t>;

std::string bytes_of(const std::string& file) { return *try_read_text_file(file); }

/// The texts in such a file as text/tokenizer_vectors.cpp reads.
std::vector<std::string> texts_in(const std::string& bytes) {
  std::vector<std::string> texts;
  for (std::size_t at = 4; at + 2 <= bytes.size();) {
    const std::size_t n = static_cast<unsigned char>(bytes[at]) + 256u * static_cast<unsigned char>(bytes[at + 1]);
    texts.push_back(bytes.substr(at + 2, n));
    at += 2 + n;
  }
  REQUIRE(texts.size() >= 2000);
  return texts;
}
std::vector<std::string> all_texts() {
  std::ifstream in(data + "texts.bin", std::ios::binary);
  return texts_in({std::istreambuf_iterator<char>(in), {}});
}

/// The tokenizer in a file with these keys.
result<tokenizer> try_read(const gguf_bytes& g, std::string_view architecture = "llama", bool legacy = false) {
  temporary_folder f("gguf_words");
  f.write("x.gguf", g.bytes());
  LLAVA_TRY(part, detail::gguf_part::try_open(f / "x.gguf"));
  return try_read_gguf_tokenizer(part.keys(), architecture, legacy);
}
std::string error_of(const gguf_bytes& g) {
  const auto made = try_read(g);
  if (made) return "";
  CHECK(made.error().sentence().find("x.gguf") != std::string::npos);
  return made.error().sentence();
}

/// Compares the ids and texts of all texts for which takes(ids) is true.
template <class Takes>
void check_equal(const tokenizer& found, const tokenizer& expected, const char* name, Takes&& takes) {
  INFO(name);
  std::size_t texts = 0, wrong = 0;
  encode_options plain;
  plain.parse_special = false;
  for (const std::string& text : all_texts()) {
    const std::vector<std::int32_t> ids = expected.encode(text);
    if (!takes(ids)) continue;
    const bool same = found.encode(text) == ids && found.encode(text, plain) == expected.encode(text, plain) &&
                      found.decode(ids) == expected.decode(ids) &&
                      found.decode(ids, false) == expected.decode(ids, false);
    if (!same && wrong++ < 3) {
      UNSCOPED_INFO("'" << text << "': '" << found.decode(found.encode(text), false) << "' '"
                        << expected.decode(ids, false) << "'");
    }
    ++texts;
  }
  CHECK(wrong == 0);
  CHECK(texts >= 1500);
  CHECK(found.size() == expected.size());
}
void check_equal(const tokenizer& found, const tokenizer& expected, const char* name) {
  check_equal(found, expected, name, [](const auto&) { return true; });
}

/// Pieces, scores and types of a SentencePiece model.
struct pieces {
  std::vector<std::string> texts;
  std::vector<float> scores;
  types kinds;

  explicit pieces(const std::string& file) {
    using field = detail::protobuf_field;
    const std::string bytes = bytes_of(file);
    REQUIRE(detail::each_field(bytes, [&](const field& f) {
      if (!f.is(1, field::delimited)) return;
      scores.push_back(0), kinds.push_back(1);
      detail::each_field(f.bytes, [&](const field& p) {
        if (p.is(1, field::delimited)) texts.emplace_back(p.bytes);
        if (p.is(2, field::fixed32)) scores.back() = std::bit_cast<float>(static_cast<std::uint32_t>(p.value));
        if (p.is(3, field::varint)) kinds.back() = static_cast<std::int32_t>(p.value);
      });
    }));
  }
  pieces& add(const char* text, std::int32_t kind) {
    texts.emplace_back(text), scores.push_back(-1000), kinds.push_back(kind);
    return *this;
  }
  gguf_bytes keys() const {
    gguf_bytes g;
    g.key("tokenizer.ggml.model", "llama").key("tokenizer.ggml.tokens", texts);
    return g.key("tokenizer.ggml.scores", scores).key("tokenizer.ggml.token_type", kinds);
  }
};

/// A tokenizer.json, and its keys for a GGUF file.
struct byte_level {
  std::string json;
  std::vector<std::string> tokens, merges;
  types kinds;

  /// The settings of added tokens that a GGUF file does not hold are cleared.
  explicit byte_level(const std::string& name) : json(bytes_of(data + name + "/tokenizer.json")) {
    for (const char* flag : {"normalized", "single_word", "lstrip", "rstrip"})
      for (std::string next = json; !next.empty();
           next = replaced(json, std::string("\"") + flag + "\":true", std::string("\"") + flag + "\":false"))
        json = next;
    const json_value root = *try_parse_json("tokenizer.json", json);
    const json_value* model = root.find("model");
    const json_value* added = root.find("added_tokens");
    tokens.resize(model->find("vocab")->members().size() + added->items().size());
    kinds.resize(tokens.size(), 1);
    for (const auto& [token, id] : model->find("vocab")->members())
      tokens[static_cast<std::size_t>(*id.integer())] = token;
    for (const json_value& token : added->items()) {
      const auto id = static_cast<std::size_t>(*token.find("id")->integer());
      tokens[id] = *token.find("content")->text();
      kinds[id] = *token.find("special")->boolean() ? 3 : 4;
    }
    for (const json_value& m : model->find("merges")->items())
      merges.push_back(m.text() ? *m.text() : *m.items()[0].text() + " " + *m.items()[1].text());
  }
  gguf_bytes keys(const char* pre) const {
    gguf_bytes g;
    g.key("tokenizer.ggml.model", "gpt2").key("tokenizer.ggml.tokens", tokens);
    g.key("tokenizer.ggml.token_type", kinds).key("tokenizer.ggml.merges", merges);
    return pre ? g.key("tokenizer.ggml.pre", pre) : g;
  }
};

const std::vector<std::string> few{"<unk>", "<s>", "</s>", "a"};
/// A small tokenizer of the model `llama`, without the keys that follow.
gguf_bytes small(bool scores = true, bool kinds = true) {
  gguf_bytes g;
  g.key("tokenizer.ggml.model", "llama").key("tokenizer.ggml.tokens", few);
  if (scores) g.key("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, -1});
  return kinds ? g.key("tokenizer.ggml.token_type", types{2, 3, 3, 1}) : g;
}

}  // namespace

TEST_CASE("SentencePiece in a GGUF file gives the ids and texts of LlamaTokenizer, legacy or not") {
  pieces all(data + "slow/tokenizer.model");
  all.add("<|im_start|>", 4).add("<|im_end|>", 4).add("<image>", 3).add("<pad>", 3).add("[PAD1004]", 5);
  gguf_bytes g = all.keys();
  g.key("tokenizer.ggml.add_eos_token", true).key("tokenizer.ggml.padding_token_id", 1003u);
  temporary_folder f("gguf_slow");
  f.copy(data + "slow/tokenizer.model");
  std::string settings = bytes_of(data + "slow/tokenizer_config.json");
  for (const char* flag : {"\"rstrip\":true", "\"lstrip\":true"})  // a GGUF file does not hold these
    settings = replaced(settings, flag, std::string(flag).substr(0, 9) + "false");
  for (const bool legacy : {false, true}) {
    f.write("tokenizer_config.json", legacy ? replaced(settings, "\"legacy\":false", "\"legacy\":true") : settings);
    const auto expected = try_open_tokenizer(f.path.string(), true);
    REQUIRE(expected);
    const auto found = try_read(g, "llama", legacy);
    if (!found) FAIL(found.error().what());
    check_equal(*found, *expected, legacy ? "legacy" : "not legacy");
    CHECK((found->bos() == expected->bos() && found->eos() == expected->eos() && found->unk() == expected->unk()));
    CHECK(found->pad() == expected->pad());
  }
}

TEST_CASE("pieces whose scores were lost merge in the order of their ids, except runs of spaces") {
  pieces all(data + "spm/tokenizer.model");
  const auto expected = try_read(all.keys());
  REQUIRE(expected);
  for (std::size_t i = 0; i < all.scores.size(); ++i) all.scores[i] = -1000.f;
  const auto found = try_read(all.keys());
  REQUIRE(found);
  const std::string run = std::string(space_mark) + std::string(space_mark);
  check_equal(*found, *expected, "without scores", [&](const std::vector<std::int32_t>& ids) {
    return std::none_of(ids.begin(), ids.end(), [&](std::int32_t id) { return expected->piece(id).starts_with(run); });
  });
}

TEST_CASE("byte-level BPE in a GGUF file gives the ids and texts of the tokenizers library") {
  for (const auto& [name, pre, architecture] : {std::tuple{"gpt2", "gpt-2", "llama"},
                                                {"gpt2_digits", "smollm", "llama"},
                                                {"llama3", "llama-bpe", "llama"},
                                                {"llama3", "default", "llama"},
                                                {"qwen2", "qwen2", "qwen2"},
                                                {"qwen3_5", "qwen35", "qwen2"},
                                                {"qwen2", static_cast<const char*>(nullptr), "qwen2"}}) {
    const byte_level all(name);
    temporary_folder f("gguf_bytes");
    f.write("tokenizer.json", all.json);
    const auto expected = try_open_tokenizer(f.path.string());
    REQUIRE(expected);
    gguf_bytes g = all.keys(pre);
    if (std::string_view(name) == "llama3") g.key("tokenizer.ggml.bos_token_id", 800u);
    const auto found = try_read(g, architecture);
    if (!found) FAIL(found.error().what());
    check_equal(*found, *expected, name);
  }
}

TEST_CASE("rows that a converter added are no tokens, and ids beyond the vocabulary count as none") {
  gguf_bytes g;
  std::vector<std::string> tokens = few;
  tokens.insert(tokens.end(), {"[PAD4]", "<dummy00001>", "[PAD6]"});
  g.key("tokenizer.ggml.model", "llama").key("tokenizer.ggml.tokens", tokens);
  g.key("tokenizer.ggml.scores", std::vector<float>(7, -1.f));
  g.key("tokenizer.ggml.token_type", types{2, 3, 3, 1, 5, 4, 5}).key("tokenizer.ggml.padding_token_id", 4u);
  const auto made = try_read(g);
  REQUIRE(made);
  CHECK(made->size() == 4);
  CHECK((made->pad() == -1 && made->bos() == 1 && made->eos() == 2 && made->unk() == 0));
  CHECK(made->encode("a") == std::vector<std::int32_t>{1, 0, 3});
}

TEST_CASE("R2: a tokenizer of a GGUF file that is malformed or not supported is refused with a sentence") {
  struct row {
    gguf_bytes file;
    const char* fragment;
  };
  const auto keys = [](const char* model) { return gguf_bytes().key("tokenizer.ggml.model", model); };
  const auto words = [&](std::vector<std::string> tokens, types kinds) {
    return gguf_bytes()
        .key("tokenizer.ggml.model", "llama")
        .key("tokenizer.ggml.tokens", tokens)
        .key("tokenizer.ggml.scores", std::vector<float>(tokens.size(), -1.f))
        .key("tokenizer.ggml.token_type", kinds);
  };
  const auto pairs = [&](std::vector<std::string> merges) {
    return keys("gpt2")
        .key("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "ab"})
        .key("tokenizer.ggml.merges", merges);
  };
  const row rows[] = {
      {gguf_bytes(), "has no key \"tokenizer.ggml.model\""},
      {keys("bert"), "\"tokenizer.ggml.model\" is bert, expected llama or gpt2"},
      {keys("llama"), "has no key \"tokenizer.ggml.tokens\""},
      {keys("llama").key("tokenizer.ggml.tokens", "a"), "\"tokenizer.ggml.tokens\" must be an array of 1 to"},
      {keys("llama").key("tokenizer.ggml.tokens", types{1}), "must be an array of 1 to 1048576 texts"},
      {keys("llama").key("tokenizer.ggml.tokens", std::vector<std::string>{}), "must be an array of 1 to"},
      {keys("gpt2").key("tokenizer.ggml.tokens", std::vector<std::string>((1 << 20) + 1)), "must be an array of 1 to"},
      {small(false), "has no key \"tokenizer.ggml.scores\""},
      {small(false).key("tokenizer.ggml.scores", std::vector<float>{0, 0, 0}), "an array of 4 numbers"},
      {small(false).key("tokenizer.ggml.scores", std::vector<std::string>(4, "0")), "must be numbers"},
      {small(false).raw_array("tokenizer.ggml.scores", 6, 4, std::string("\0\0\xc0\x7f", 4) + std::string(12, '\0')),
       "has a score that is not a number"},
      {small(true, false).key("tokenizer.ggml.token_type", types{2, 3, 3}), "an array of 4 integers"},
      {small(true, false).key("tokenizer.ggml.token_type", types{2, 3, 3, 7}), "integers of 1 to 6"},
      {small(true, false).key("tokenizer.ggml.token_type", std::vector<float>{2, 3, 3, 1}), "integers of 1 to 6"},
      {small(true, false), "has no piece of type unknown"},
      {small(true, false).key("tokenizer.ggml.token_type", types{2, 2, 3, 1}), "is a second unknown piece"},
      {words({"<unk>", "<0xZZ>"}, {2, 6}), "is of type byte, expected the form <0xNN>"},
      {words({"<unk>", "<0x41>"}, {2, 6}), "the piece of byte 0 is missing"},
      {words({"<unk>", "a", "a"}, {2, 1, 1}), "appears twice"},
      {words({"<unk>", ""}, {2, 1}), "is empty"},
      {words({"<unk>", std::string(2000, 'x')}, {2, 3}), "expected 1 to 1024 bytes"},
      {words(std::vector<std::string>(8193, "x"), types(8193, 3)), "8193 control and user-defined tokens, expected at"},
      {small().key("tokenizer.ggml.bos_token_id", "1"), "\"tokenizer.ggml.bos_token_id\" must be an integer"},
      {small().key("tokenizer.ggml.add_bos_token", 1u), "\"tokenizer.ggml.add_bos_token\" must be true or false"},
      {pairs({"a b"}).key("tokenizer.ggml.pre", "viking"), "\"tokenizer.ggml.pre\" is viking, expected qwen2"},
      {keys("gpt2").key("tokenizer.ggml.tokens", few), "has no key \"tokenizer.ggml.merges\""},
      {keys("gpt2").key("tokenizer.ggml.tokens", std::vector<std::string>{"a", "a"}), "is 'a' twice, expected"},
      {pairs({"ab"}), "pairs of tokens with a space between them, which 'ab' is not"},
      {pairs({" a"}), "pairs of tokens with a space between them"},
      {pairs({""}), "pairs of tokens with a space between them"},
      {pairs({"b a"}), "pairs of tokens that form a token, which 'b a' is not"},
      {pairs({"a \xff"}), "pairs of tokens that form a token"},
  };
  for (const row& r : rows) {
    INFO(r.fragment);
    const std::string sentence = error_of(r.file);
    INFO(sentence.substr(0, 300));
    CHECK(sentence.find(r.fragment) != std::string::npos);
  }
  CHECK(error_of(small()).empty());
  CHECK(error_of(pairs({"a b"})).empty());
}

/// LLAVA_GGUF_TOKENIZER names a folder that tests/oracle/smollm2_llama_cpp.py --tokenizer has written, with the model
/// itself as model.gguf: a vocabulary that is too large for the repository.
TEST_CASE("the tokenizer of a GGUF file gives llama.cpp's ids") {
  const char* folder = std::getenv("LLAVA_GGUF_TOKENIZER");
  if (!folder) return;
  const auto part = detail::gguf_part::try_open(std::string(folder) + "/model.gguf");
  REQUIRE(part);
  const auto words = try_read_gguf_tokenizer(part->keys(), "llama", false);
  REQUIRE(words);
  const auto read = [&](const char* name) {
    std::ifstream in(std::string(folder) + name, std::ios::binary);
    REQUIRE(in);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const std::vector<std::string> texts = texts_in(read("/texts.bin"));
  const std::string expected = read("/ids.bin");
  REQUIRE(expected.size() == 8 * texts.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::uint64_t digest = 0xcbf29ce484222325u, other = 0;
    const std::vector<std::int32_t> ids = words->encode(texts[i]);
    const auto* bytes = reinterpret_cast<const unsigned char*>(ids.data());
    for (std::size_t b = 0; b < ids.size() * sizeof(std::int32_t); ++b) digest = (digest ^ bytes[b]) * 0x100000001b3u;
    std::memcpy(&other, expected.data() + 8 * i, 8);
    if (digest != other && wrong++ < 20) UNSCOPED_INFO("'" << texts[i] << "'");
  }
  CHECK(wrong == 0);
  CHECK(texts.size() >= 10000);
}
