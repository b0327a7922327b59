// SPDX-License-Identifier: Apache-2.0
/// Expected values: build_mpt_alibi_tensor of transformers (tests/oracle/position_vectors.py).
#include <llava/checkpoint/json.hpp>
#include <llava/llm/alibi.hpp>
#include <llava_catch.hpp>

TEST_CASE("alibi_slopes: any number of heads matches transformers", "[llm]") {
  const auto json = llava::json_document::try_read(LLAVA_TEST_DATA "/models/positions.json");
  REQUIRE(json);
  const auto& cases = json->value().find("alibi")->items();
  REQUIRE(cases.size() == 8);
  for (const llava::json_value& one : cases) {
    llava::text_config c;
    c.heads = static_cast<int>(*one.find("heads")->integer());
    c.alibi = static_cast<float>(*one.find("bias")->number());
    INFO(c.heads << " heads, largest exponent " << c.alibi);
    const std::vector<float> slopes = llava::alibi_slopes(c);
    const auto& expected = one.find("slopes")->items();
    REQUIRE(slopes.size() == expected.size());
    for (std::size_t h = 0; h < slopes.size(); ++h)
      CHECK(std::fabs(static_cast<double>(slopes[h]) - *expected[h].number()) <= 1e-6 * *expected[h].number());
  }
}
