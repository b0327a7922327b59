// SPDX-License-Identifier: Apache-2.0
/// Zip files, valid and invalid.
#include <llava/checkpoint/zip_members.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

namespace {

using namespace torch_writer;
using llava::detail::zip_members;

std::string error_of(const std::string& bytes) {
  const auto z = zip_members::try_read("FILE", bytes);
  if (z) return "";
  CHECK(z.error().sentence().find("llava: FILE, a zip file, ") == 0);
  return z.error().sentence();
}

/// Two members with every size and offset of the directory in 64 bits, and data descriptors.
std::string wide_zip() {
  const member members[] = {{"a", "first", 0, 8}, {"b", "second", 0, 8}};
  std::string file, directory;
  for (const member& m : members) {
    const std::string all(4, '\xff');
    directory += "PK\1\2" + number(0, 4) + number(m.flags, 2) + number(0, 10) + all + all + number(1, 2) +
                 number(33, 2) + number(0, 10) + all + m.name + number(0x6666, 2) + number(1, 2) + "x" + number(1, 2) +
                 number(24, 2) + number(m.bytes.size(), 8) + number(m.bytes.size(), 8) + number(file.size(), 8);
    member streamed = m;  // its local header has no sizes
    std::string header = local_header(streamed);
    header.replace(18, 8, 8, '\0');
    file += header + m.bytes + "PK\7\10" + number(0, 4) + number(m.bytes.size(), 4) + number(m.bytes.size(), 4);
  }
  const std::size_t at = file.size();
  file += directory;
  const std::size_t end64 = file.size();
  file += "PK\6\6" + number(44, 8) + number(0, 4) + number(0, 8) + number(2, 8) + number(2, 8) +
          number(directory.size(), 8) + number(at, 8);
  file += "PK\6\7" + number(0, 4) + number(end64, 8) + number(1, 4);
  return file + "PK\5\6" + number(0, 4) + std::string(12, '\xff') + number(0, 2);
}

const std::vector<member> two{{"a/data.pkl", "program"}, {"a/data/0", "weights!"}};
const std::string whole = zip_of(two);

}  // namespace

TEST_CASE("stored members are found in the file, with 32 and with 64 bits, and before a comment") {
  const auto z = zip_members::try_read("FILE", whole);
  REQUIRE(z);
  CHECK(z->find("a/data/0") == std::string_view("weights!"));
  CHECK(z->find("a/data/0")->data() > whole.data());
  CHECK(z->find("a/data/0")->data() < whole.data() + whole.size());
  CHECK_FALSE(z->find("a/data/1"));
  const std::string wide = wide_zip();
  const auto w = zip_members::try_read("FILE", wide);
  if (!w) FAIL(w.error().what());
  CHECK((w->find("a") == std::string_view("first") && w->find("b") == std::string_view("second")));
  const std::string commented = whole.substr(0, whole.size() - 2) + number(7, 2) + "PK\5\6 by";
  CHECK(error_of(commented).empty());
  CHECK(error_of(zip_of({})).empty());
}

