// EXPECT: llava: the concepts of llava/ops take a backend, not its queue
// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/scalar.hpp>
#include <llava/ops/matmul.hpp>

struct rows_of_mine : llava::scalar::queue {};  // `rows_of_mine::queue` is the name of its base
struct mine {
  using queue = rows_of_mine;
};

#ifdef LLAVA_FIXED
constexpr bool has_product = llava::ops::has_matmul<mine, llava::f16>;
#else
constexpr bool has_product = llava::ops::has_matmul<rows_of_mine, llava::f16>;
#endif
