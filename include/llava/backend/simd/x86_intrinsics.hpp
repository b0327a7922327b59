// SPDX-License-Identifier: Apache-2.0
/// <immintrin.h>, without the warnings that g++ 12 gives for it.
#pragma once
#if defined(__x86_64__)
// g++ 12 takes the undefined registers that these intrinsics begin with for a mistake of ours (GCC bug 105593).
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
