// SPDX-License-Identifier: Apache-2.0
/// The kernels of block formats for AVX-512 with VNNI and AMX: one instruction multiplies sixteen rows of x with a
/// panel. All other kernels are those of avx512.hpp.
#pragma once
#if defined(__x86_64__)
#include <llava/backend/simd/avx512vnni.hpp>

LLAVA_BEGIN
LLAVA_TARGET_BEGIN("amx-tile,amx-int8,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")
namespace simd_backend::amx {

using avx512::abs, avx512::finish, avx512::fma, avx512::largest, avx512::load, avx512::load_upto, avx512::maximum;
using avx512::minimum, avx512::select_less, avx512::store, avx512::store_upto, avx512::vec;
using avx512vnni::affine_dot, avx512vnni::int_vec;

inline constexpr int block_rows = 16, panels_at_once = 1;
// clang-format off
#include <llava/backend/simd/kernels/block_dot_amx.inc>
#include <llava/backend/simd/kernels/affine_matmul.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

/// The kernels as a type: matmul configures the tiles and releases them at the end.
struct tile_kernels : block_kernels {
  template <class A, class F>
  static void matmul(const block_arguments<F>& a, std::ptrdiff_t first, std::ptrdiff_t last, float* sums) {
    _tile_loadconfig(&shapes_of_tiles);
    block_kernels::matmul<A>(a, first, last, sums);
    _tile_release();
  }
};

}  // namespace simd_backend::amx
LLAVA_TARGET_END
LLAVA_END
#endif
