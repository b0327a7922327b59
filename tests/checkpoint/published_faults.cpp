// SPDX-License-Identifier: Apache-2.0
/// R1, R2, R3: the shapes of faults that were published of other readers of model files, each refused with a sentence.
/// The first column is the record, or what was found without one. Each reader's own test has the other shapes.
#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/torch_file.hpp>

#include <cstring>

#include <gguf_bytes.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

namespace {

struct fault {
  std::string record, bytes, sentence;
};

constexpr std::uint64_t huge = ~std::uint64_t{0}, half = std::uint64_t{1} << 63;
const std::string some(100, '\0');

template <class T>
std::string number(T n) {
  return gguf_bytes::number(n);
}
gguf_bytes with_key(std::uint32_t type, const std::string& value) { return gguf_bytes().raw("k", type, value); }
/// A tensor with these extents over 64 bytes of data.
gguf_bytes with_tensor(const std::vector<std::uint64_t>& extents, std::uint32_t type = 0, std::uint64_t offset = 0) {
  gguf_bytes g;
  g.info("t", extents, type, offset).data = std::string(64, '\0');
  return g;
}
gguf_bytes with_counts(std::uint64_t keys, std::uint64_t tensors) {
  gguf_bytes g = gguf_bytes().key("k", 1u);
  g.extra_keys = keys, g.extra_tensors = tensors;
  return g;
}
std::string header_of(const std::string& json, const std::string& data = "abcdefgh") {
  return number(std::uint64_t{json.size()}) + json + data;
}
std::string entry(const std::string& type, const std::string& shape, const std::string& offsets) {
  return header_of(R"({"t":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}");
}

template <class File>
void check(const std::vector<fault>& faults) {
  temporary_folder f("published_faults");
  for (const fault& e : faults) {
    INFO(e.record);
    f.write("file", e.bytes);
    const auto opened = File::try_open(f / "file");
    REQUIRE_FALSE(opened);
    INFO(opened.error().sentence());
    CHECK(opened.error().sentence().find(e.sentence) != std::string::npos);
    CHECK(opened.error().sentence().find(f / "file") != std::string::npos);
    CHECK(opened.error().code() != llava::errc::out_of_memory);
  }
}

}  // namespace

