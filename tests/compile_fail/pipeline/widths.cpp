// EXPECT: llava: projection.vision_hidden must be vision.feature_width(), and projection.hidden text.hidden
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::llava_1_5_7b {
  static constexpr auto text = llava::with(llava::llava_1_5_7b::text, [](llava::text_config& c) { c.hidden = 2048; });
#ifdef LLAVA_FIXED
  static constexpr auto projection =
      llava::with(llava::llava_1_5_7b::projection, [](llava::projector_config& c) { c.hidden = 2048; });
#endif
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
