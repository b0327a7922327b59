// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/simd/nf4_matmul_inl.hpp>

using w = llava::simd_backend::panel_view<llava::nf4>;
#include "simd_products.inc"
