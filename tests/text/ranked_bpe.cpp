// SPDX-License-Identifier: Apache-2.0
// tokenizer_vectors.cpp has more tests, against the tokenizers library.
#include <string>
#include <vector>

#include <llava/text/ranked_bpe.hpp>
#include <llava_catch.hpp>

namespace {

using ids = std::vector<std::int32_t>;

llava::ranked_model model_of(const std::vector<std::string>& pieces) {
  llava::ranked_model m;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    m.words.set(static_cast<std::int32_t>(i), pieces[i]);
    m.words.index(static_cast<std::int32_t>(i));
  }
  return m;
}
ids encoded(const llava::ranked_model& m, std::string_view word) {
  const auto made = llava::ranked_bpe::try_make(m);
  if (!made) FAIL(made.error().what());
  ids out;
  made->encode(word, out);
  return out;
}

}  // namespace

TEST_CASE("merges are applied by rank") {
  auto m = model_of({"a", "b", "c", "ab", "bc", "abc"});
  m.merges.set(1, 2, {0, 4});
  m.merges.set(0, 1, {1, 3});
  CHECK(encoded(m, "abc") == ids{0, 4});
  m.merges.set(0, 4, {2, 5});
  CHECK(encoded(m, "abcab") == ids{5, 3});
  CHECK(encoded(m, "xaxb") == ids{3});  // unknown letters are dropped, and their neighbours merge, as in the library
  m.unknown = 2;
  CHECK(encoded(m, "xya") == ids{2, 2, 0});
  m.fuse_unknown = true;
  CHECK(encoded(m, "xya") == ids{2, 0});
}

TEST_CASE("with ignore_merges a word that is a piece is encoded without merges") {
  auto m = model_of({"a", "b", "ab"});
  CHECK(encoded(m, "ab") == ids{0, 1});
  m.ignore_merges = true;
  CHECK(encoded(m, "ab") == ids{2});
  CHECK(encoded(m, "abb") == ids{0, 1, 1});
}

TEST_CASE("GPT-2's letters map one-to-one to bytes") {
  std::string letters;
  for (int b = 0; b < 256; ++b) llava::append_utf8(letters, llava::letter_of_byte(static_cast<unsigned char>(b)));
  const auto bytes = llava::bytes_of_letters(letters);
  REQUIRE(bytes);
  REQUIRE(bytes->size() == 256);
  for (int b = 0; b < 256; ++b) CHECK(static_cast<unsigned char>((*bytes)[static_cast<std::size_t>(b)]) == b);
  CHECK(llava::letter_of_byte(' ') == 0x120);
  CHECK(llava::letter_of_byte('\n') == 0x10a);
  CHECK(!llava::bytes_of_letters("a b"));
  CHECK(!llava::bytes_of_letters("\u6f22"));
  CHECK(!llava::bytes_of_letters("\xff"));
}

TEST_CASE("merges of ids that do not exist are refused") {
  auto m = model_of({"a", "b"});
  m.merges.set(0, 1, {0, 9});
  CHECK(!llava::ranked_bpe::try_make(m));
  auto n = model_of({"a"});
  n.unknown = 1;
  CHECK(!llava::ranked_bpe::try_make(n));
}

TEST_CASE("words may be split before spaces if no merge crosses one") {
  auto m = model_of({"a", "\u2581",
                     "\u2581"
                     "a",
                     "\u2581\u2581", "a\u2581"});
  m.merges.set(1, 0, {0, 2});
  m.merges.set(1, 1, {1, 3});
  CHECK(llava::ranked_bpe::try_make(m)->splits_at_marks());
  m.merges.set(0, 1, {2, 4});
  CHECK(!llava::ranked_bpe::try_make(m)->splits_at_marks());
  CHECK(!llava::ranked_bpe::try_make(model_of({"a"}))->splits_at_marks());
  auto bytes = model_of({"a", "\u2581"});
  bytes.byte_level = true;
  CHECK(!llava::ranked_bpe::try_make(bytes)->splits_at_marks());
}

// Values of tokenizers 0.23.3 for the same models with the normalizer Replace " " by ▁.
TEST_CASE("characters without a token are dropped, and their neighbours merge") {
  auto m = model_of({"a", "b", "ab", "<u>"});
  m.merges.set(0, 1, {0, 2});
  const auto ids = [](const llava::ranked_model& model, std::string_view text) {
    std::vector<std::int32_t> out;
    llava::ranked_bpe::try_make(model)->encode(text, out);
    return out;
  };
  CHECK(ids(m,
            "a\u2581"
            "b\u2581"
            "ab") == std::vector<std::int32_t>{2, 2});
  CHECK(ids(m, "axb") == std::vector<std::int32_t>{2});
  m.unknown = 3;
  const std::string text =
      "x\u2581y\u2581"
      "a\u2581\u2581"
      "b";
  CHECK(ids(m, text) == std::vector<std::int32_t>{3, 3, 3, 3, 0, 3, 3, 1});
  m.fuse_unknown = true;
  CHECK(ids(m, text) == std::vector<std::int32_t>{3, 0, 3, 1});
  auto bytes = model_of({"a", "<0xC3>", "<0xA9>", "<u>", "b"});
  bytes.byte_fallback = true, bytes.unknown = 3;
  CHECK(ids(bytes,
            "a\u00fc\u00e9"
            "b") == std::vector<std::int32_t>{0, 1, 2, 3, 4});  // bytes overtake <u>
  CHECK(ids(bytes, "x\u00e9") == std::vector<std::int32_t>{1, 2, 3});
}