TEST_CASE("R2: faults that were published of readers of GGUF are errors") {
  gguf_bytes two = with_tensor({16});
  two.info("u", {16}, 0, 32).data += std::string(64, '\0');
  gguf_bytes long_key, long_name;
  long_key.keys = long_name.infos = number(huge) + some;
  long_key.key_count = long_name.tensor_count = 1;
  check<llava::gguf_file>({
      {"CVE-2024-23605: n_kv near 2^64", with_counts(huge - 1, 0).bytes(), "keys, expected at most"},
      {"CVE-2024-23605: n_kv · size wraps to a small number", with_counts(huge / 24, 0).bytes(), "keys, expected"},
      {"n_kv that the file could hold, and the limit does not", with_counts(1 << 20, 0).bytes(), "keys, expected"},
      {"CVE-2024-21836: n_tensors near 2^64", with_counts(0, huge).bytes(), "tensors, expected at most"},
      {"CVE-2024-21836: n_tensors · size wraps", with_counts(0, huge / 16 + 2).bytes(), "tensors, expected at most"},
      {"CVE-2024-23496: a text of 2^64 − 1 bytes, and one byte more wraps", with_key(8, number(huge) + some).bytes(),
       "the value of \"k\" is malformed"},
      {"CVE-2024-23496: a text of 2^63 bytes", with_key(8, number(half) + some).bytes(), "\"k\" is malformed"},
      {"CVE-2024-23496: the name of a key", long_key.bytes(), "it ends inside the name of key 0"},
      {"CVE-2024-21825: an array whose count · size wraps",
       with_key(9, number(10u) + number(half / 4 + 1) + some).bytes(), "\"k\" is malformed"},
      {"CVE-2024-21825: an array of 2^61 texts", with_key(9, number(8u) + number(half / 4) + some).bytes(),
       "\"k\" is malformed"},
      {"an array of arrays", with_key(9, number(9u) + number(std::uint64_t{1}) + some).bytes(), "no array of arrays"},
      {"a type of value outside the list", with_key(13, some).bytes(), "\"k\" is malformed"},
      {"a type of value below 0", with_key(0x80000000u, some).bytes(), "\"k\" is malformed"},
      {"CVE-2024-21802: five axes", with_tensor({1, 1, 1, 1, 1}).bytes(), "has 5 axes, expected at most 4"},
      {"CVE-2024-21802: 2^32 − 1 axes", replaced(with_tensor({1}).bytes(), "t" + number(1u), "t" + number(0xffffffffu)),
       "has 4294967295 axes"},
      {"CVE-2026-33298: a product of extents that wraps to 0", with_tensor({1u << 31, 1u << 31, 4}).bytes(),
       "is larger than the file"},
      {"CVE-2026-33298: a product that wraps to the size of the data", with_tensor({16, half / 8 + 1, 1}).bytes(),
       "is larger than the file"},
      {"CVE-2026-33298: bytes of blocks that wrap", with_tensor({32, huge / 34 + 2}, 8).bytes(),
       "is larger than the file"},
      {"an extent of 0", with_tensor({0, 4}).bytes(), "has no elements"},
      {"an extent that is negative as i64", with_tensor({half}).bytes(), "is larger than the file"},
      {"a row that is no multiple of its block", with_tensor({31, 2}, 2).bytes(), "expected a multiple of the 32"},
      {"CVE-2025-53630: the sum of padded sizes wraps", with_tensor({16}, 0, huge - 63).bytes(), "are not inside"},
      {"CVE-2026-27940: offset + size wraps by one unit", with_tensor({16}, 0, huge - 31).bytes(), "are not inside"},
      {"CVE-2026-7482: data that end after the file does", with_tensor({32}).bytes(), "are not inside the 64 bytes"},
      {"CVE-2026-7482: an offset behind the data", with_tensor({1}, 0, 1 << 20).bytes(), "are not inside"},
      {"an offset that is not aligned", with_tensor({1}, 0, 4).bytes(), "expected a multiple of 32"},
      {"two tensors that overlap", two.bytes(), "two tensors overlap at byte 32"},
      {"a type of tensor below 0", with_tensor({1}, 0xffffffff).bytes(), "unknown type"},
      {"a type of tensor that was withdrawn", with_tensor({32}, 4).bytes(), "unknown type 4"},
      {"an alignment of 0, a divisor", gguf_bytes().key("general.alignment", 0u).bytes(), "a power of two"},
      {"an alignment that is no power of two", gguf_bytes().key("general.alignment", 24u).bytes(), "a power of two"},
      {"an alignment of 2^31", gguf_bytes().key("general.alignment", 1u << 31).bytes(), "a power of two"},
      {"a key twice", gguf_bytes().key("k", 1u).key("k", 2u).bytes(), "the key \"k\" is repeated"},
      {"a tensor twice", with_tensor({1}).info("t", {1}, 0, 32).bytes(), "the tensor t is repeated"},
      {"an empty key", gguf_bytes().raw("", 0, "x").bytes(), "1 to 65535 printable"},
      {"CVE-2024-23496: the name of a tensor", long_name.bytes(), "it ends inside the name of tensor 0"},
  });
}

