// EXPECT: llava: a model needs the types tower, projector, decoder, vision_activation
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine {
  using tower = llava::clip_tower;
  using projector = llava::mlp_gelu;
#ifdef LLAVA_FIXED
  using decoder = llava::llama_decoder;
#endif
  using vision_activation = llava::quick_gelu;
  using text_activation = llava::silu;
  using conversation = llava::of_checkpoint<>;
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
