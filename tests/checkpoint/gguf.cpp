// SPDX-License-Identifier: Apache-2.0
/// GGUF files: keys, tensors, and every way of breaking them. gguf_model.cpp reads files that Python's gguf wrote.
#include <llava/checkpoint/gguf.hpp>

#include <cstring>

#include <gguf_bytes.hpp>
#include <llava_catch.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using llava::gguf_file;

std::string error_of(const std::string& bytes) {
  temporary_folder f("gguf");
  f.write("x.gguf", bytes);
  const auto opened = gguf_file::try_open(f / "x.gguf");
  if (opened) return "";
  CHECK(opened.error().sentence().find("x.gguf") != std::string::npos);
  return opened.error().sentence();
}

const std::string eight(8, '\1'), block(34, '\1');

gguf_bytes sound() {
  gguf_bytes g;
  g.key("a", 7).key("words", std::vector<std::string>{"one", "two"});
  return g.tensor("t", {2}, 0, eight).tensor("blocks", {32, 2}, 8, block + block);
}
gguf_bytes with_tensor(const std::vector<std::uint64_t>& extents, std::uint32_t type, std::uint64_t offset = 0) {
  gguf_bytes g;
  g.info("t", extents, type, offset);
  g.data = std::string(64, '\0');
  return g;
}
template <class Change>
std::string changed(Change&& change) {
  gguf_bytes g = sound();
  change(g);
  return g.bytes();
}

constexpr std::uint64_t huge = ~std::uint64_t{0};

}  // namespace

TEST_CASE("keys have their values, and tensors their types, extents and bytes") {
  temporary_folder f("gguf");
  gguf_bytes g = sound();
  g.key("f", 1.5f).key("b", true).key("s", "text").key("unsigned", 4000000000u);
  g.raw("long", 10, gguf_bytes::number(std::uint64_t{5})).raw("longest", 10, gguf_bytes::number(huge));
  g.raw("double", 12, gguf_bytes::number(0.25)).key("layers", std::vector<std::int32_t>{3, 3});
  f.write("x.gguf", g.bytes());
  const auto file = gguf_file::try_open(f / "x.gguf");
  REQUIRE(file);
  const llava::gguf_keys& keys = file->keys();
  int whole = 0;
  float real = 0;
  bool yes = false;
  std::string text;
  CHECK((keys.read("a", whole) && whole == 7));
  CHECK((keys.read("long", whole) && whole == 5));
  CHECK((keys.read("layers", whole) && whole == 3));
  CHECK((keys.read("absent", whole) && whole == 3));
  CHECK((keys.read("f", real) && real == 1.5f));
  CHECK((keys.read("double", real) && real == 0.25f));
  CHECK((keys.read("a", real) && real == 7.f));
  CHECK((keys.read("b", yes) && yes));
  CHECK((keys.read("s", text) && text == "text"));
  CHECK(keys.find("unsigned")->integer() == 4000000000);
  CHECK(!keys.find("longest")->integer());
  CHECK(keys.find("words")->texts() == std::vector<std::string_view>{"one", "two"});
  CHECK(keys.read("longest", whole).error().sentence().find("\"longest\" must be a 32-bit integer") !=
        std::string::npos);
  CHECK(keys.read("s", yes).error().sentence().find("\"s\" must be true or false") != std::string::npos);
  CHECK(keys.read("a", text).error().sentence().find("\"a\" must be a text") != std::string::npos);
  CHECK(keys.read("b", real).error().sentence().find("\"b\" must be a finite number") != std::string::npos);
  CHECK(keys.require("absent", whole).error().sentence().find("has no key \"absent\"") != std::string::npos);

  const llava::stored_tensor *t = file->find("t"), *blocks = file->find("blocks");
  REQUIRE((t && blocks));
  CHECK(t->type == llava::dtype::float32);
  CHECK(t->dims == std::vector<std::size_t>{2});
  CHECK((t->bytes.size() == 8 && t->bytes[7] == std::byte{1}));
  CHECK(blocks->dims == std::vector<std::size_t>{2, 32});
  CHECK((blocks->stored_type == "Q8_0" && blocks->stored_bytes == 68));
  REQUIRE(blocks->rows);
  CHECK(blocks->rows->in_place().format == "q8_0");
  float row[32];
  blocks->rows->read(1, 1, row);
  CHECK(row[31] == llava::to_float(llava::f16{0x0101}));
}

