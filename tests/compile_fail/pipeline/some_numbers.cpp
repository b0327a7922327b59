// EXPECT: llava: a model states all of vision, text and projection as static members, or none
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::any {
  static constexpr llava::vision_config vision{};
#ifdef LLAVA_FIXED
  static constexpr llava::text_config text{};
  static constexpr llava::projector_config projection{};
#endif
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
