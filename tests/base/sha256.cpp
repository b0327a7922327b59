// SPDX-License-Identifier: Apache-2.0
#include <llava/base/sha256.hpp>

#include <string>
#include <string_view>

namespace {
std::string hex(const llava::sha256_digest& d) {
  std::string text;
  for (const std::uint8_t b : d.bytes) text += {"0123456789abcdef"[b / 16], "0123456789abcdef"[b % 16]};
  return text;
}
std::string digest_of(std::string_view bytes) {
  return hex(llava::sha256().update_values(std::span<const char>(bytes)).digest());
}
}  // namespace

TEST_CASE("sha256: the examples of NIST (FIPS 180-4, and the long messages of its test vectors)", "[base]") {
  CHECK(digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                  "mnopqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(digest_of(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(digest_of("\xbd") == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  CHECK(digest_of("\xc9\x8c\x8e\x55") == "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
  for (const auto& [size, expected] :
       {std::pair{55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
        {56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
        {57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"},
        {64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
        {1000, "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"}})
    CHECK(digest_of(std::string(static_cast<std::size_t>(size), '\0')) == expected);
}

TEST_CASE("sha256: pieces of any size give the digest of the whole", "[base]") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
  const std::string whole = digest_of(bytes);
  for (std::size_t piece = 1; piece < 200; ++piece) {
    llava::sha256 h;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      h.update_values(std::span<const char>(std::string_view(bytes).substr(at, piece)));
    CHECK(hex(h.digest()) == whole);
  }
}
