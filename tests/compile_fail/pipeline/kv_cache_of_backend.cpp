// EXPECT: the policy's KV cache (contract: llava/ops/attention.hpp; llava::fp8_e4m3 is for llava::cuda and
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::weights<llava::f16> {
  using kv_cache = llava::fp8_e4m3;
};

#ifdef LLAVA_FIXED
using backend = llava::scalar;
#else
using backend = llava::simd;
#endif

auto use() { return llava::try_open<llava::llava_1_5_7b, backend, mine>("folder"); }
