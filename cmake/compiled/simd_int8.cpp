// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/block_matmul_inl.hpp>
#include <llava/quant/int8.hpp>

using w = llava::simd_backend::panel_view<llava::int8>;
#include "simd_products.inc"
