// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <fstream>
#include <iterator>
#include <string>

#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava_catch.hpp>

namespace {

std::string varint(std::uint64_t v) {
  std::string s;
  for (; v >= 128; v >>= 7) s += static_cast<char>(v | 128);
  return s += static_cast<char>(v);
}
std::string number(std::uint32_t field, std::uint64_t v) { return varint(field << 3) + varint(v); }
std::string bytes(std::uint32_t field, const std::string& v) { return varint(field << 3 | 2) + varint(v.size()) + v; }
std::string piece(const std::string& text, float score = 0, int type = 1) {
  const auto bits = std::bit_cast<std::uint32_t>(score);
  std::string s = bytes(1, text) + varint(2 << 3 | 5);
  for (int i = 0; i < 4; ++i) s += static_cast<char>(bits >> (8 * i));
  return bytes(1, s + number(3, static_cast<std::uint64_t>(type)));
}
const std::string pieces =
    piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("a", -1) + piece("b", -2) + piece("ab", -3);
const std::string bpe = bytes(2, number(3, 2)), identity = bytes(3, bytes(1, "identity") + number(4, 0));

std::string real() {
  std::ifstream in(LLAVA_TEST_DATA "/text/spm/tokenizer.model", std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

void refused(const std::string& model, llava::errc code, std::string_view why) {
  const auto read = llava::try_read_tokenizer_model("folder/tokenizer.model", model);
  REQUIRE(!read);
  INFO(read.error().sentence());
  CHECK(read.error().code() == code);
  CHECK(read.error().sentence().rfind("llava: folder/tokenizer.model: ", 0) == 0);
  CHECK(read.error().sentence().find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("a Git LFS pointer or an HTML page in place of tokenizer.model is named") {
  const auto error_of = [](std::string_view bytes) {
    return llava::try_read_tokenizer_model("tokenizer.model", bytes).error().sentence();
  };
  CHECK(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:9e55\nsize 499723\n")
            .find("tokenizer.model is a Git LFS pointer") != std::string::npos);
  CHECK(error_of("<html></html>").find("tokenizer.model is an HTML page") != std::string::npos);
}

TEST_CASE("a SentencePiece model is read, and unknown fields are skipped") {
  const std::string extra =
      number(9, 1) + bytes(100, "x") + varint(11 << 3 | 1) + "12345678" + varint(12 << 3 | 5) + "1234";
  const auto read = llava::try_read_tokenizer_model("m", extra + pieces + bpe + identity + extra);
  REQUIRE(read);
  CHECK(read->size() == 6);
  CHECK(read->find("ab") == 5);
  CHECK(read->eos() == 2);
  CHECK(read->add_dummy_prefix());
  CHECK(!read->remove_extra_whitespaces());
  std::vector<std::int32_t> ids;
  read->encode("abb", false, ids);
  CHECK(ids == std::vector<std::int32_t>{5, 4});
}

TEST_CASE("models that are not BPE, or that normalise, are errors that name the reason") {
  using llava::errc;
  refused(pieces + identity, errc::unsupported, "unigram");  // the default
  refused(pieces + bytes(2, number(3, 1)) + identity, errc::unsupported, "unigram");
  refused(pieces + bytes(2, number(3, 3)) + identity, errc::unsupported, "word");
  refused(pieces + bytes(2, number(3, 4)) + identity, errc::unsupported, "char");
  refused(pieces + bytes(2, number(3, 9)) + identity, errc::unsupported, "unknown");
  refused(pieces + bpe + bytes(3, bytes(1, "nmt_nfkc") + bytes(2, "table")), errc::unsupported, "nmt_nfkc");
  refused(pieces + bpe + identity + bytes(5, bytes(2, "table")), errc::unsupported, "normaliser");
  refused(pieces + bytes(2, number(3, 2) + number(24, 1)) + identity, errc::unsupported, "treat_whitespace_as_suffix");
  refused(pieces + bpe + bytes(3, number(5, 0)), errc::unsupported, "escape_whitespaces");
}

TEST_CASE("R1: damaged models are errors that name the file") {
  using llava::errc;
  refused("", errc::invalid_format, "not a SentencePiece model");
  refused("not a model", errc::invalid_format, "not a SentencePiece model");
  refused(bpe + identity, errc::invalid_format, "0 pieces");
  refused(pieces + bpe + identity + std::string("\x0a\xff\xff\xff\xff\x0f", 6), errc::invalid_format,
          "breaks off after 6 pieces");  // a length past the end
  refused(pieces + std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), errc::invalid_format,
          "breaks off");  // 2⁶⁴−1
  refused(pieces + std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12), errc::invalid_format,
          "breaks off");                                                       // an unterminated varint
  refused(pieces + std::string(1, '\0'), errc::invalid_format, "breaks off");  // field 0
  refused(pieces + varint(1 << 3 | 3), errc::invalid_format, "breaks off");    // a group
  refused(bytes(1,
                "\x0a\x05"
                "abc"),
          errc::invalid_format, "breaks off after 1 pieces");
  refused(pieces + bytes(2, "\x18"), errc::invalid_format, "breaks off");
  refused(pieces + piece("a") + bpe + identity, errc::invalid_format, "piece 6 ('a') appears twice");
  refused(pieces + piece("") + bpe + identity, errc::invalid_format, "piece 6 ('') is empty");
  refused(pieces + piece("x", 0, 7) + bpe + identity, errc::invalid_format, "unknown type");
  refused(pieces + piece("<0x41>", 0, 6) + bpe + identity, errc::invalid_format, "byte_fallback");
  refused(pieces + bytes(2, number(3, 2) + number(35, 1)) + identity, errc::invalid_format, "byte 0 is missing");
  refused(piece("a") + bpe + identity, errc::invalid_format, "unknown");
}

TEST_CASE("R1: a model cut off inside a field is an error, and a damaged one is read or is an error") {
  const std::string whole = real();
  REQUIRE(llava::try_read_tokenizer_model("m", whole));
  int still_accepted = 0;
  for (std::size_t n = 0; n < whole.size(); n += n < 100 || n + 100 > whole.size() ? 1u : 37u)
    still_accepted += static_cast<bool>(llava::try_read_tokenizer_model("m", whole.substr(0, n)));
  CHECK(still_accepted <= 2);  // cut between two messages, it is a model with defaults for the rest
  std::uint64_t x = 23;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    for (int n = 0; n < 3; ++n) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      damaged[(x >> 33) % damaged.size()] = static_cast<char>(x >> 25);
    }
    const auto read = llava::try_read_tokenizer_model("m", damaged);
    if (!read) continue;
    std::vector<std::int32_t> ids;
    read->encode("The quick \u6f22 <s> \n", true, ids);
    for (const std::int32_t id : ids) CHECK((id >= 0 && static_cast<std::size_t>(id) < read->size()));
  }
}
