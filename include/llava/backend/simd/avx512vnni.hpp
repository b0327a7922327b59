// SPDX-License-Identifier: Apache-2.0
/// The kernels of block formats for AVX-512 with VNNI. All other kernels are those of avx512.hpp.
#pragma once
#if defined(__x86_64__)
#include <llava/backend/simd/affine_panels.hpp>
#include <llava/backend/simd/avx512.hpp>
#include <llava/backend/simd/panels.hpp>

LLAVA_BEGIN
LLAVA_TARGET_BEGIN("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")
namespace simd_backend::avx512vnni {

using avx512::abs, avx512::fma, avx512::largest, avx512::load, avx512::load_upto, avx512::maximum, avx512::minimum;
using avx512::select_less, avx512::store, avx512::store_upto, avx512::vec;

/// A tile has sixteen sums. Each load of x is multiplied with two panels, since a load takes as long as a product.
inline constexpr int block_rows = 8, panels_at_once = 2;
// clang-format off
#include <llava/backend/simd/kernels/block_dot_vnni.inc>
#include <llava/backend/simd/kernels/affine_dot_vnni.inc>
#include <llava/backend/simd/kernels/affine_matmul.inc>
#include <llava/backend/simd/kernels/block_matmul.inc>
// clang-format on

}  // namespace simd_backend::avx512vnni
LLAVA_TARGET_END
LLAVA_END
#endif
