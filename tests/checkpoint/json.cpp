// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/json.hpp>

#include <allocations.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

std::string error_of(std::string_view text) {
  const auto parsed = llava::try_parse_json("x.json", text);
  return parsed ? "" : parsed.error().sentence();
}
std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

}  // namespace

TEST_CASE("JSON values of every type are read") {
  const auto parsed = llava::try_parse_json(
      "x.json", R"({"n":null,"t":true,"i":-7,"big":9223372036854775807,"huge":18446744073709551615,)"
                R"("d":0.1,"e":1e2,"s":"a\u00e9\"\ud83d\ude00","a":[1,[],{}]})");
  REQUIRE(parsed);
  CHECK(parsed->find("n")->is_null());
  CHECK(*parsed->find("t")->boolean());
  CHECK(parsed->find("i")->integer() == -7);
  CHECK(parsed->find("big")->integer() == INT64_MAX);
  CHECK_FALSE(parsed->find("huge")->integer());
  CHECK(parsed->find("huge")->number() == 18446744073709551615.0);
  CHECK(parsed->find("d")->number() == 0.1);
  CHECK_FALSE(parsed->find("e")->integer());
  CHECK(*parsed->find("s")->text() == "a\xc3\xa9\"\xf0\x9f\x98\x80");
  CHECK(parsed->find("a")->items().size() == 3);
  CHECK(parsed->find("absent") == nullptr);
  CHECK(parsed->find("i")->items().empty());
}

TEST_CASE("numbers are rounded to the nearest double, and numbers outside its range are refused") {
  for (const auto& [text, value] :
       {std::pair("0e-051", 0.), std::pair("0e51", 0.), std::pair("0.0e-300", 0.), std::pair("1e-400", 0.),
        std::pair("5e-324", 5e-324), std::pair("123e-2", 1.23), std::pair("0.48145466", 0.48145466),
        std::pair("9007199254740993", 9007199254740992.), std::pair("1.7976931348623157e308", 1.7976931348623157e308),
        std::pair("0.1e309", 1e308), std::pair("2.2250738585072011e-308", 2.2250738585072011e-308)}) {
    INFO(text);
    const auto parsed = llava::try_parse_json("x.json", text);
    REQUIRE(parsed);
    CHECK(parsed->number() == value);
  }
  for (const char* text : {"1.8e308", "-1.8e308", "0.5e309"}) {
    INFO(text);
    CHECK(error_of(text) == "llava: x.json: a number is too large for a 64-bit float");
  }
  CHECK(llava::try_parse_json("x.json", "1." + repeated("3", 4094))->number() == 4. / 3);
  CHECK(error_of("1." + repeated("3", 4095)).find("more than 4096 characters") != std::string::npos);
}

TEST_CASE("R9: invalid, too deep or ambiguous JSON is refused") {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("nul"), std::string("{} {}"), std::string("[1,]"),
        std::string("{\"a\" 1}"), std::string("'a'"), std::string("NaN"), std::string("01"), std::string("1e999"),
        std::string("\"\x01\""), std::string("\"\xff\""), std::string("\"\\ud800\""), std::string("\"\xed\xa0\x80\""),
        std::string("[1] x"), std::string("\0", 1), std::string("// a\n1")}) {
    INFO(text);
    CHECK(error_of(text).find("x.json: not JSON, at byte") != std::string::npos);
  }
  const auto refused = [](std::string_view text) {
    const auto parsed = llava::try_parse_json("x.json", text, llava::repeated_keys::refused);
    return parsed ? "" : parsed.error().sentence();
  };
  CHECK(refused(R"({"a":1,"b":2,"a":3})").find("\"a\" is repeated") != std::string::npos);
  CHECK(refused(R"([{"x":{"a":1,"\u0061":3}}])").find("is repeated") != std::string::npos);
  CHECK(refused(R"([{"a":1},{"a":1}])").empty());
  CHECK(error_of(repeated("[", 64) + repeated("]", 64)).empty());
  for (const std::size_t depth : {65u, 3000u, 1000000u})
    CHECK(error_of(repeated("[", depth)).find("deeper than 64") != std::string::npos);
  CHECK(error_of(repeated("{\"a\":", 1000000)).find("deeper than 64") != std::string::npos);
}

