// EXPECT: llava: M::projector is not a projector (contract: llava/projector/concept.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct without_numbers {
  template <class B, class F>
  struct stage {
#ifdef LLAVA_FIXED
    explicit stage(const llava::projector_config&) {}
#endif
    template <class Visit>
    void each(Visit&&) {}
    int rows(int features) const { return features; }
    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) const {
      copy(q, y, x);
    }
  };
};
struct mine : llava::llava_1_5_7b {
  using projector = without_numbers;
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
