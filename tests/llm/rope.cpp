// SPDX-License-Identifier: Apache-2.0
/// Expected values: ROPE_INIT_FUNCTIONS of transformers 5.23 with these settings.
#include <llava/llm/rope.hpp>
#include <llava_catch.hpp>

TEST_CASE("rope_frequencies: default, linear and llama3 scaling match transformers", "[llm]") {
  llava::text_config c;
  c.head_dim = 8;
  c.rope_theta = 10000.f;
  const auto check = [&](std::initializer_list<float> expected) {
    const std::vector<float> f = llava::rope_frequencies(c);
    REQUIRE(f.size() == expected.size());
    std::size_t i = 0;
    for (float e : expected) CHECK(std::fabs(f[i++] - e) <= 2e-6f * e);
  };
  check({1.f, 0.100000001f, 0.00999999978f, 0.00100000005f});

  c.scaling = llava::rope_scaling::linear;
  c.rope_factor = 4.f;
  check({0.25f, 0.0250000004f, 0.00249999994f, 0.000250000012f});

  c.scaling = llava::rope_scaling::llama3;
  c.rope_theta = 500000.f;
  c.rope_factor = 8.f;
  check({1.f, 0.0376060307f, 0.000524846022f, 6.64786967e-06f});

  c.rope_theta = 10000.f;
  c.rope_factor = 32.f;
  c.rope_original_context = 64;
  check({1.f, 0.00372535503f, 0.000312499993f, 3.12500015e-05f});
}
