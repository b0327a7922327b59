// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/matmul_inl.hpp>

using w = llava::matrix_view<const llava::bf16>;
#include "simd_products.inc"