TEST_CASE("a file without tensors, of version 2, with gaps, any order and any alignment is valid") {
  CHECK(error_of(gguf_bytes().bytes()).empty());
  CHECK(error_of(changed([](gguf_bytes& g) { g.version = 2; })).empty());
  CHECK(error_of(changed([](gguf_bytes& g) {
          g.info("gap", {1}, 0, g.data.size() + 64).data += std::string(128, 'x');
        })).empty());
  gguf_bytes other;
  other.alignment = 8;
  other.key("general.alignment", 8u).tensor("a", {2}, 0, eight).tensor("b", {2}, 0, eight);
  CHECK(error_of(other.bytes()).empty());
  gguf_bytes reversed;
  reversed.info("b", {2}, 0, 32).info("a", {2}, 0, 0).data = std::string(40, 'x');
  CHECK(error_of(reversed.bytes()).empty());
}

TEST_CASE("R2: each violation of the GGUF format is refused with an error that names it") {
  struct row {
    std::string bytes, fragment;
  };
  const auto number = [](auto v) { return gguf_bytes::number(v); };
  const auto key_of = [&](std::uint32_t type, const std::string& value) { return gguf_bytes().raw("k", type, value); };
  const std::string many(100, '\0');
  const row rows[] = {
      {"", "does not begin with \"GGUF\""},
      {"GGU", "does not begin with \"GGUF\""},
      {"GGUF", "ends inside the header"},
      {std::string("GGUF\3\0\0\0abcdefgh", 16), "ends inside the header"},
      {changed([](gguf_bytes& g) { g.magic = "GGML"; }), "does not begin"},
      {changed([](gguf_bytes& g) { g.magic = "FUGG"; }), "does not begin"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {changed([](gguf_bytes& g) { g.version = 0; }), "version 0, expected 2 or 3"},
      {changed([](gguf_bytes& g) { g.version = 1; }), "version 1, expected 2 or 3"},
      {changed([](gguf_bytes& g) { g.version = 4; }), "version 4, expected 2 or 3"},
      {changed([](gguf_bytes& g) { g.version = 3u << 24; }), "big-endian"},
      // counts
      {changed([](gguf_bytes& g) { g.extra_keys = huge / 2; }), "keys, expected at most"},
      {changed([](gguf_bytes& g) { g.extra_keys = 65536; }), "keys, expected at most"},
      {changed([](gguf_bytes& g) { g.extra_tensors = huge / 2; }), "tensors, expected at most"},
      {changed([](gguf_bytes& g) { g.extra_tensors = 70; }), "tensors, expected at most"},
      // keys
      {changed([](gguf_bytes& g) { g.raw("", 0, "x"); }), "1 to 65535 printable"},
      {changed([](gguf_bytes& g) { g.raw("\xc3\xa9", 0, "x"); }), "1 to 65535 printable"},
      {changed([](gguf_bytes& g) { g.key("a", 8); }), "the key \"a\" is repeated"},
      {key_of(13, many).bytes(), "the value of \"k\" is malformed"},
      {key_of(huge & 0xffffffff, many).bytes(), "the value of \"k\" is malformed"},
      {key_of(8, number(huge) + many).bytes(), "the value of \"k\" is malformed"},
      {key_of(8, number(std::uint64_t{1} << 21) + std::string(1 << 21, 'x')).bytes(), "malformed"},
      {key_of(9, number(4u) + number(huge) + many).bytes(), "malformed"},
      {key_of(9, number(4u) + number(huge / 4 + 2) + many).bytes(), "malformed"},
      {key_of(9, number(12u) + number(std::uint64_t{14}) + many).bytes(), "malformed"},
      {key_of(9, number(8u) + number(std::uint64_t{2}) + gguf_bytes::text("a") + number(huge)).bytes(), "malformed"},
      {key_of(9, number(9u) + number(std::uint64_t{1}) + many).bytes(), "no array of arrays"},
      {key_of(9, number(13u) + number(std::uint64_t{1}) + many).bytes(), "malformed"},
      {key_of(9, number(0u) + number(std::uint64_t{1} << 25) + many).bytes(), "malformed"},
      {changed([&](gguf_bytes& g) { g.keys += number(huge) + many, ++g.key_count; }), "the name of key 2, or"},
      {changed([&](gguf_bytes& g) { g.infos += number(huge) + many, ++g.tensor_count; }), "the name of tensor 2, or"},
      // alignment
      {gguf_bytes().key("general.alignment", 0u).bytes(), "a power of two"},
      {gguf_bytes().key("general.alignment", 24u).bytes(), "a power of two"},
      {gguf_bytes().key("general.alignment", 1u << 31).bytes(), "a power of two"},
      {gguf_bytes().key("general.alignment", 32).bytes(), "must be a u32"},
      {gguf_bytes().raw_array("general.alignment", 4, 0, "").bytes(), "must be a u32"},
      // tensors
      {changed([](gguf_bytes& g) { g.info("", {1}, 0, 0); }), "expected 1 to 63"},
      {changed([](gguf_bytes& g) { g.info(std::string(64, 'n'), {1}, 0, 0); }), "has 64 bytes, expected 1 to 63"},
      {changed([](gguf_bytes& g) { g.tensor("t", {2}, 0, "12345678"); }), "the tensor t is repeated"},
      {with_tensor({1, 1, 1, 1, 1}, 0).bytes(), "has 5 axes"},
      {with_tensor({1}, 4).bytes(), "unknown type 4"},
      {with_tensor({1}, 43).bytes(), "unknown type 43"},
      {with_tensor({1}, 0xffffffff).bytes(), "unknown type 4294967295"},
      {with_tensor({33}, 2).bytes(), "expected a multiple of the 32 in a block of Q4_0"},
      {with_tensor({128, 2}, 12).bytes(), "expected a multiple of the 256 in a block of Q4_K"},
      {with_tensor({0}, 0).bytes(), "has no elements"},
      {with_tensor({4, 0}, 0).bytes(), "has no elements"},
      {with_tensor({huge}, 0).bytes(), "is larger than the file"},
      {with_tensor({std::uint64_t{1} << 63}, 0).bytes(), "is larger than the file"},
      {with_tensor({std::uint64_t{1} << 62, 4}, 0).bytes(), "is larger than the file"},
      {with_tensor({4, std::uint64_t{1} << 62}, 0).bytes(), "is larger than the file"},
      {with_tensor({65536, 65536, 65536, 65536}, 0).bytes(), "is larger than the file"},
      {with_tensor({32, (std::uint64_t{1} << 59) + 1}, 8).bytes(), "is larger than the file"},
      {with_tensor({16}, 0, 1).bytes(), "expected a multiple of 32"},
      {with_tensor({16}, 0, 32).bytes(), "its 64 bytes at byte 32 are not inside the 64 bytes"},
      {with_tensor({1}, 0, 64).bytes(), "are not inside"},
      {with_tensor({1}, 0, huge - 31).bytes(), "are not inside"},
      {with_tensor({1}, 0, std::uint64_t{1} << 63).bytes(), "are not inside"},
      {changed([](gguf_bytes& g) { g.info("u", {16}, 0, 0); }), "overlap at byte"},
      {changed([](gguf_bytes& g) { g.data.clear(); }), "are not inside"},
  };
  CHECK(std::size(rows) >= 50);
  for (const row& r : rows) {
    INFO(r.fragment);
    const std::string sentence = error_of(r.bytes);
    INFO(sentence);
    CHECK(sentence.find(r.fragment) != std::string::npos);
  }
  CHECK(error_of(sound().bytes()).empty());
}

TEST_CASE("R1: a GGUF file with any damaged byte, or cut anywhere, is read or refused") {
  const std::string whole = sound().bytes();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    error_of(whole.substr(0, i));
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      error_of(damaged);
    }
  }
}

