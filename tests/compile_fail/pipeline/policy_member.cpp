// EXPECT: llava: the policy has a member that no pipeline reads; its formats are vision, projector, text, head,
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::weights<llava::f16> {
#ifdef LLAVA_FIXED
  using head = llava::q8_0;
#else
  using heads = llava::q8_0;
#endif
};

auto use() { return llava::try_open<llava::llava_1_5_7b, llava::scalar, mine>("folder"); }
