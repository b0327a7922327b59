// SPDX-License-Identifier: Apache-2.0
// The digest is of the tokenizers library's output: tests/oracle/unicode_tables.py --digests.
#include <cstdint>

#include <llava/text/unicode.hpp>
#include <llava_catch.hpp>

TEST_CASE("letters, numbers, white space and word characters equal the tokenizers library's, for every character") {
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const unsigned kinds =
        static_cast<unsigned>(llava::is_letter(c)) | static_cast<unsigned>(llava::is_number(c)) << 1 |
        static_cast<unsigned>(llava::is_space(c)) << 2 | static_cast<unsigned>(llava::is_word_character(c)) << 3;
    digest = (digest ^ kinds) * 0x100000001b3u;
  }
  CHECK(digest == 0x25ed5277fd4ec0fu);
}

TEST_CASE("marks, digits and punctuation equal the tokenizers library's, for every character") {
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const unsigned kinds = static_cast<unsigned>(llava::is_mark(c)) | static_cast<unsigned>(llava::is_digit(c)) << 1 |
                           static_cast<unsigned>(llava::is_punctuation(c)) << 2;
    digest = (digest ^ kinds) * 0x100000001b3u;
  }
  CHECK(digest == 0x37331087302a8426u);
}
