// SPDX-License-Identifier: Apache-2.0
#include <llava/quant/format.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("weights<F>: a dense F is used for all weights, and the KV cache covers F's range") {
  STATIC_REQUIRE(std::is_same_v<weights<bf16>::text, bf16>);
  STATIC_REQUIRE(std::is_same_v<weights<bf16>::kv_cache, bf16>);  // 1e5 fits a bf16, not an f16
  STATIC_REQUIRE(std::is_same_v<weights<f32>::kv_cache, f32>);
  STATIC_REQUIRE(std::is_same_v<weights<f16>::kv_cache, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<q4_0>::kv_cache, f16>);
  STATIC_REQUIRE(std::is_same_v<weights<q4_0>::embeddings, f16>);
}
