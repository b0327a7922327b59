// EXPECT: llava: vision, projector, text and head of a policy must be weight formats
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::weights<llava::f16> {
#ifdef LLAVA_FIXED
  using vision = llava::q8_0;
#else
  using vision = int;
#endif
};

auto use() { return llava::try_open<llava::llava_1_5_7b, llava::scalar, mine>("folder"); }
