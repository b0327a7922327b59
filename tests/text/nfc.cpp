// SPDX-License-Identifier: Apache-2.0
// The digests are of the tokenizers library's output: tests/oracle/unicode_tables.py --digests.
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include <llava/text/nfkc.hpp>
#include <llava_catch.hpp>

namespace {
void add(std::uint64_t& digest, const std::string& s) {
  for (const char c : s + "\xff") digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
}
std::string text_of_code(char32_t c) {
  std::string s;
  llava::append_utf8(s, c);
  return s;
}
}  // namespace

TEST_CASE("NFC of every character, alone and before other marks, equals the tokenizers library's") {
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string s = text_of_code(c);
    add(digest, llava::nfc(s));
    add(digest, llava::nfc("a" + s + "\u0334\u0345"));
  }
  CHECK(digest == 0xa40262d847018d12u);
}

TEST_CASE("NFKC and lower case of every character equal the tokenizers library's") {
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string s = text_of_code(c);
    add(digest, llava::nfkc(s));
    add(digest, llava::nfkc("a" + s + "\u0334\u0345"));
    add(digest, llava::lowercased(s));
  }
  CHECK(digest == 0x7e97b7989ec5dee1u);
  CHECK(llava::lowercased("\u0391\u03a3 \u0130") == "\u03b1\u03c3 i\u0307");
}

TEST_CASE("NFC and NFKC of 50,000 random texts of letters, marks and jamo equal the tokenizers library's") {
  constexpr std::pair<char32_t, char32_t> ranges[] = {
      {0x41, 0x5a},     {0xc0, 0x17f},    {0x300, 0x34e},     {0x300, 0x34e},    {0x591, 0x5c7},
      {0x915, 0x94d},   {0xf40, 0xf84},   {0x1100, 0x11f9},   {0xac00, 0xad00},  {0x1e00, 0x1fff},
      {0x3040, 0x30ff}, {0xf900, 0xfa20}, {0x1d150, 0x1d1af}, {0x2f800, 0x2f830}};
  std::uint64_t x = 1, digest = 0xcbf29ce484222325u, compatible = digest;
  const auto below = [&](std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  };
  for (int i = 0; i < 50000; ++i) {
    std::string s;
    for (std::uint64_t left = 1 + below(8); left > 0; --left) {
      const auto [first, last] = ranges[below(std::size(ranges))];
      llava::append_utf8(s, first + static_cast<char32_t>(below(last - first + 1)));
    }
    const std::string once = llava::nfc(s);
    add(digest, once);
    add(compatible, llava::nfkc(s));
    if (llava::nfc(once) != once) FAIL("NFC of NFC differs: " << s);
  }
  CHECK(digest == 0x713e5420a56c829cu);
  CHECK(compatible == 0xdcac024535bc10a9u);
}

TEST_CASE("NFC accepts invalid UTF-8, and leaves normalised texts unchanged") {
  CHECK(llava::nfc("").empty());
  CHECK(llava::nfc("plain, \u00e9") == "plain, \u00e9");
  CHECK(llava::nfc("e\u0301\xff\xcc") == "\u00e9\ufffd\ufffd");
}
