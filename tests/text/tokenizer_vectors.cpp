// SPDX-License-Identifier: Apache-2.0
// Compares tokenizers with the references: SentencePiece, transformers 4 in Python, the tokenizers library.
// tests/oracle/tokenizer_vectors.py writes the vectors and describes their format. LLAVA_TOKENIZER_VECTORS may name a
// folder with vectors of real vocabularies, which are too large for the repository.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/text/stream_decoder.hpp>
#include <llava_catch.hpp>

namespace {
namespace fs = std::filesystem;
using ids = std::vector<std::int32_t>;

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct little_endian {
  std::string bytes;
  std::size_t at = 0;
  template <class T>
  T next() {
    T v;
    REQUIRE(bytes.size() - at >= sizeof v);
    std::memcpy(&v, bytes.data() + at, sizeof v);
    at += sizeof v;
    return v;
  }
  std::string text() {
    const std::size_t n = next<std::uint16_t>();
    REQUIRE(bytes.size() - at >= n);
    return bytes.substr((at += n) - n, n);
  }
  std::vector<std::uint64_t> numbers() {
    std::vector<std::uint64_t> all(next<std::uint32_t>());
    for (auto& n : all) n = next<std::uint64_t>();
    return all;
  }
  ids tokens() {
    ids all(next<std::uint16_t>());
    for (auto& id : all) id = next<std::int32_t>();
    return all;
  }
};

struct digest {
  std::uint64_t value = 0xcbf29ce484222325u;
  digest& add(const void* data, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) value = (value ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
    return *this;
  }
  digest& add(const ids& i) { return add(i.data(), i.size() * sizeof(std::int32_t)); }
  digest& add(const std::string& s) { return add(s.data(), s.size()).add("\xff", 1); }
};

enum how_made : std::uint32_t { sentencepiece, transformers_4, tokenizers };

llava::result<llava::tokenizer> try_open(const fs::path& folder, std::uint32_t how) {
  if (how == sentencepiece) {
    LLAVA_TRY(model, llava::try_read_tokenizer_model("tokenizer.model", bytes_of(folder / "tokenizer.model")));
    llava::tokenizer_rules rules;
    rules.decoder.how = llava::decoding::sentencepiece;
    return llava::tokenizer::try_make(std::move(model), std::move(rules));
  }
  return llava::try_open_tokenizer(folder.string(), how != tokenizers);
}

std::string streamed(const llava::tokenizer& words, const ids& all, bool skip_special) {
  llava::stream_decoder decoder(words, skip_special);
  std::string text;
  for (const std::int32_t id : all) text += decoder.push(id);
  return text += decoder.finish();
}

std::string shown(const ids& all) {
  std::string text;
  for (const std::int32_t id : all) text += std::to_string(id) + " ";
  return text;
}

/// Counts differences, and keeps the first five as examples.
struct tally {
  std::string name;
  std::size_t texts = 0, wrong = 0;
  std::string examples{};
  template <class Show>
  void count(bool equal, Show&& show) {
    ++texts;
    if (!equal && wrong++ < 5) examples += "\n" + show();
  }
};

void check_folder(const fs::path& folder, const std::vector<std::string>& texts) {
  INFO(folder.filename().string());
  little_endian v{bytes_of(folder / "vectors.bin")};
  const auto how = v.next<std::uint32_t>();
  const auto words = try_open(folder, how);
  if (!words) FAIL(words.error().what());

  const auto digests = v.numbers();
  const auto plain_digests = v.numbers();
  REQUIRE(digests.size() == texts.size());
  std::vector<ids> full(v.next<std::uint32_t>());
  for (ids& f : full) f = v.tokens();

  tally encoded{"ids"}, decoded{"ids and decoded text"}, plain{"special tokens as text"}, stream{"streamed"},
      sequences{"random ids"};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const ids got = words->encode(texts[i]);
    const std::string skipped = words->decode(got, true), kept = words->decode(got, false);
    if (i < full.size())
      encoded.count(got == full[i], [&] { return "'" + texts[i] + "'\n  " + shown(got) + "\n  " + shown(full[i]); });
    decoded.count(digest().add(got).add(skipped).add(kept).value == digests[i],
                  [&] { return "'" + texts[i] + "' " + shown(got) + "\n  '" + skipped + "'\n  '" + kept + "'"; });
    stream.count(streamed(*words, got, true) == skipped && streamed(*words, got, false) == kept,
                 [&] { return "'" + texts[i] + "'"; });
    if (!plain_digests.empty()) {
      llava::encode_options o;
      o.parse_special = false;
      const ids as_text = words->encode(texts[i], o);
      plain.count(digest().add(as_text).value == plain_digests[i],
                  [&] { return "'" + texts[i] + "' " + shown(as_text); });
    }
  }
  const auto random = v.next<std::uint32_t>();
  for (std::uint32_t i = 0; i < random; ++i) {
    const ids all = v.tokens();
    const std::string skipped = words->decode(all, true), kept = words->decode(all, false);
    sequences.count(digest().add(skipped).add(kept).value == v.next<std::uint64_t>(),
                    [&] { return shown(all) + "\n  '" + skipped + "'\n  '" + kept + "'"; });
    stream.count(streamed(*words, all, true) == skipped && streamed(*words, all, false) == kept,
                 [&] { return shown(all); });
  }
  CHECK(v.at == v.bytes.size());
  for (const tally& t : {encoded, decoded, plain, stream, sequences}) {
    INFO(t.name << ": " << t.wrong << " of " << t.texts << " differ" << t.examples);
    CHECK(t.wrong == 0);
  }
  if (std::getenv("LLAVA_TOKENIZER_VECTORS"))
    WARN(folder.filename().string() << ": " << decoded.texts - decoded.wrong << " of " << decoded.texts
                                    << " texts equal, " << sequences.texts - sequences.wrong << " of "
                                    << sequences.texts << " random sequences decode equal");
}

std::size_t check_all(const fs::path& folder) {
  little_endian t{bytes_of(folder / "texts.bin")};
  std::vector<std::string> texts(t.next<std::uint32_t>());
  for (auto& text : texts) text = t.text();
  std::size_t compared = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "vectors.bin")) {
      check_folder(entry.path(), texts);
      compared += texts.size();
    }
  return compared;
}

}  // namespace

TEST_CASE("tokenizers give the ids and texts of SentencePiece, transformers and the tokenizers library") {
  CHECK(check_all(LLAVA_TEST_DATA "/text") >= 20000);
}

TEST_CASE("tokenizers of real models do, too, if LLAVA_TOKENIZER_VECTORS names their vectors") {
  if (const char* folder = std::getenv("LLAVA_TOKENIZER_VECTORS")) CHECK(check_all(folder) > 0);
}