TEST_CASE("R3: compressed, encrypted, overlapping, repeated and lying members are refused by name") {
  struct row {
    std::string bytes, fragment;
  };
  const std::string a = local_header(two[0]) + two[0].bytes, b = local_header(two[1]) + two[1].bytes;
  const auto zip = [&](const std::string& data, const std::string& directory, std::size_t count = 2) {
    return data + directory + end_record(count, directory.size(), data.size());
  };
  const std::string entry_a = directory_entry(two[0], 0), entry_b = directory_entry(two[1], a.size());
  REQUIRE(zip(a + b, entry_a + entry_b) == whole);
  const auto with_local = [&](std::string_view from, std::string_view to) {
    return zip(replaced(a, from, to) + b, entry_a + entry_b);
  };
  // A second entry for bytes that the first one covers, with a header inside the first one's data.
  const member inner{"x", "y"}, outer{"a", local_header(inner) + "y"};
  const std::string nested =
      zip(local_header(outer) + outer.bytes, directory_entry(outer, 0) + directory_entry(inner, 31));
  const auto sized = [&](std::size_t at, std::uint64_t n) {
    std::string entry = entry_b;
    entry.replace(at, 4, number(n, 4));
    return zip(a + b, entry_a + entry);
  };
  const auto twice = [&](std::uint64_t n) {
    std::string entry = entry_b;
    entry.replace(20, 8, number(n, 4) + number(n, 4));
    return zip(a + b, entry_a + entry);
  };
  const std::string wide = wide_zip();
  for (const row& r :
       {row{zip_of({{"a/data.pkl", "x", 8}}), "has the compressed member a/data.pkl, and torch.save writes members "},
        {zip_of({{"a/data.pkl", "x", 0, 1}}), "has the encrypted member a/data.pkl"},
        {zip_of({two[0], two[0]}), "has two members called a/data.pkl"},
        {zip(a + b, entry_a + directory_entry(two[0], 0)), "has two members called a/data.pkl"},
        {nested, "has members that overlap at byte 31"},
        {zip(a + b, entry_a + directory_entry(two[1], a.size() + 1)),
         "has no header for its member a/data/0 at byte 48"},
        {sized(42, 0x7fffffff), "has no header for its member a/data/0 at byte 2147483647"},
        {with_local("a/data.pkl", "b/data.pkl"), "describes its member a/data.pkl in two different ways"},
        {zip(local_header({two[0].name, two[0].bytes, 8}) + two[0].bytes + b, entry_a + entry_b),
         "describes its member a/data.pkl in two different ways"},
        {sized(20, 7), "has the member a/data/0 with two different sizes"},
        {sized(24, 9), "has the member a/data/0 with two different sizes"},
        {twice(9), "has 9 bytes of a/data/0 at byte 85, but its directory is at byte 93"},
        {twice(0x7fffffff), "has 2147483647 bytes of a/data/0"},
        {twice(0xffffffff), "has no 64-bit numbers for its member a/data/0"},
        {replaced(wide, number(5, 8) + number(5, 8), number(5, 8) + number(6, 8)), "with two different sizes"},
        {replaced(wide, number(6, 8) + number(6, 8), std::string(16, '\xff')), "has 18446744073709551615 bytes of b"},
        {replaced(wide, number(24, 2) + number(5, 8), number(99, 2) + number(5, 8)), "has a damaged extra field of a"},
        {zip(a + b, entry_a + entry_b, 1), "has more members than its end record says"},
        {zip(a + b, entry_a + entry_b, 3), "has fewer members than its end record says"},
        {zip(a + b, replaced(entry_a, "PK\1\2", "PK\1\1") + entry_b), "has a damaged directory"},
        {zip(a + b, entry_a + entry_b.substr(0, 50)), "has a damaged directory"},
        {zip(a + b, entry_a + entry_b.substr(0, 30)), "has a damaged directory"},
        {a + b + end_record(2, 500, a.size() + b.size()), "has a directory that does not end before its end record"},
        {a + b + end_record(2, 0, 0x7fffffff), "has a directory that does not end before its end record"},
        {a + b + "PK\5\6" + number(1, 4) + number(2, 2) + number(2, 2) + number(0, 10), "is one of several parts"},
        {replaced(wide, "PK\6\6", "PK\6\5"), "has no 64-bit end record where its locator says"},
        {replaced(wide, "PK\6\7" + number(0, 4), "PK\6\7" + number(0, 4) + std::string(8, '\xff'))
             .substr(0, wide.size()),
         "has no end record"},
        {"PK\3\4", "has no end record: it is cut off; download or copy it again"},
        {whole + "x", "has no end record"}}) {
    const std::string error = error_of(r.bytes);
    INFO(r.fragment << " in " << error);
    CHECK(error.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("R1: a zip file that is cut anywhere, or has any damaged byte, is read or refused") {
  for (const std::string& z : {whole, wide_zip()})
    for (std::size_t i = 0; i < z.size(); ++i) {
      CHECK_FALSE(error_of(z.substr(0, i)).empty());
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = z;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        error_of(damaged);
      }
    }
}
