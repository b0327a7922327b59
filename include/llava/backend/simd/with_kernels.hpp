// SPDX-License-Identifier: Apache-2.0
/// with_kernels: the kernels of a queue's instruction set, for ops of the simd backend.
#pragma once
#include <llava/backend/simd/avx2.hpp>
#include <llava/backend/simd/avx512.hpp>
#include <llava/backend/simd/generic.hpp>
#include <llava/backend/simd/neon.hpp>
#include <llava/backend/simd/queue.hpp>

LLAVA_BEGIN

namespace simd_backend {

namespace detail {
/// Calls call(kernels) with the queue's instruction set.
template <class F>
void with_kernels(const queue& q, F&& call) {
  switch (q.isa()) {
#if defined(__x86_64__)
    case simd_isa::amx:
    case simd_isa::avx512vnni:
    case simd_isa::avx512:
      return call(avx512::kernels{});
    case simd_isa::avx2:
      return call(avx2::kernels{});
#elif defined(__aarch64__)
    case simd_isa::neon:
      return call(neon::kernels{});
#endif
    default:
      return call(generic::kernels{});
  }
}

}  // namespace detail

}  // namespace simd_backend

LLAVA_END
