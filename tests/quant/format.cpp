// SPDX-License-Identifier: Apache-2.0
#include <llava/quant/format.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("weights<F>: F for all when it is dense, and a KV cache that holds what F's numbers can become") {
  STATIC_REQUIRE(std::is_same_v<weights<bf16>::text, bf16>);
  STATIC_REQUIRE(std::is_same_v<weights<bf16>::kv_cache, bf16>);  // a bf16 of 1e5 is no f16
  STATIC_REQUIRE(std::is_same_v<weights<f32>::kv_cache, f32>);
  STATIC_REQUIRE(std::is_same_v<weights<f16>::kv_cache, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<q4_0>::kv_cache, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<q4_0>::embeddings, f16>);
}
