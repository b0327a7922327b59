// EXPECT: llava::bf16, and kv_cache one of these or llava::fp8_e4m3
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::weights<llava::f16> {
#ifdef LLAVA_FIXED
  using kv_cache = llava::bf16;
#else
  using kv_cache = llava::q8_0;
#endif
};

auto use() { return llava::try_open<llava::llava_1_5_7b, llava::scalar, mine>("folder"); }
