// SPDX-License-Identifier: Apache-2.0
// tokenizer_vectors.cpp has more tests, against the SentencePiece library.
#include <limits>
#include <string>
#include <vector>

#include <llava/text/sentencepiece_bpe.hpp>
#include <llava_catch.hpp>

namespace {

using llava::piece_type;
using ids = std::vector<std::int32_t>;

llava::sentencepiece_model model_of(std::vector<llava::sentencepiece_model::piece> pieces) {
  llava::sentencepiece_model m;
  m.pieces = {{"<unk>", 0, piece_type::unknown}, {"<s>", 0, piece_type::control}, {"</s>", 0, piece_type::control}};
  m.pieces.insert(m.pieces.end(), pieces.begin(), pieces.end());
  m.remove_extra_whitespaces = false;
  return m;
}

ids encoded(const llava::sentencepiece_model& m, std::string_view text, bool prefix = true) {
  const auto made = llava::sentencepiece_bpe::try_make(m);
  if (!made) FAIL(made.error().what());
  ids out;
  made->encode(text, prefix, out);
  return out;
}

void refused(const llava::sentencepiece_model& m, std::string_view why) {
  const auto made = llava::sentencepiece_bpe::try_make(m);
  REQUIRE(!made);
  CHECK(made.error().code() == llava::errc::invalid_format);
  INFO(made.error().sentence());
  CHECK(made.error().sentence().find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("pieces of the best score are merged first, with a space in front") {
  const auto m =
      model_of({{"\u2581", -9}, {"a", -9}, {"b", -9}, {"ab", -2}, {"ba", -1}, {"\u2581a", -3}, {"\u2581ab", -4}});
  CHECK(encoded(m, "ab") == ids{9});
  CHECK(encoded(m, "aba") == ids{8, 7});  // ba merges before ab, and leaves ▁a
  CHECK(encoded(m, "aba", false) == ids{4, 7});
  CHECK(encoded(m, " ab") == ids{3, 9});
  CHECK(encoded(m,
                "\u2581"
                "ab",
                false) == ids{9});  // a ▁ in the text is a space, too
  CHECK(encoded(m, "").empty());
}

TEST_CASE("a run of unknown characters is one unknown token, or bytes") {
  auto m = model_of({{"\u2581", -9}, {"a", -9}});
  CHECK(encoded(m, "axyza", false) == ids{4, 0, 4});
  for (int b = 0; b < 256; ++b) {
    constexpr char digits[] = "0123456789ABCDEF";
    m.pieces.push_back({{'<', '0', 'x', digits[b / 16], digits[b % 16], '>'}, 0, piece_type::byte});
  }
  m.byte_fallback = true;
  CHECK(encoded(m, "a\u00e9\n", false) == ids{4, 5 + 0xc3, 5 + 0xa9, 5 + 10});
}

TEST_CASE("user-defined pieces are split off, the longest first, and are never merged") {
  const auto m = model_of({{"\u2581", -9},
                           {"a", -9},
                           {"b", -9},
                           {"ab", -1},
                           {"bb", -1},
                           {"a\u2581", 0, piece_type::user_defined},
                           {"a\u2581"
                            "b",
                            0, piece_type::user_defined}});
  CHECK(encoded(m, "a bb", false) == ids{9, 5});
  CHECK(encoded(m, "a ab", false) == ids{8, 6});
}

TEST_CASE("unused pieces are split into their parts") {
  const auto m =
      model_of({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1, piece_type::unused}, {"abc", -2, piece_type::unused}});
  CHECK(encoded(m, "abc", false) == ids{3, 4, 5});
  CHECK(encoded(m, "abab", false) == ids{3, 4, 3, 4});
}

TEST_CASE("spaces are collapsed if the model says so") {
  auto m = model_of({{"\u2581", -9}, {"a", -9}});
  m.remove_extra_whitespaces = true;
  CHECK(encoded(m, "  a   a  ") == ids{3, 4, 3, 4});
  CHECK(encoded(m, "   ").empty());
}

TEST_CASE("inconsistent models are refused") {
  refused(model_of({{"a", 0}, {"a", 0}}), "piece 4 ('a') appears twice");
  refused(model_of({{"", 0}}), "is empty");
  refused(model_of({{"a", std::numeric_limits<float>::quiet_NaN()}}), "not a number");
  refused(model_of({{"a", 0, piece_type::unknown}}), "second unknown");
  refused(model_of({{"a", 0, static_cast<piece_type>(7)}}), "unknown type");
  refused(model_of({{"<0x41>", 0, piece_type::byte}}), "no byte_fallback");
  refused(model_of({{std::string(2000, 'a'), 0, piece_type::user_defined}}), "1024");
  auto m = model_of({{"<0x41>", 0, piece_type::byte}});
  m.byte_fallback = true;
  refused(m, "byte 0 is missing");
  m.pieces.back().text = "<0x4>";
  refused(m, "form <0xNN>");
  m.pieces.clear();
  refused(m, "no piece of type unknown");
}

TEST_CASE("special pieces are found by their type") {
  const auto made = llava::sentencepiece_bpe::try_make(model_of({{"a", -9}}));
  REQUIRE(made);
  CHECK(made->bos() == 1);
  CHECK(made->eos() == 2);
  CHECK(made->pad() == -1);
  CHECK(made->unknown() == 0);
  CHECK(made->find("a") == 3);
  CHECK(made->find("</s>") == 2);
  CHECK(made->find("b") == -1);
}
