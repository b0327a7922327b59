// SPDX-License-Identifier: Apache-2.0
// tokenizer_vectors.cpp has more tests, against the tokenizers library.
#include <string>
#include <vector>

#include <llava/text/split.hpp>
#include <llava_catch.hpp>

namespace {
using words = std::vector<std::string>;
words split_by(llava::splitter how, std::string_view text) {
  words all;
  llava::split(text, how, [&](std::string_view w) { all.emplace_back(w); });
  return all;
}
}  // namespace

TEST_CASE("GPT-2's pattern") {
  const auto gpt2 = [](std::string_view text) { return split_by(llava::splitter::gpt2, text); };
  CHECK(gpt2("Hello, it's  2024!") == words{"Hello", ",", " it", "'s", " ", " 2024", "!"});
  CHECK(gpt2("I'LL don't") == words{"I", "'", "LL", " don", "'t"});
  CHECK(gpt2("a\n\n b \t") == words{"a", "\n\n", " b", " \t"});
  CHECK(gpt2("x\u3000\u3000y") == words{"x", "\u3000", "\u3000", "y"});
  CHECK(gpt2("").empty());
}

TEST_CASE("the patterns of Llama 3 and Qwen2") {
  const auto llama3 = [](std::string_view text) { return split_by(llava::splitter::llama3, text); };
  CHECK(llama3("I'LL 12345 (don't)\r\n\n  x") ==
        words{"I", "'LL", " ", "123", "45", " (", "don", "'t", ")\r\n\n", " ", " x"});
  CHECK(llama3("a \n \n  b") == words{"a", " \n \n", " ", " b"});
  CHECK(llama3("'\u017f'S's") == words{"'\u017f", "'S", "'s"});
  CHECK(llama3("$x _y\tz") == words{"$x", " _", "y", "\tz"});
  CHECK(split_by(llava::splitter::qwen2, "a123") == words{"a", "1", "2", "3"});
}

TEST_CASE("words cover any text without gaps") {
  std::uint64_t x = 5;
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (int n = 0; n < 12; ++n) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      constexpr const char* parts[] = {"a",      "S",      "'", " ",      "\n",         "\r",     "1",
                                       "\u00e9", "\u3000", "!", "\u0301", "\U0001f600", "\u0661", "\t"};
      text += parts[(x >> 33) % std::size(parts)];
    }
    for (const auto how :
         {llava::splitter::none, llava::splitter::gpt2, llava::splitter::llama3, llava::splitter::qwen2,
          llava::splitter::qwen3_5, llava::splitter::digits, llava::splitter::digit_runs, llava::splitter::three_digits,
          llava::splitter::punctuation, llava::splitter::punctuation_runs}) {
      std::string all;
      llava::split(text, how, [&](std::string_view w) {
        if (w.empty()) FAIL("an empty word in " << text);
        all += w;
      });
      if (all != text) FAIL(text);
    }
  }
}

TEST_CASE("Qwen3.5's pattern: marks belong to words") {
  CHECK(split_by(llava::splitter::qwen3_5, "e\u0301t \u0301 x\u0301!\u0301") ==
        words{"e\u0301t", " \u0301", " x\u0301", "!\u0301"});
  CHECK(split_by(llava::splitter::qwen2, "e\u0301t") == words{"e", "\u0301t"});
}

// Values of tokenizers 0.23.3: the pre-tokenizers Digits, Punctuation, Split and, before them, ByteLevel.
TEST_CASE("digits and punctuation are words of their own, or their runs are") {
  using llava::splitter;
  CHECK(split_by(splitter::digits, "a12\u0663b") == words{"a", "1", "2", "\u0663", "b"});
  CHECK(split_by(splitter::digit_runs, "a12\u0663b") == words{"a", "12\u0663", "b"});
  CHECK(split_by(splitter::three_digits, "12 1234567") == words{"12 ", "123", "456", "7"});
  CHECK(split_by(splitter::punctuation, "a,b!? c$") == words{"a", ",", "b", "!", "?", " c", "$"});
  CHECK(split_by(splitter::punctuation_runs, "a,b!? c$") == words{"a", ",", "b", "!?", " c", "$"});
  words letters;
  llava::split(
      "\u043c\u00bd", splitter::digit_runs, [&](std::string_view w) { letters.emplace_back(w); }, true);
  CHECK(letters == words{"\xd0", "\xbc", "\xc2", "\xbd"});  // ¼ and ½ are the letters of two bytes
}
