// SPDX-License-Identifier: Apache-2.0
/// Invalid safetensors files. tests/goldens reads files that Python's safetensors wrote.
#include <llava/checkpoint/safetensors.hpp>

#include <cstring>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// The bytes of a file: u64 header length (plus `extra`), header, data.
std::string file_of(const std::string& header, const std::string& data = "", std::uint64_t extra = 0) {
  const std::uint64_t length = header.size() + extra;
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// Returns the error of opening a file with these bytes. The error must name the file.
std::string error_of(const std::string& bytes) {
  temporary_folder f("safetensors");
  f.write("x.safetensors", bytes);
  const auto opened = llava::safetensors_file::try_open(f / "x.safetensors");
  if (opened) return "";
  CHECK(opened.error().sentence().find("x.safetensors") != std::string::npos);
  return opened.error().sentence();
}

std::string missing_file_error(const temporary_folder& f) {
  const auto opened = llava::safetensors_folder::try_open(f.path.string());
  return opened ? "" : opened.error().sentence();
}

const std::string two = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                        R"("b":{"dtype":"F16","shape":[1,3],"data_offsets":[8,14]}})";
const std::string fourteen = "\0\0\x80?\0\0\0@\1\2\3\4\5\6";

}  // namespace

TEST_CASE("tensors are found with type, shape and bytes in the mapped file") {
  temporary_folder f("safetensors");
  f.write("x.safetensors", file_of(two + "   ", std::string("\0\0\x80?\0\0\0@\1\2\3\4\5\6", 14)));
  const auto file = llava::safetensors_file::try_open(f / "x.safetensors");
  REQUIRE(file);
  const llava::stored_tensor* a = file->find("a");
  REQUIRE(a);
  float values[2];
  REQUIRE(a->bytes.size() == sizeof values);
  std::memcpy(values, a->bytes.data(), sizeof values);
  CHECK(values[0] == 1.f);
  CHECK(values[1] == 2.f);
  CHECK(file->find("b")->dims == std::vector<std::size_t>{1, 3});
  CHECK(file->find("b")->type == llava::dtype::float16);
  CHECK(file->find("c") == nullptr);
  CHECK(file->find("__metadata__") == nullptr);
}

TEST_CASE("a file without tensors, scalars and empty tensors are valid") {
  CHECK(error_of(file_of("{}")).empty());
  CHECK(error_of(file_of(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", "abcd")).empty());
  CHECK(error_of(file_of(R"({"e":{"dtype":"I64","shape":[0,5],"data_offsets":[0,0]}})")).empty());
}

TEST_CASE("R2: each violation of the safetensors format is refused with an error that names it") {
  struct row {
    std::string bytes, fragment;
  };
  const auto one = [](const std::string& entry, const std::string& data = "abcdefgh") {
    return file_of(R"({"t":)" + entry + "}", data);
  };
  const row rows[] = {
      {"", "too short"},
      {"1234567", "too short"},
      {file_of("{}", "", 1), "its header has 3 bytes, but the file has"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), "expected at most 100000000"},
      {std::string("\1\xe1\xf5\5\0\0\0\0{}", 10), "expected at most 100000000"},
      {file_of(""), "does not begin with '{'"},
      {file_of(" {}"), "does not begin with '{'"},
      {file_of("[]"), "does not begin with '{'"},
      {file_of("{"), "not JSON"},
      {file_of("{}x"), "not JSON"},
      {file_of("{\"\xff\":1}"), "not JSON"},
      {file_of(two, "short"), "not inside the 5 bytes"},
      {file_of(two, "fourteen bytes and more"), "end at byte 14"},
      {file_of(replaced(two, "\"b\"", "\"a\""), "fourteen bytes"), "is repeated"},
      {file_of(replaced(two, "[8,14]", "[7,13]"), "fourteen bytes"), "overlap at byte 7"},
      {file_of(replaced(two, "[8,14]", "[9,15]"), "fourteen bytes."), "leave a hole at byte 8"},
      {file_of(replaced(two, "[0,8]", "[1,9]"), "fourteen bytes"), "hole at byte 0"},
      {one("3"), "dtype, shape and data_offsets"},
      {one("null"), "dtype, shape and data_offsets"},
      {one(R"({"shape":[2],"data_offsets":[0,8]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F32","data_offsets":[0,8]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F32","shape":[2]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1})"), "and nothing else"},
      {one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"), "dtype, shape and data_offsets"},
      {one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"), "unknown dtype F33"},
      {one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "non-negative integers"},
      {one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), "non-negative integers"},
      {one(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})"), "non-negative integers"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "non-negative integers"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8.5]})"), "non-negative integers"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "not inside"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]})"), "not inside"},
      {one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "need 12 bytes, but its data_offsets give 8"},
      {one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]})"), "overflows"},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"), "overflows"},
      {one(R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,8]})"), "non-negative integers"},
  };
  for (const row& r : rows) {
    INFO(r.fragment);
    CHECK(error_of(r.bytes).find(r.fragment) != std::string::npos);
  }
  CHECK(error_of(file_of(two, std::string(fourteen.c_str(), 14))).empty());
}

