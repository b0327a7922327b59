// EXPECT: llava: M::tower is not a vision tower (contract: llava/vision/concept.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct half_a_tower {
#ifdef LLAVA_FIXED
  template <class B, class Numbers, class F, class Act>
  using stage = llava::clip_tower::stage<B, Numbers, F, Act>;
#endif
};

struct mine : llava::llava_1_5_7b {
  using tower = half_a_tower;
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
