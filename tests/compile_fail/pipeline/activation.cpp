// EXPECT: llava: M::vision_activation is not an activation with apply(V) and a name
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct cube {
#ifdef LLAVA_FIXED
  static constexpr std::string_view name = "cube";
#endif
  template <class V>
  LLAVA_ALWAYS_INLINE static V apply(const V& x) {
    return x * x * x;
  }
};
struct mine : llava::llava_1_5_7b {
  using vision_activation = cube;
};

void use(const llava::image& img) {
  auto model = llava::try_open<mine, llava::scalar, llava::f16>("folder");
  static_cast<void>(model->session().try_ask(img, "question"));
}
