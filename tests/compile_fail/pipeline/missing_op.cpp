// EXPECT: llava: the backend has no rms_norm (contract: llava/ops/norm.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

namespace unfinished {
struct queue : llava::scalar_backend::queue {
  using llava::scalar_backend::queue::queue;
};
#ifndef LLAVA_FIXED
void rms_norm(queue&, llava::matrix_view<float>, llava::matrix_view<const float>, llava::vector_view<const float>,
              float) = delete;
#endif
struct backend : llava::scalar {
  using queue = unfinished::queue;
};
}  // namespace unfinished

auto use() { return llava::try_open<llava::llava_1_5_7b, unfinished::backend, llava::f16>("folder"); }
