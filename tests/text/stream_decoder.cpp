// SPDX-License-Identifier: Apache-2.0
// tokenizer_vectors.cpp checks that the streamed text of every vector is its decoded text.
#include <string>
#include <vector>

#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/text/stream_decoder.hpp>
#include <llava_catch.hpp>

namespace {
using ids = std::vector<std::int32_t>;
llava::tokenizer open(const std::string& name) {
  auto words = llava::try_open_tokenizer(LLAVA_TEST_DATA "/text/" + name, name.rfind("slow", 0) == 0);
  if (!words) FAIL(words.error().what());
  return *std::move(words);
}
}  // namespace

TEST_CASE("streamed pieces of any ids are whole characters, and join to the decoded text") {
  std::uint64_t x = 17;
  const auto below = [&](std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  };
  for (const char* name : {"slow", "slow_legacy", "llama", "llama_metaspace", "gpt2", "llama3", "qwen2"}) {
    const llava::tokenizer words = open(name);
    for (int i = 0; i < 3000; ++i) {
      ids all;
      const std::uint64_t most =
          below(2) ? 320 : words.size() + 20;  // byte pieces and special tokens are among the first
      for (std::uint64_t n = below(14); n > 0; --n) all.push_back(static_cast<std::int32_t>(below(most)) - 2);
      const bool skip = below(2);
      llava::stream_decoder decoder(words, skip);
      std::string text;
      for (const std::int32_t id : all) {
        const std::string piece(decoder.push(id));
        if (llava::valid_utf8(piece) != piece) FAIL(name << ": a piece ends inside a character");
        text += piece;
      }
      text += decoder.finish();
      if (text != words.decode(all, skip))
        FAIL(name << ": '" << text << "' is not '" << words.decode(all, skip) << "'");
    }
  }
}

TEST_CASE("text is streamed at once, except an incomplete character or a run of byte tokens") {
  for (const char* name : {"slow", "slow_legacy", "gpt2", "llama3", "qwen2", "llama"}) {
    const llava::tokenizer words = open(name);
    llava::stream_decoder decoder(words);
    std::string shown;
    for (const std::int32_t id : words.encode("The quick brown fox jumps over the lazy dog.")) {
      shown += decoder.push(id);
    }
    INFO(name);
    CHECK(shown == "The quick brown fox jumps over the lazy dog.");
    CHECK(decoder.finish().empty());
  }
}

TEST_CASE("a decoder can be used again after finish()") {
  const llava::tokenizer words = open("llama");
  const ids hello = words.encode("Hello");
  llava::stream_decoder decoder(words);
  for (int round = 0; round < 2; ++round) {
    std::string text;
    for (const std::int32_t id : hello) text += decoder.push(id);
    text += decoder.finish();
    CHECK(text == "Hello");
  }
}
