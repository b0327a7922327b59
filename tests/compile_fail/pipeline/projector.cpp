// EXPECT: llava: M::projector is not a projector (contract: llava/projector/concept.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct half_a_projector {
  template <class B, class F>
  struct stage {
    explicit stage(const llava::projector_config&) {}
    template <class Visit>
    void each(Visit&&) {}
    int rows(int features) const { return features; }
#ifdef LLAVA_FIXED
    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) const {
      copy(q, y, x);
    }
#endif
  };
};

struct mine : llava::llava_1_5_7b {
  using projector = half_a_projector;
};

void use(const llava::image& img) {
  auto model = llava::try_open<mine, llava::scalar, llava::f16>("folder");
  static_cast<void>(model->session().try_ask(img, "question"));
}
