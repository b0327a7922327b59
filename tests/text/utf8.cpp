// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <llava/text/utf8.hpp>
#include <llava_catch.hpp>

TEST_CASE("every character is written and read back unchanged") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string s;
    llava::append_utf8(s, c);
    const llava::utf8_character got = llava::utf8_at(s, 0), last = llava::utf8_before("x" + s, s.size() + 1);
    if (!got.valid || got.code != c || got.bytes != s.size() || last.code != c || last.bytes != s.size())
      FAIL("U+" << std::hex << static_cast<unsigned>(c));
  }
}

TEST_CASE("invalid UTF-8 becomes U+FFFD, one for each beginning of a character or one for each byte") {
  using llava::valid_utf8, llava::invalid_utf8;
  const auto marks = [](int n) {
    std::string s;
    while (n-- > 0) s += llava::replacement_text;
    return s;
  };
  struct row {
    std::string bytes;
    int by_run, by_byte;
  };
  for (const row& r : {row{"\xff", 1, 1},
                       {"\x80\x80", 2, 2},
                       {"\xc0\x80", 2, 2},
                       {"\xe4\xb8", 1, 2},
                       {"\xf0\x9f\x98", 1, 3},
                       {"\xed\xa0\x80", 3, 3},
                       {"\xf4\x90\x80\x80", 4, 4},
                       {"\xe0\x80\xaf", 3, 3},
                       {"\xf0\x90\xe4\xb8", 2, 4}}) {
    CHECK(valid_utf8("a" + r.bytes + "z") == "a" + marks(r.by_run) + "z");
    CHECK(valid_utf8("a" + r.bytes + "z", invalid_utf8::by_byte) == "a" + marks(r.by_byte) + "z");
    CHECK(valid_utf8(r.bytes) == marks(r.by_run));
  }
  CHECK(valid_utf8("\xe2\x28\xa1") == marks(1) + "(" + marks(1));
  CHECK(llava::utf8_at("\xf0\x9f\x98", 0).cut_short);
  CHECK(!llava::utf8_at("\xf0\x28", 0).cut_short);
}

TEST_CASE("white space is Unicode's, and Python's has four more characters") {
  int unicode = 0, python = 0;
  for (char32_t c = 0; c < 0x110000; ++c) unicode += llava::is_space(c), python += llava::is_python_space(c);
  CHECK(unicode == 25);
  CHECK(python == 29);
  static_assert(llava::is_space(0x3000) && !llava::is_space(0x200b) && !llava::is_space(0x1c));
}