TEST_CASE("known types without a decoder, and vectors in blocks, are named when they are needed") {
  temporary_folder f("gguf");
  gguf_bytes g;
  g.tensor("odd", {256, 1}, 16, std::string(66, 'x')).tensor("whole", {1}, 26, "abcd").tensor("v", {32}, 8, block);
  f.write("x.gguf", g.bytes());
  const auto file = gguf_file::try_open(f / "x.gguf");
  REQUIRE(file);
  CHECK(file->find("odd")->unsupported_type == "IQ2_XXS");
  CHECK(file->find("whole")->unsupported_type == "I32");
  CHECK(file->find("v")->unsupported_type == "Q8_0");
}

TEST_CASE("a split model is opened by its first part, and the parts must agree") {
  const auto part = [](std::uint32_t number, std::uint32_t count, const char* tensor, int total = 2) {
    gguf_bytes g;
    g.raw("split.no", 2, gguf_bytes::number(static_cast<std::uint16_t>(number)));
    g.raw("split.count", 2, gguf_bytes::number(static_cast<std::uint16_t>(count)));
    return g.key("split.tensors.count", total).tensor(tensor, {2}, 0, eight).bytes();
  };
  temporary_folder f("gguf_split");
  const std::string first = f / "m-00001-of-00002.gguf";
  f.write("m-00001-of-00002.gguf", part(0, 2, "a")).write("m-00002-of-00002.gguf", part(1, 2, "b"));
  const auto opened = gguf_file::try_open(first);
  REQUIRE(opened);
  CHECK((opened->find("a") && opened->find("b")));
  const std::string before = opened->identity();
  f.write("m-00002-of-00002.gguf", part(1, 2, "c"));
  CHECK(gguf_file::try_open(first)->identity() != before);

  const auto refused = [&](const std::string& file) {
    const auto r = gguf_file::try_open(file);
    return r ? std::string() : r.error().sentence();
  };
  CHECK(refused(f / "m-00002-of-00002.gguf").find("is part 2 of a model; open its first part") != std::string::npos);
  f.write("m.gguf", part(0, 2, "a"));
  CHECK(refused(f / "m.gguf").find("its name must end in -00001-of-00002.gguf") != std::string::npos);
  f.write("m-00002-of-00002.gguf", part(1, 2, "a"));
  CHECK(refused(first).find("the tensor a is repeated") != std::string::npos);
  f.write("m-00002-of-00002.gguf", part(0, 2, "b"));
  CHECK(refused(first).find("says that it is part 1 of 2, expected 2 of 2") != std::string::npos);
  f.write("m-00002-of-00002.gguf", part(1, 3, "b"));
  CHECK(refused(first).find("part 2 of 3, expected 2 of 2") != std::string::npos);
  f.write("m-00002-of-00002.gguf", part(1, 2, "b")).write("m-00001-of-00002.gguf", part(0, 2, "a", 3));
  CHECK(refused(first).find("have 2 tensors, expected 3") != std::string::npos);
  std::filesystem::remove(f.path / "m-00002-of-00002.gguf");
  CHECK(refused(first).find("cannot open " + (f / "m-00002-of-00002.gguf")) != std::string::npos);
  f.write("m-00001-of-65535.gguf", part(0, 65535, "a"));
  CHECK(refused(f / "m-00001-of-65535.gguf").find("m-00002-of-65535.gguf") != std::string::npos);
}

TEST_CASE("R12: memory is refused while a GGUF file is opened") {
  temporary_folder f("gguf_memory");
  f.write("x.gguf", sound().bytes());
  const std::string file = f / "x.gguf";
  CHECK(refuse_each([&] { return gguf_file::try_open(file); }) > 10);
}
