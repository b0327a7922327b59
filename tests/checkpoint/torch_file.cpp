// SPDX-License-Identifier: Apache-2.0
/// Files that torch wrote (tests/oracle/torch_files.py), and invalid ones of both forms.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/torch_file.hpp>

#include <cstring>

#include <llava_catch.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

namespace {

using namespace torch_writer;

const std::string data = LLAVA_TEST_DATA "/torch/";

std::string error_of(const std::string& bytes) {
  temporary_folder f("torch_file");
  f.write("m.bin", bytes);
  const auto opened = llava::torch_file::try_open(f / "m.bin");
  if (opened) return "";
  CHECK(opened.error().sentence().find("llava: " + (f / "m.bin")) == 0);
  return opened.error().sentence();
}

/// The rows of a tensor of f32, f16 or bf16, as floats.
std::vector<float> values_of(const llava::stored_tensor& t) {
  std::int64_t rows = 1, columns = 1;
  for (std::size_t i = 0; i < t.dims.size(); ++i) (i == 0 ? rows : columns) *= static_cast<std::int64_t>(t.dims[i]);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  t.with_rows(columns, [&](const llava::row_source& from) {
    REQUIRE(from.unreadable().empty());
    for (std::int64_t r = 0; r < rows; ++r) from.read(r, 1, values.data() + r * columns);
  });
  return values;
}

const tensor a{"a", "FloatStorage", "7", 4, 0, {2, 2}, {2, 1}, "aaaabbbbccccdddd"},
    b{"b", "HalfStorage", "8", 3, 1, {2}, {1}, "eeffgg"};

}  // namespace

TEST_CASE("every form that torch writes has the tensors of the state dict, with their types and values") {
  const auto expected = llava::safetensors_file::try_open(data + "values.safetensors");
  REQUIRE(expected);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data)) {
    if (entry.path().extension() != ".bin") continue;
    INFO(entry.path());
    ++files;
    const auto opened = llava::torch_file::try_open(entry.path().string());
    if (!opened) FAIL(opened.error().what());
    std::size_t count = 0, strided = 0, unread = 0;
    opened->for_each([&](const llava::stored_tensor& t) {
      INFO(t.name);
      ++count;
      const llava::stored_tensor* e = expected->find(t.name);
      REQUIRE(e);
      CHECK(t.dims == e->dims);
      CHECK(t.file == entry.path().string());
      if (!t.unsupported_type.empty()) {
        CHECK(t.bytes.empty());
        CHECK((!e->unsupported_type.empty() || t.unsupported_type == "integers that are not contiguous"));
        ++unread;
        return;
      }
      CHECK(t.type == e->type);
      if (t.rows) {
        CHECK(t.bytes.empty());
        CHECK(values_of(t) == values_of(*e));
        ++strided;
      } else {
        CHECK(std::ranges::equal(t.bytes, e->bytes));
      }
    });
    CHECK((count == 34 && strided == 6 && unread == 9));
    CHECK(opened->find("tied.a")->bytes.data() == opened->find("tied.b")->bytes.data());  // mapped once, in place
    CHECK(opened->find("f64.matrix")->unsupported_type == "DoubleStorage");
    CHECK_FALSE(opened->find("f32"));
  }
  CHECK(files == 9);
}

TEST_CASE("R1: torch's files, cut anywhere or with any damaged byte, are read or refused") {
  for (const char* name : {"zip_protocol_4.bin", "legacy_protocol_2.bin"}) {
    temporary_folder f("damaged");
    f.copy(data + name);
    const std::string whole = f.read(name);
    const auto open = [&](const std::string& bytes) {
      f.write(name, bytes);
      return llava::torch_file::try_open(f / name);
    };
    for (std::size_t i = 0; i < whole.size(); i += 3) {
      CHECK_FALSE(open(whole.substr(0, i)));
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (i % 2 ? 0xff : 0x01));
      if (const auto opened = open(damaged))
        opened->for_each([](const llava::stored_tensor& t) {
          const bool is_float = t.type == llava::dtype::float32 || t.type == llava::dtype::float16;
          if (t.unsupported_type.empty() && is_float) values_of(t);
        });
    }
  }
}

