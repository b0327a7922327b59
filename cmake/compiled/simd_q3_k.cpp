// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/block_matmul_inl.hpp>
#include <llava/quant/ggml_formats.hpp>

using w = llava::simd_backend::panel_view<llava::q3_k>;
#include "simd_products.inc"
