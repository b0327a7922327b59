// SPDX-License-Identifier: Apache-2.0
/// Expected values: ROPE_INIT_FUNCTIONS of transformers (tests/oracle/position_vectors.py).
#include <llava/checkpoint/text_config.hpp>
#include <llava/llm/rope.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

#include <set>

TEST_CASE("rope_frequencies: every scaling that a config.json can ask for matches transformers", "[llm]") {
  const auto json = llava::json_document::try_read(LLAVA_TEST_DATA "/models/positions.json");
  REQUIRE(json);
  temporary_folder f("rope");
  std::set<llava::rope_scaling> seen;
  for (const llava::json_value& one : json->value().find("rope")->items()) {
    const std::string& text = *one.find("config")->text();
    INFO(text);
    f.write("config.json", text);
    const auto config = llava::json_document::try_read(f / "config.json");
    REQUIRE(config);
    llava::model_description d;
    if (const auto read = llava::detail::try_read_text_config(config->root(), "llama", d); !read)
      FAIL(read.error().what());
    seen.insert(d.text.scaling);
    if (const auto length = one.find("length")->integer()) CHECK(*length <= d.text.context);
    CHECK(d.text.context == (d.text.scaling == llava::rope_scaling::longrope ? d.text.rope_original_context : 512));
    const double attention = *one.find("attention_factor")->number();
    CHECK(std::fabs(static_cast<double>(d.text.rope_attention) - attention) <= 1e-6 * attention);
    const std::vector<float> frequencies = llava::rope_frequencies(d.text);
    const auto& expected = one.find("inv_freq")->items();
    REQUIRE(frequencies.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::fabs(static_cast<double>(frequencies[i]) - *expected[i].number()) <= 2e-6 * *expected[i].number());
  }
  CHECK(seen.size() == 5);  // all but none
}

TEST_CASE("rope_frequencies: without scaling they are powers of theta", "[llm]") {
  llava::text_config c;
  c.head_dim = 8;
  const std::vector<float> f = llava::rope_frequencies(c);
  REQUIRE(f.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::fabs(static_cast<double>(f[i]) / std::pow(10.0, -static_cast<double>(i)) - 1) <= 2e-6);
}