TEST_CASE("the two forms, as this test writes them, are read") {
  temporary_folder f("both_forms");
  f.write("zip.bin", torch_zip({a, b})).write("legacy.bin", torch_legacy({a, b}));
  for (const char* name : {"zip.bin", "legacy.bin"}) {
    const auto file = llava::torch_file::try_open(f / name);
    if (!file) FAIL(file.error().what());
    CHECK(std::memcmp(file->find("a")->bytes.data(), "aaaabbbbccccdddd", 16) == 0);
    CHECK(std::memcmp(file->find("b")->bytes.data(), "ffgg", 4) == 0);
  }
  for (const std::string& file : {f / "zip.bin", f / "legacy.bin"})
    CHECK(refuse_each([&] { return llava::torch_file::try_open(file); }) > 20);
}

TEST_CASE("R3: files that are in neither form, or in one that is not complete, are refused") {
  const std::string dict = state_dict({a, b}, "N"), keys = legacy_end({a, b});
  std::string tar(512, '\0');
  tar.replace(0, 10, "sys_info\0\0").replace(257, 5, "ustar");
  tensor wrong_length = a, twice = a;
  wrong_length.elements = 3;
  twice.type = "IntStorage";
  twice.name = "c";
  struct row {
    std::string bytes, fragment;
  };
  for (const row& r :
       {row{"", "is not a file of torch.save: it begins neither as a zip file nor as a pickle"},
        {"PK", "is not a file of torch.save"},
        {tar, "is in the tar form of torch before 0.2; load it with torch and save it again"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n", "is a Git LFS pointer"},
        {"<!DOCTYPE html><html>", "is an HTML page"},
        {zip_of({}), "is not a file of torch.save"},  // an empty zip file begins with its end record
        {zip_of({{"a/b", ""}}), "has 0 members data.pkl"},
        {zip_of({{"data.pkl", dict}}), "has 0 members data.pkl"},
        {zip_of({{"a/data.pkl", dict}, {"b/data.pkl", dict}}), "has 2 members data.pkl"},
        {zip_of({{"a/data.pkl", dict}, {"a/byteorder", "big"}}), "with another byte order (big)"},
        {zip_of({{"a/data.pkl", dict}, {"b/data/7", a.data}}), "tensor a: its storage 7 is not in the file"},
        {zip_of({{"a/data.pkl", dict, 8}}), "has the compressed member a/data.pkl"},
        {zip_of({{"a/data.pkl", ""}}), "byte 0 of its pickle needs bytes past its end"},
        {dict, "is a pickle, but not one of torch.save: the magic number is missing"},
        {legacy_start().substr(0, 15), "needs bytes past its end"},
        {replaced(legacy_start(), "M\xe9\x03", "M\xe8\x03") + dict + keys, "of another version of torch's legacy form"},
        {legacy_start("\x89") + dict + keys, "was not written by a little-endian machine"},
        {legacy_start("N") + dict + keys, "was not written by a little-endian machine"},
        {legacy_start(), "needs bytes past its end"},
        {legacy_start() + dict, "needs bytes past its end"},
        {legacy_start() + dict + pickle_of("}"), "has no list of storages after its pickle"},
        {legacy_start() + dict + pickle_of("]"), "tensor a: its storage 7 is not in the file"},
        {legacy_start() + dict + pickle_of("](K\1e"), "which no tensor uses"},
        {legacy_start() + dict + legacy_end({tensor{"", "", "9"}}), "has the storage 9, which no tensor uses"},
        {legacy_start() + dict + keys + "!", "has 1 bytes after its storages"},
        {legacy_start() + dict + keys.substr(0, keys.size() - 1), "ends inside its storage 8: it is cut off"},
        {legacy_start() + dict + legacy_end({a}).substr(0, 30), "ends inside its storage 7"},
        {legacy_start() + dict + legacy_end({wrong_length, b}), "has 3 elements in its storage 7, expected 4"},
        {legacy_start() + dict + legacy_end({a, a}), "has its storage 7 twice"},
        {legacy_start() + state_dict({a, twice}, "N") + legacy_end({a}), "has two descriptions of its storage 7"},
        {legacy_start() + pickle_of("ios\nsystem\n") + keys, "has the instruction 105"},
        {legacy_start() + pickle_of(name("os", "system") + text("id") + "\x85R") + keys, "asks for os.system"}}) {
    const std::string error = error_of(r.bytes);
    INFO(r.fragment << " in " << error);
    CHECK(error.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("texts of a torch file are shown in its errors as valid UTF-8, without control characters, and cut") {
  const std::string odd = "\x1b[2J\xff" + std::string(1000, 'x');
  tensor named = a, keyed = a;
  named.name = "\x1b[2J" + std::string(1000, 'x'), named.offset = 1;
  keyed.key = odd;
  for (const std::string& bytes :
       {torch_zip({named}), zip_of({{"a/data.pkl", state_dict({keyed})}}),
        legacy_start() + state_dict({keyed}, "N") + pickle_of("]"),
        legacy_start() + state_dict({a}, "N") + legacy_end({keyed}), zip_of({{odd, ""}, {odd, ""}}),
        zip_of({{odd, "", 8}}), zip_of({{"a/data.pkl", ""}, {"a/byteorder", odd}}),
        zip_of({{"a/data.pkl", pickle_of(name("os", odd) + text("id") + "\x85R")}}),
        zip_of({{"a/data.pkl", pickle_of(dict(text(odd) + "K\1"))}}),
        zip_of({{"a/data.pkl", pickle_of(dict(text(odd) + dict(text("a") + program_of(a))))}})}) {
    const std::string error = error_of(bytes);
    INFO(error);
    CHECK(error.find("\xef\xbf\xbd[2J") != std::string::npos);
    CHECK(error.find('\x1b') == std::string::npos);
    CHECK(error.find("x…") != std::string::npos);
    CHECK(error.size() < 800);
    CHECK(llava::valid_utf8(error) == error);
  }
}

TEST_CASE("shards of pytorch_model.bin.index.json, whose names are those of files in the folder") {
  temporary_folder f("torch_shards");
  f.write("1.bin", torch_zip({a})).write("2.bin", torch_legacy({b}));
  f.write("pytorch_model.bin.index.json", R"({"weight_map":{"a":"1.bin","b":"2.bin"}})");
  const auto folder = llava::torch_folder::try_open(f.path.string());
  if (!folder) FAIL(folder.error().what());
  CHECK(folder->find("b")->dims == std::vector<std::size_t>{2});
  const std::string before = folder->identity();
  CHECK(llava::torch_folder::try_open(f.path.string())->identity() == before);
  f.write("pytorch_model.bin.index.json", R"({"weight_map":{"a":"2.bin"}})");
  CHECK(llava::torch_folder::try_open(f.path.string()).error().sentence().find("a is not in 2.bin") !=
        std::string::npos);
  f.write("pytorch_model.bin.index.json", R"({"weight_map":{"a":"../1.bin"}})");
  CHECK(llava::torch_folder::try_open(f.path.string()).error().sentence().find("expected the name of a file in") !=
        std::string::npos);
  f.write("pytorch_model.bin", torch_zip({b}));  // comes before the index, as in transformers
  CHECK(llava::torch_folder::try_open(f.path.string())->find("b"));
  CHECK_FALSE(llava::torch_folder::try_open(f.path.string())->find("a"));
}

TEST_CASE("the identity of a torch file changes with its weights, even if size and time are equal") {
  temporary_folder f("torch_identity");
  tensor other = a;
  other.data.back() = '!';
  for (const auto write : {torch_zip, torch_legacy}) {
    std::vector<std::string> all;
    for (const tensor& t : {a, a, other}) {
      f.write("m.bin", write({t, b}));
      std::filesystem::last_write_time(f / "m.bin", std::filesystem::file_time_type());
      all.push_back(llava::torch_file::try_open(f / "m.bin")->identity());
    }
    CHECK(all[0] == all[1]);
    CHECK(all[0] != all[2]);
  }
}
