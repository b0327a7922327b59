// EXPECT: llava: the model has a member that no pipeline reads; the choices are tower, projector, decoder
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::llava_1_5_7b {
#ifdef LLAVA_FIXED
  using vision_activation = llava::gelu;
#else
  using activation = llava::gelu;
#endif
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
