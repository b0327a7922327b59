// SPDX-License-Identifier: Apache-2.0
/// <immintrin.h>, without its warnings in g++ 12.
#pragma once
#if defined(__x86_64__)
// g++ 12 warns about registers that these intrinsics leave undefined on purpose (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