TEST_CASE("a repeated key has its last value, in its first position, as in Python") {
  const auto parsed = llava::try_parse_json(
      "x.json", R"({"b":1,"a":{"x":1,"\u0078":[2]},"b":2,"c":0,"a":{"x":1,"y":{"z":1,"z":2},"x":3},"b":null,"d":4})");
  REQUIRE(parsed);
  std::string keys;
  for (const auto& [key, value] : parsed->members()) keys += key;
  CHECK(keys == "bacd");
  CHECK(parsed->find("b")->is_null());
  CHECK(parsed->find("a")->members().size() == 2);
  CHECK(parsed->find("a")->find("x")->integer() == 3);
  CHECK(parsed->find("a")->find("y")->find("z")->integer() == 2);
  CHECK(parsed->find("d")->integer() == 4);
}

TEST_CASE("a Git LFS pointer or an HTML page in place of a file is named") {
  CHECK(
      error_of("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 13\n") ==
      "llava: x.json is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder, or download it with "
      "`hf download`");
  for (const char* page : {"<!DOCTYPE html><title>Sign in</title>", "\xef\xbb\xbf\n <HTML lang=\"en\">"})
    CHECK(error_of(page).find("x.json is an HTML page, not the file itself; download it again") != std::string::npos);
  for (const char* other : {"<htm", "version 1", "<!doctype xml>", ""})
    CHECK(error_of(other).find("not JSON, at byte") != std::string::npos);
}

TEST_CASE("R1: parsing JSON takes at most 64 MiB plus four times the size of the text") {
  std::string members = "{";
  for (int i = 0; i < 1000000; ++i) members += "\"" + std::to_string(i) + "\":0,";
  for (const std::string& text : {"[" + repeated("1,", std::size_t{4} << 20) + "1]",
                                  repeated("[[],", 40) + repeated("[],", std::size_t{2} << 20), members}) {
    const allocations::peak_since_here peak;
    CHECK(error_of(text).find("more memory than 64 MiB") != std::string::npos);
    CHECK(peak.bytes_at_most() > 0);
    CHECK(peak.bytes_at_most() <= (std::size_t{64} << 20) + 4 * text.size());
  }
  // A realistic file: 150,000 pieces with their ids, and as many merges.
  std::string real = "{\"vocab\":{";
  for (int i = 0; i < 150000; ++i) real += "\"piece" + std::to_string(i) + "\": " + std::to_string(i) + ", ";
  real += "\"last\": 150000}, \"merges\": [";
  for (int i = 0; i < 150000; ++i) real += "[\"pie\", \"ce" + std::to_string(i) + "\"], ";
  CHECK(error_of(real + "[\"la\", \"st\"]]}").empty());
}

TEST_CASE("members are read by type, and errors name file and key") {
  temporary_folder f("json");
  f.write("c.json", R"({"i":3,"d":1.5,"s":"x","b":false,"none":null,"o":{"deep":2147483648}})");
  const auto json = llava::json_document::try_read(f / "c.json");
  REQUIRE(json);
  const llava::json_object root = json->root();
  int i = 0;
  double d = 0;
  float narrow = 0;
  bool b = true;
  std::string s = "before";
  CHECK(root.read("i", i));
  CHECK(i == 3);
  CHECK(root.read("i", d));
  CHECK(d == 3.0);
  CHECK(root.read("none", s));
  CHECK(root.read("absent", s));
  CHECK(s == "before");
  CHECK(root.contains("none"));
  CHECK_FALSE(root.has("none"));
  CHECK(root.read("d", i).error().sentence().find("c.json: \"d\" must be a 32-bit integer") != std::string::npos);
  CHECK(root.read("s", d).error().sentence().find("\"s\" must be a number") != std::string::npos);
  CHECK(root.read("i", b).error().sentence().find("must be true or false") != std::string::npos);
  CHECK(root.read("i", s).error().sentence().find("must be a string") != std::string::npos);
  CHECK(root.read("s", narrow).error().code() == llava::errc::invalid_format);
  CHECK(root.object("i").error().sentence().find("must be an object") != std::string::npos);
  CHECK(root.object("o")->read("deep", i).error().sentence().find("\"o.deep\" must be") != std::string::npos);
  CHECK(root.object("absent"));
  f.write("c.json", "[1]");
  CHECK(llava::json_document::try_read(f / "c.json").error().sentence().find("expected an object") !=
        std::string::npos);
  CHECK(llava::json_document::try_read(f / "absent.json").error().code() == llava::errc::not_found);
  CHECK(llava::try_read_text_file(f / "c.json", 2).error().sentence().find("expected at most 2 bytes") !=
        std::string::npos);
}