TEST_CASE("R1: a file with any damaged byte, or cut anywhere, is read or refused") {
  const std::string whole = file_of(two, "fourteen bytes");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    error_of(whole.substr(0, i));
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      error_of(damaged);
    }
  }
}

TEST_CASE("shards: every file of the index is opened, and must hold the tensors that the index states") {
  const std::string a = file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "A");
  const std::string b = file_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "B");
  temporary_folder f("shards");
  f.write("1.safetensors", a).write("2.safetensors", b);
  f.write("model.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  const auto folder = llava::safetensors_folder::try_open(f.path.string());
  REQUIRE(folder);
  CHECK(folder->find("b")->bytes[0] == std::byte{'B'});
  std::size_t count = 0;
  folder->for_each([&](const llava::stored_tensor&) { ++count; });
  CHECK(count == 2);

  struct row {
    std::string index, fragment;
  };
  for (const row& r : {row{R"({"weight_map":{"a":"2.safetensors"}})", "a is not in 2.safetensors"},
                       {R"({"weight_map":{"a":"3.safetensors"}})", "cannot open"},
                       {R"({"weight_map":{"a":"../1.safetensors"}})", "expected the name of a file in this folder"},
                       {R"({"weight_map":{"a":"/etc/passwd"}})", "expected the name of a file in this folder"},
                       {R"({"weight_map":{"a":".."}})", "expected the name of a file in this folder"},
                       {R"({"weight_map":{"a":"x\u0000y"}})", "expected the name of a file in this folder"},
                       {R"({"weight_map":{"a":""}})", "expected the name of a file in this folder"},
                       {R"({"weight_map":{"a":7}})", "the file of a is not a string"},
                       {R"({"weight_map":["a"]})", "an object of tensor names and files"},
                       {R"({})", "an object of tensor names and files"},
                       {"not json", "not JSON"},
                       {"[]", "expected an object"}}) {
    f.write("model.safetensors.index.json", r.index);
    INFO(r.fragment);
    CHECK(missing_file_error(f).find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("shards: a tensor in two of them is visited once, from the shard that the index names") {
  const std::string both = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                           R"("y":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})";
  temporary_folder f("twice");
  f.write("1.safetensors", file_of(both, "XY")).write("2.safetensors", file_of(both, "xy"));
  f.write("3.safetensors", file_of(R"({"z":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "z"));
  f.write("model.safetensors.index.json",
          R"({"weight_map":{"z":"3.safetensors","y":"1.safetensors","x":"2.safetensors"}})");
  const auto folder = llava::safetensors_folder::try_open(f.path.string());
  if (!folder) FAIL(folder.error().what());
  std::string seen;
  folder->for_each([&](const llava::stored_tensor& t) {
    CHECK(folder->find(t.name) == &t);
    seen += t.name + static_cast<char>(t.bytes[0]) + " ";
  });
  CHECK(seen == "xx yY zz ");
}

TEST_CASE("model.safetensors takes precedence over a stale index, as in transformers") {
  temporary_folder f("stale");
  f.write("model.safetensors", file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "A"));
  f.write("model.safetensors.index.json", R"({"weight_map":{"b":"gone.safetensors"}})");
  const auto folder = llava::safetensors_folder::try_open(f.path.string());
  REQUIRE(folder);
  CHECK(folder->find("a")->bytes[0] == std::byte{'A'});
}

TEST_CASE("Git LFS pointers, HTML pages and unsupported dtypes are named") {
  CHECK(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4221341048\n")
            .find("x.safetensors is a Git LFS pointer, not the file itself; run `git lfs pull`") != std::string::npos);
  CHECK(error_of("<!doctype html><html><body>404</body></html>").find("x.safetensors is an HTML page") !=
        std::string::npos);
  temporary_folder f("foreign");
  f.write("x.safetensors", file_of(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", "abcdefgh"));
  const auto file = llava::safetensors_file::try_open(f / "x.safetensors");
  REQUIRE(file);
  CHECK(file->find("a")->unsupported_type == "F64");
  CHECK(file->find("a")->bytes.empty());
}

TEST_CASE("the error for a folder without safetensors names the weights that it has instead") {
  temporary_folder f("none");
  CHECK(missing_file_error(f).find("has no model.safetensors or model.safetensors.index.json") != std::string::npos);
  f.write("consolidated.safetensors", "").write("model-00002-of-00002.safetensors", "");
  CHECK(missing_file_error(f).find("index.json; it has consolidated.safetensors") != std::string::npos);
  std::filesystem::create_directory(f.path / "model.safetensors");
  CHECK(missing_file_error(f).find("is not a regular file") != std::string::npos);
}