TEST_CASE("R2: faults that were published of readers of safetensors are errors") {
  check<llava::safetensors_file>({
      {"a header of 2^64 − 1 bytes", number(huge) + "{}", "expected at most 100000000"},
      {"a header of 100,000,001 bytes, a long parse", number(std::uint64_t{100000001}) + "{}", "at most 100000000"},
      {"a header behind the end", number(std::uint64_t{3}) + "{}", "but the file has 10"},
      {"a file that ends in the length", "\2\0\0", "too short"},
      {"a header that is no object", header_of("[]"), "does not begin with '{'"},
      {"a polyglot: bytes before the header", header_of("PK{}"), "does not begin with '{'"},
      {"a polyglot: bytes behind the data", header_of("{}"), "end at byte 0 of 8 bytes of data"},
      {"a hole that hides bytes",
       header_of(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
       "leave a hole at byte 2"},
      {"two tensors that overlap",
       header_of(
           R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
       "overlap at byte 4"},
      {"a tensor twice, of which readers take the first or the last",
       header_of(
           R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}})"),
       "the key \"a\" is repeated"},
      {"a shape whose product wraps to the size", entry("F32", "[4611686018427387905,1,2]", "[0,8]"), "overflows"},
      {"a shape of 2^32 · 2^32", entry("U8", "[4294967296,4294967296]", "[0,8]"), "overflows"},
      {"a negative extent", entry("F32", "[-2]", "[0,8]"), "non-negative integers"},
      {"two negative extents", entry("F32", "[-1,-2]", "[0,8]"), "non-negative integers"},
      {"an extent that is a fraction", entry("F32", "[2.0]", "[0,8]"), "non-negative integers"},
      {"an extent of 2^64", entry("U8", "[18446744073709551616]", "[0,8]"), "non-negative integers"},
      {"offsets in the wrong order", entry("F32", "[2]", "[8,0]"), "are not inside"},
      {"a negative offset", entry("F32", "[2]", "[-8,0]"), "non-negative integers"},
      {"an offset behind the data", entry("F32", "[2]", "[8,16]"), "are not inside the 8 bytes"},
      {"offsets of another size than the shape's", entry("F32", "[3]", "[0,8]"), "need 12 bytes"},
      {"one offset", entry("F32", "[2]", "[0]"), "dtype, shape and data_offsets"},
      {"a type that is not known", entry("F33", "[2]", "[0,8]"), "unknown dtype F33"},
      {"1,000 levels of JSON", header_of(R"({"a":)" + std::string(1000, '[') + std::string(1000, ']') + "}"),
       "nested deeper than 64 levels"},
      {"a name that is no UTF-8", header_of("{\"\xc3\x28\":{}}"), "not JSON"},
  });
}

TEST_CASE("R3: what was published of readers of pickles runs nothing and is an error") {
  using namespace torch_writer;
  const auto program = [](const std::string& p) { return zip_of({{"a/data.pkl", pickle_of(p)}}); };
  const auto call = [&](const char* module, const char* function) {
    return program(name(module, function) + "(" + text("id") + "tR");
  };
  tensor outside{"t"}, negative{"t"}, wrapped{"t"};
  outside.offset = 1, negative.sizes = {-2, -2}, wrapped.sizes = {std::int64_t{1} << 62, 4}, wrapped.strides = {0, 0};
  check<llava::torch_file>({
      {"os.system in a pickle", call("os", "system"), "asks for os.system"},
      {"posix.system", call("posix", "system"), "asks for posix.system"},
      {"builtins.exec", call("builtins", "exec"), "asks for builtins.exec"},
      {"a loader of the standard library", call("runpy", "_run_code"), "asks for runpy._run_code"},
      {"a loader of torch", call("torch.serialization", "load"), "asks for torch.serialization.load"},
      {"a name put together on the stack", program(text("os") + text("system") + "\x93" + text("id") + "\x85R"),
       "asks for os.system"},
      {"CVE-2025-32434: a call outside the names that are allowed", call("torch.hub", "load"),
       "asks for torch.hub.load"},
      {"the instruction INST", program("(" + text("id") + "ios\nsystem\n"), "has the instruction 105"},
      {"the instruction OBJ", program("(" + text("id") + "o"), "has the instruction 111"},
      {"an extension of copyreg", program("\x82\1"), "has the instruction 130"},
      {"a persistent id as text", program("Pos.system\n"), "has the instruction 80"},
      {"a memo of 2^32 entries", program("N" + std::string("r\xff\xff\xff\xff", 5)), "of its memo, expected below"},
      {"a text of 2^64 − 1 bytes", program("\x8d" + number(huge)), "needs bytes past its end"},
      {"a second data.pkl", zip_of({{"a/data.pkl", ""}, {"b/data.pkl", ""}}), "has 2 members data.pkl"},
      {"a compressed member, a bomb", zip_of({{"a/data.pkl", "x", 8}}), "has the compressed member"},
      {"two members of one name", zip_of({{"a/data.pkl", "x"}, {"a/data.pkl", "y"}}), "has two members called"},
      {"a view that ends behind its storage", torch_zip({outside}), "it ends at element 4 of a storage of 4"},
      {"negative sizes", torch_zip({negative}), "must be integers from 0"},
      {"sizes that wrap, with strides of 0", torch_zip({wrapped}), "its sizes and strides overflow"},
  });
}
