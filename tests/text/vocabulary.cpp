// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <llava/text/vocabulary.hpp>
#include <llava_catch.hpp>

TEST_CASE("a vocabulary finds indexed texts, and reports repeated ones") {
  llava::vocabulary v;
  CHECK(v.find("a") == -1);
  for (std::int32_t id = 0; id < 1000; ++id) {
    v.set(id, "piece" + std::to_string(id % 900));
    CHECK(v.index(id) == (id < 900));
  }
  v.set(2000, "far");
  CHECK(v.size() == 2001);
  CHECK(v.find("far") == -1);
  CHECK(v.index(2000));
  CHECK(v.index(2000));
  CHECK(v.find("far") == 2000);
  for (std::int32_t id = 0; id < 900; ++id) CHECK(v.find("piece" + std::to_string(id)) == id);
  CHECK(v.find("piece900") == -1);
  CHECK(v.find("") == -1);
  CHECK(v.find(std::string(1000, 'x')) == -1);
  CHECK(v.text(950) == "piece50");
  CHECK(v.text(-1).empty());
  CHECK(v.text(1500).empty());
  CHECK(v.text(2001).empty());
}

TEST_CASE("a merge table keeps the last entry of each pair") {
  llava::merge_table t;
  llava::bpe_merge m;
  CHECK(!t.find(1, 2, m));
  for (std::int32_t i = 0; i < 500; ++i) t.set(i, i + 1, {static_cast<std::uint32_t>(i), 2 * i});
  t.set(3, 4, {7, 8});
  CHECK(t.size() == 500);
  REQUIRE(t.find(3, 4, m));
  CHECK((m.rank == 7 && m.id == 8));
  CHECK(!t.find(4, 3, m));
  CHECK(!t.find(-1, 0, m));
  std::size_t n = 0;
  t.each([&](std::int32_t l, std::int32_t r, const llava::bpe_merge&) { n += r == l + 1; });
  CHECK(n == 500);
}
